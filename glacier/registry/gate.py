"""Whether a candidate may serve: no frozen fold and no region falls, and calibration holds.

Both models answer for the same pixels, so that what is judged is a difference: of the IoU of a
fold's frozen test part, of each region, and of the calibration error of all of them. How far such
a difference strays where nothing has changed is estimated by leaving out one piece after the other
(a jackknife), and the pieces are taken in two ways: images, since a sky or a snowfall makes a
whole image hard, and blocks of ground over all their images, since a network that errs on a tongue
errs there every month, and trained again errs on another. The wider of the two intervals counts.

A part's own pieces would hide a fall: a tongue that is forgotten makes its block scatter, and the
interval with it. So the scatter is that of the other folds, in proportion to what the serving model
lacks of an IoU of 1, and the part's own only where there are no others. Pieces differ in the ice
that they hold, and five of six may say nothing, so that the t distribution has as many degrees of
freedom as pieces count, not as there are.

The intervals hold together: each part has its share of the level (Bonferroni, which for "any of
them falls" is what Holm's steps come to), so that of candidates that are as good as what serves at
most that share is refused. ``results/continual`` has how often it was.

A part that too few pieces hold, or whose interval could hide a fall that matters, is neither
passed nor refused: a person decides.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from glacier.registry.cells import Cells, measure_ece, measure_ground, measure_iou
from glacier.registry.scatter import Measure, measure_allowed
from glacier.settings.learn import Gate
from glacier.settings.model import Model
from glacier.wording import join_words

Kind = Literal["fold", "region", "calibration"]
Outcome = Literal["holds", "falls", "unknown"]
Decision = Literal["promoted", "refused", "waits"]


class Part(Model):
    """One thing that may not fall."""

    kind: Kind
    name: str
    """Number of the fold, name of the region, or ``all``."""
    measure: Literal["IoU", "share of the ground called ground", "calibration error"]
    serving: float
    candidate: float
    fall: float
    """How much worse the candidate is; negative: better."""
    allowed: float | None
    """Fall that chance can make; None: too few pieces to know."""
    images: int
    blocks: int
    outcome: Outcome

    @property
    def title(self) -> str:
        """As a sentence names it."""
        return "calibration" if self.kind == "calibration" else f"{self.kind} {self.name}"


class Judgement(Model):
    """What the gate found."""

    decision: Decision
    reason: str
    level: float
    """Of all parts together."""
    parts: tuple[Part, ...]

    @property
    def fallen(self) -> tuple[Part, ...]:
        """Parts that fall."""
        return tuple(part for part in self.parts if part.outcome == "falls")

    @property
    def unknown(self) -> tuple[Part, ...]:
        """Parts of which nothing is known."""
        return tuple(part for part in self.parts if part.outcome == "unknown")


def judge(cells: Cells, settings: Gate, needs_approval: bool = False) -> Judgement:
    """Compare a candidate with what serves, on frozen test parts.

    Args:
        cells: Of frozen test parts alone.
        settings: The level and what nobody minds.
        needs_approval: A person has to agree.
    """
    named = list(name_parts(cells))
    level = settings.level / max(1, len(named))
    parts = tuple(
        compare(cells, chosen, (kind, name), level, settings) for kind, name, chosen in named
    )
    found = Judgement(decision="promoted", reason="", level=settings.level, parts=parts)
    return found.model_copy(update=decide(found, needs_approval))


def decide(found: Judgement, needs_approval: bool) -> dict[str, str]:
    """The decision, and why, in words."""
    if found.fallen:
        return {"decision": "refused", "reason": join_words([*map(tell_fall, found.fallen)])}
    if found.unknown or not found.parts:
        names = join_words([part.title for part in found.unknown]) or "any frozen fold"
        said = f"too little is known of {names} to say whether it falls; a person has to look"
        return {"decision": "waits", "reason": said}
    held = f"no frozen fold and no region falls, and calibration holds ({len(found.parts)} parts)"
    if needs_approval:
        return {"decision": "waits", "reason": f"{held}; a person has to agree"}
    return {"decision": "promoted", "reason": held}


def tell_fall(part: Part) -> str:
    """A fall in words, with its numbers."""
    verb = "rises" if part.kind == "calibration" else "falls"
    error = " error" if part.kind == "calibration" else ""
    return (
        f"{part.title}{error} {verb} from {part.serving:.3f} to {part.candidate:.3f}, and "
        f"{part.allowed:.3f} is what chance can make"
    )


def name_parts(cells: Cells) -> Iterator[tuple[Kind, str, NDArray[np.bool_]]]:
    """Folds, regions and calibration, each with its cells; the same ground is judged once."""
    seen: set[bytes] = set()
    columns: tuple[tuple[Kind, NDArray[np.generic]], ...] = (
        ("fold", cells.fold),
        ("region", cells.region),
    )
    for kind, column in columns:
        for name in np.unique(column):
            chosen = np.asarray(column == name)
            if (key := chosen.tobytes()) not in seen:
                seen.add(key)
                yield kind, str(name), chosen
    if len(cells):
        yield "calibration", "all", np.ones(len(cells), bool)


def compare(
    cells: Cells, chosen: NDArray[np.bool_], named: tuple[Kind, str], level: float, settings: Gate
) -> Part:
    """Whether a part falls.

    Args:
        cells: Of all parts.
        chosen: (N,) bool, those of this one.
        named: What it is, and its name.
        level: Probability of a false alarm of this part, one-sided.
        settings: The gate.
    """
    (kind, name), part = named, cells.take(chosen)
    title, measure = choose_measure(part, kind)
    sign = -1.0 if kind == "calibration" else 1.0
    serving, candidate = (
        float(measure(model.sum(axis=0))) for model in (part.serving, part.candidate)
    )
    fall = sign * (serving - candidate)
    allowed = measure_allowed(part, cells.take(~chosen), measure, level)
    outcome: Outcome = "holds"
    if allowed is not None and fall > allowed + settings.tolerance:
        outcome = "falls"
    elif allowed is None or allowed > settings.widest:
        outcome = "unknown"
    return Part(
        kind=kind, name=name, measure=title, serving=serving, candidate=candidate, fall=fall,
        allowed=allowed, outcome=outcome, images=len(np.unique(part.image)),
        blocks=len(np.unique(part.block)),
    )  # fmt: skip


Title = Literal["IoU", "share of the ground called ground", "calibration error"]


def choose_measure(cells: Cells, kind: Kind) -> tuple[Title, Measure]:
    """What a part is measured by: its IoU, unless no ice is known there."""
    if kind == "calibration":
        return "calibration error", measure_ece
    if cells.serving[:, [0, 2]].any():
        return "IoU", measure_iou
    return "share of the ground called ground", measure_ground
