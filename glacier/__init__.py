"""Glacier mapping from satellite images: monthly composites and model comparison.

What is named here is the public interface. Nothing is imported before it is asked for, so that
``import glacier`` is instant:

    import glacier

    config = glacier.load_config(["demo.yaml", "--sweep.epochs", "3"])
    failed = glacier.run_pipeline(config)
    probability = glacier.map_probability("data/models/demo-.../resnet18/fold-0", image)
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from glacier.archive.ingest import run_ingest as run_ingest
    from glacier.config import Config as Config
    from glacier.dry_runs import dry_run as dry_run
    from glacier.errors import GlacierError as GlacierError
    from glacier.flags import load_config as load_config
    from glacier.geo.regions import read_regions as read_regions
    from glacier.latest import run_latest as run_latest
    from glacier.learn import run_learn as run_learn
    from glacier.mapping.export import run_export as run_export
    from glacier.mapping.predict import run_predict as run_predict
    from glacier.monitoring.monitor import run_monitor as run_monitor
    from glacier.pipeline import run_pipeline as run_pipeline
    from glacier.reports.explained import run_explain as run_explain
    from glacier.reports.report import run_report as run_report
    from glacier.reports.series import run_series as run_series
    from glacier.samples.month_images import MonthImage as MonthImage
    from glacier.samples.month_images import read_images as read_images
    from glacier.samples.prepare import run_prepare as run_prepare
    from glacier.samples.sample_set import SampleSet as SampleSet
    from glacier.samples.sample_set import read_set as read_set
    from glacier.serving.run import run_serve as run_serve
    from glacier.studies.claims import run_claims as run_claims
    from glacier.studies.continual import run_continual as run_continual
    from glacier.studies.study import run_study as run_study
    from glacier.training.model_files import load_model as load_model
    from glacier.training.model_files import map_probability as map_probability
    from glacier.training.saved import SavedSweep as SavedSweep
    from glacier.training.saved import find_sweep as find_sweep
    from glacier.training.sweep import run_sweep as run_sweep

__version__ = "0.1.0"
"""Of the code itself, whatever is installed; the build reads it here."""

__all__ = [
    "Config",
    "GlacierError",
    "MonthImage",
    "SampleSet",
    "SavedSweep",
    "dry_run",
    "find_sweep",
    "load_config",
    "load_model",
    "map_probability",
    "read_images",
    "read_regions",
    "read_set",
    "run_claims",
    "run_continual",
    "run_explain",
    "run_export",
    "run_ingest",
    "run_latest",
    "run_learn",
    "run_monitor",
    "run_pipeline",
    "run_predict",
    "run_prepare",
    "run_report",
    "run_series",
    "run_serve",
    "run_study",
    "run_sweep",
]

_HOMES = {
    "archive.ingest": ("run_ingest",),
    "config": ("Config",),
    "dry_runs": ("dry_run",),
    "errors": ("GlacierError",),
    "flags": ("load_config",),
    "geo.regions": ("read_regions",),
    "latest": ("run_latest",),
    "learn": ("run_learn",),
    "mapping.export": ("run_export",),
    "mapping.predict": ("run_predict",),
    "monitoring.monitor": ("run_monitor",),
    "pipeline": ("run_pipeline",),
    "reports.explained": ("run_explain",),
    "reports.report": ("run_report",),
    "reports.series": ("run_series",),
    "samples.month_images": ("MonthImage", "read_images"),
    "samples.sample_set": ("SampleSet", "read_set"),
    "samples.prepare": ("run_prepare",),
    "serving.run": ("run_serve",),
    "studies.claims": ("run_claims",),
    "studies.continual": ("run_continual",),
    "studies.study": ("run_study",),
    "training.model_files": ("load_model", "map_probability"),
    "training.saved": ("SavedSweep", "find_sweep"),
    "training.sweep": ("run_sweep",),
}
"""Modules and the public names in them. A test holds this against the imports above."""


def __getattr__(name: str) -> object:
    """Import a public name when it is first asked for."""
    for module, names in _HOMES.items():
        if name in names:
            found: object = getattr(import_module(f"glacier.{module}"), name)
            globals()[name] = found
            return found
    raise AttributeError(f"module 'glacier' has no attribute {name!r}")


def __dir__() -> list[str]:
    """Public names beside what has been imported."""
    return sorted({*globals(), *__all__})
