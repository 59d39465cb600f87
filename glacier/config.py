"""The configuration: one tree of frozen models, read from one YAML file, set from flags.

Reading it from a file and flags is ``flags.load_config``.

Every field states its unit and range. A bad value is answered with its name, what was given,
what is allowed and the nearest spelling. Environment variables are read only where a path
names one (``$GLACIER_REAL_DATA/everest_l7_rgi``); ``$$`` there is a plain dollar.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, JsonValue, model_validator

from glacier.settings.cluster import Cluster
from glacier.settings.continual import Continual
from glacier.settings.explain import Explain
from glacier.settings.export import Export
from glacier.settings.identity import digest, identity
from glacier.settings.ingest import Ingest
from glacier.settings.labels import RULE_BANDS
from glacier.settings.latest import Latest
from glacier.settings.learn import Learn
from glacier.settings.model import ADDRESS, PRIVATE, RUNTIME_ONLY, TEXT, Model
from glacier.settings.monitor import Monitor
from glacier.settings.months import Months
from glacier.settings.paths import PathText
from glacier.settings.plan import PlanSettings
from glacier.settings.predict import Predict
from glacier.settings.prepare import Prepare
from glacier.settings.regions import Region
from glacier.settings.repeats import Repeats
from glacier.settings.series import Series
from glacier.settings.serve import Serve
from glacier.settings.sweep import Sweep
from glacier.settings.values import Name
from glacier.wording import name_place


class Config(Model):
    """A run, from region and months to the report."""

    name: Name
    """Name of the run; its outputs carry it."""
    storage: Annotated[PathText, RUNTIME_ONLY, PRIVATE] = "./data"
    """Folder or object-store address for archive, samples, sweeps and models."""
    results: Annotated[PathText, RUNTIME_ONLY, PRIVATE] = "./results"
    """Folder for reports."""
    when_locked: Annotated[Literal["wait", "leave"], RUNTIME_ONLY] = "wait"
    """Where another run works on the same folder: wait until it has ended and do what is missing
    then, or leave the work to it and end well."""
    seed: int = Field(42, ge=0, lt=2**32)
    """Seed of everything that is drawn at random."""
    regions: tuple[Region, ...]
    """Places to work on; in the file also entries with ``file``, see ``RegionFile``."""
    months: Months = Months()
    """Span of months."""
    ingest: Ingest = Ingest()
    """Scenes -> composites."""
    prepare: Prepare = Prepare()
    """Composites -> samples."""
    sweep: Sweep = Sweep()
    """Samples -> models."""
    predict: Annotated[Predict, RUNTIME_ONLY] = Predict()
    """Models -> maps; what it says changes no model, and the maps carry their own hash."""
    series: Annotated[Series, RUNTIME_ONLY] = Series()
    """Maps -> outlines, area and change; likewise."""
    latest: Annotated[Latest, RUNTIME_ONLY] = Latest()
    """Months that come after a run -> its maps and series; it trains nothing."""
    monitor: Annotated[Monitor, RUNTIME_ONLY] = Monitor()
    """Months beside the same season of other years -> alarms."""
    learn: Annotated[Learn, RUNTIME_ONLY] = Learn()
    """What is new, and the model that serves -> a candidate for its place."""
    export: Annotated[Export, RUNTIME_ONLY] = Export()
    """Models -> files for other programs."""
    explain: Annotated[Explain, RUNTIME_ONLY] = Explain()
    """A map -> what decided it."""
    serve: Annotated[Serve, RUNTIME_ONLY] = Serve()
    """Maps and models -> an HTTP service."""
    plan: Annotated[PlanSettings, RUNTIME_ONLY] = PlanSettings()
    """What a run will take, before it is run."""
    continual: Annotated[Continual, RUNTIME_ONLY] = Continual()
    """Samples -> a comparison of strategies that learn task after task; it has its own hash."""
    cluster: Annotated[Cluster, RUNTIME_ONLY] = Cluster()
    """Where Ray runs."""
    variants: Annotated[dict[Name, dict[str, JsonValue]], RUNTIME_ONLY] = Field(
        default_factory=dict
    )
    """Variants that ``glacier study`` compares: name to dotted fields and values, such as
    ``{sweep.folds.kind: shuffled}``; the first is the reference, and ``{}`` the run itself."""
    repeats: Annotated[Repeats | None, RUNTIME_ONLY] = None
    """Variants that ``glacier study`` trains from other seeds as well; None: it does not."""

    @property
    def training_seed(self) -> int:
        """Seed of the networks' first weights and of the order of samples."""
        own = self.sweep.training_seed
        return self.seed if own is None else own

    def variant(self, name: str) -> Config:
        """The full configuration of a variant; it keeps the name, so that equal parts are shared.

        Args:
            name: A key of ``variants``.

        Raises:
            ValidationError: A field of the variant is unknown, or its value cannot be used.
        """
        values = self.model_dump(mode="json", exclude={"variants", "repeats"})
        if self.variants[name].get("ingest.source", self.ingest.source) != self.ingest.source:
            del values["ingest"][self.ingest.source]  # what the run says of its own is not for it
        for field, value in self.variants[name].items():
            level = values
            *above, last = field.split(".")
            for part in above:
                if not isinstance(level.get(part), dict):
                    level[part] = {}
                level = level[part]
            level[last] = value
        return Config.model_validate(values)

    @property
    def repeated(self) -> tuple[str, ...]:
        """Names of the variants that are trained from other seeds as well."""
        if self.repeats is None:
            return ()
        return self.repeats.variants or tuple(self.variants)

    def repeat(self, name: str, seed: int) -> Config:
        """The full configuration of a variant from another training seed.

        Args:
            name: One of ``repeated``.
            seed: One of ``repeats.seeds``.
        """
        run = self.variant(name)
        encoders = self.repeats.encoders if self.repeats else ()
        return run.model_copy(update={"sweep": run.sweep.repeated(seed, encoders)})

    def runs(self) -> dict[str, Config]:
        """Everything that a study runs, as messages name it: its variants, then their repeats."""
        seeds = self.repeats.seeds if self.repeats else ()
        found = {name: self.variant(name) for name in self.variants}
        return found | {
            f"{name}, seed {seed}": self.repeat(name, seed)
            for seed in seeds
            for name in self.repeated
        }

    def place(self, name: str) -> str:
        """A region's name as people write it, which says so where its scenes are made up."""
        titles = {region.name: region.title for region in self.regions}
        return name_place(name, self.ingest.settings_of(name).knows_truth, titles.get(name))

    @model_validator(mode="after")
    def check_regions(self) -> Self:
        """Refuse regions that the source could not tell apart or not place."""
        names = [region.name for region in self.regions]
        if not names or len(set(names)) != len(names):
            raise ValueError(f"regions {names}: wanted one or more, no name twice")
        made_up = self.ingest.synthetic_regions
        if odd := sorted(set(made_up) - set(names)):
            raise ValueError(
                f"ingest.synthetic_regions names {', '.join(odd)}, which is no region of the run: "
                "correct it, or leave it out"
            )
        if set(made_up) == set(names):
            raise ValueError(
                "ingest.synthetic_regions names all regions, so that nothing could be tested: set "
                "ingest.source synthetic in its place"
            )
        for region in self.regions:
            source = self.ingest.settings_of(region.name)
            if region.polygon is None and not source.brings_grid:
                raise ValueError(f"region {region.name} needs a polygon; only files bring a grid")
            if region.polygon is not None and not source.uses_frames:
                raise ValueError(
                    f"region {region.name} has a polygon, which cannot act on month files: they "
                    "are read on their own grid; leave polygon and pixel_m out"
                )
        return self

    @model_validator(mode="after")
    def check_labels(self) -> Self:
        """Refuse labels that could not be made of the run's months."""
        published = self.sweep.protocol == "notebook"
        if not published and self.prepare.label.unseen == "background":
            raise ValueError(
                "prepare.label.unseen background counts clouds as bare ground: only for "
                "sweep.protocol notebook; use ignore"
            )
        label, made_up = self.prepare.label, self.ingest.synthetic_regions
        drawn = {region.name: label.of(region.name) for region in self.regions}
        undrawn = [name for name, own in drawn.items() if not own.is_drawn and name not in made_up]
        if label.kind == "outlines" and undrawn:
            raise ValueError(
                f"prepare.label.kind outlines: no file of region {', '.join(undrawn)}: name one in "
                "prepare.label.outlines or prepare.label.masks, or name it in prepare.label.bare"
            )
        if self.prepare.label.kind == "truth" and not self.ingest.chosen.knows_truth:
            raise ValueError(
                f"prepare.label.kind truth is known only to the synthetic source, not to "
                f"{self.ingest.source}; use outlines, ndsi or threshold"
            )
        return self

    @model_validator(mode="after")
    def check_run(self) -> Self:
        """Refuse combinations that no stage could honour."""
        if self.sweep.folds.kind == "by_year" and self.ingest.synthetic_regions:
            raise ValueError(
                "sweep.folds.kind by_year parts all regions alike, and those of "
                "ingest.synthetic_regions are tested by no fold: use by_region or by_block"
            )
        if self.sweep.folds.kind == "by_block" and self.prepare.layout != "chips":
            raise ValueError(
                "sweep.folds.kind by_block parts the ground, which resized samples cannot be: "
                "set prepare.layout chips"
            )
        epochs, warm_up = self.learn.epochs, self.sweep.warm_up_epochs
        if epochs is not None and epochs <= warm_up:
            raise ValueError(
                f"learn.epochs {epochs}: wanted more than sweep.warm_up_epochs, {warm_up:g}"
            )
        named = {name for group in self.sweep.folds.together for name in group}
        if odd := sorted(named - {region.name for region in self.regions}):
            raise ValueError(
                f"sweep.folds.together names {', '.join(odd)}, which is no region of the run: "
                "correct it, or leave it out"
            )
        compares = self.sweep.fairness.kind != "none" or self.sweep.choose_by != "mean"
        if compares and len(self.regions) < 2:
            raise ValueError(
                f"sweep.fairness and sweep.choose_by worst_region weigh regions against each "
                f"other, and {self.regions[0].name} is the only one: add regions, or leave both out"
            )
        if self.sweep.normalise == "imagenet" and len(self.prepare.image) != 3:
            raise ValueError(
                f"sweep.normalise imagenet knows 3 bands, prepare.image has "
                f"{len(self.prepare.image)}; use training"
            )
        self.check_joined_rule()
        return self

    def check_joined_rule(self) -> None:
        """Refuse a rule beside the networks that lacks its bands, or makes the labels itself."""
        if self.sweep.joined_rule == "none":
            return
        if missing := [name for name in RULE_BANDS if name not in self.prepare.image]:
            raise ValueError(
                f"sweep.joined_rule ndsi needs {', '.join(missing)} in prepare.image, which is "
                f"{', '.join(self.prepare.image)}: add it where the scenes have it, or leave the "
                "rule out"
            )
        if self.prepare.scale != "reflectance":
            raise ValueError(
                f"sweep.joined_rule ndsi has thresholds of reflectance, and prepare.scale is "
                f"{self.prepare.scale}: set it to reflectance, or leave the rule out"
            )
        if self.prepare.label.kind == "ndsi":
            raise ValueError(
                "sweep.joined_rule ndsi would answer with the very rule that prepare.label.kind "
                "ndsi makes the labels of: take other labels, or leave the rule out"
            )


def config_digest(config: Config) -> str:
    """Hash of the fields that decide what a run computes, not where or how fast.

    What is in the files that it names is for others to hash: they are read once it is needed.
    """
    config = config.model_copy(update={"sweep": config.sweep.without_places()})
    return digest(identity(config, (RUNTIME_ONLY, ADDRESS, TEXT)))


def explain_few_variants(config: Config) -> str:
    """Why a study would have nothing to compare; nothing where it has."""
    if len(config.variants) > 1:
        return ""
    return (
        f"variants = {list(config.variants)}: a study compares two or more; give names and what "
        "differs, such as {plain: {}, shuffled: {sweep.folds.kind: shuffled}}"
    )


def variants_digest(config: Config) -> str:
    """Hash of what a study computes: of every run of it by its name, in their order."""
    return digest([[name, config_digest(run)] for name, run in config.runs().items()])
