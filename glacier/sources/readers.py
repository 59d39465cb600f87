"""Which class reads by which settings: the one place that knows all sources."""

from __future__ import annotations

from importlib import import_module

from glacier.config import Config
from glacier.settings.source import SourceSettings
from glacier.sources.limiter import RequestLimit
from glacier.sources.source import Source

SOURCES = {
    "synthetic": ("synthetic.source", "SyntheticSource"),
    "earthengine": ("earthengine", "EarthEngineSource"),
    "stac": ("stac", "StacSource"),
    "month_files": ("month_files", "MonthFilesSource"),
    "images": ("images", "ImagesSource"),
    "scene_files": ("scene_files", "SceneFilesSource"),
}
"""``SourceSettings.reader`` to module and class. Only the chosen one is imported: the libraries of
each take seconds."""


def open_reader(
    settings: SourceSettings, config: Config, limiter: RequestLimit | None = None
) -> Source:
    """The source that reads by some settings of a configuration.

    Args:
        settings: Those of one source.
        config: The configuration.
        limiter: Of the requests in flight, shared with other workers; None: the source's own.
    """
    module, name = SOURCES[settings.reader]
    source: type[Source] = getattr(import_module(f"glacier.sources.{module}"), name)
    return source.from_config(config, limiter)
