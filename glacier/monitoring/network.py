"""Which network looks at a region's months: one for all of them, by the records of its maps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from pydantic import Field

from glacier import store
from glacier.config import Config
from glacier.mapping.maps import MapRecord
from glacier.settings.model import Model
from glacier.settings.values import BareName, Name, Sha256
from glacier.training.model_card import card_address
from glacier.training.saved import SavedSweep


class Looker(Model):
    """The network whose encoder looks at a region's months, or why there is none.

    Features of two networks cannot be compared, so that it is the same for all months.
    """

    region: Name
    encoder: BareName | None = None
    """None: no network looks."""
    fold: int = Field(0, ge=0)
    sha256: Sha256 = ""
    """Of its weights."""
    why_none: str = ""

    def __str__(self) -> str:
        """It in words."""
        return f"{self.encoder}, fold {self.fold}" if self.encoder else f"none: {self.why_none}"


Lookers = Mapping[str, Looker]
"""Of each region."""


def choose_lookers(config: Config, sweep: SavedSweep, records: Sequence[MapRecord]) -> Lookers:
    """The network of each region that has a map.

    Args:
        config: The run.
        sweep: Whose networks mapped.
        records: What became of the maps.
    """
    by_region: dict[str, list[MapRecord]] = {}
    for record in records:
        if record.grid is not None:
            by_region.setdefault(record.region, []).append(record)
    if not config.monitor.features:
        why = "monitor.features is false"
        return {region: Looker(region=region, why_none=why) for region in by_region}
    return {region: choose_looker(region, sweep, found) for region, found in by_region.items()}


def choose_looker(region: str, sweep: SavedSweep, records: Sequence[MapRecord]) -> Looker:
    """The network that mapped the most months of a region; of several the first.

    So it is one that never saw the region where folds hold back regions.
    """
    used = Counter((m.encoder, m.fold, m.sha256) for record in records for m in record.models)
    if not used:
        return Looker(region=region, why_none="its maps do not say who made them")
    ((encoder, fold, sha256), _), *_ = used.most_common(1)
    if not store.exists(card_address(sweep.places.model(encoder, fold))):
        why = f"{encoder}, fold {fold}, which mapped it, is no longer in the storage"
        return Looker(region=region, why_none=why)
    return Looker(region=region, encoder=encoder, fold=fold, sha256=sha256)
