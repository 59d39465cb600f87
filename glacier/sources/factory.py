"""Which source a configuration names: the one place that knows all of them."""

from __future__ import annotations

from glacier.config import Config
from glacier.sources.limiter import RequestLimit
from glacier.sources.source import Source


def open_source(config: Config, limiter: RequestLimit | None = None) -> Source:
    """The source that a configuration names.

    Args:
        config: The configuration.
        limiter: Of the requests in flight, shared with other workers; None: the source's own.
    """
    if config.ingest.source == "synthetic":
        from glacier.sources.synthetic.source import SyntheticSource

        return SyntheticSource(config.ingest.synthetic, config.ingest.cloud_profile, config.seed)
    if config.ingest.source == "earthengine":
        from glacier.sources.earthengine import EarthEngineSource

        return EarthEngineSource(config.ingest, limiter)
    if config.ingest.source == "stac":
        from glacier.sources.stac import StacSource

        return StacSource(config, limiter)
    if config.ingest.folder.holds == "scenes":
        from glacier.sources.scene_files import SceneFolderSource

        return SceneFolderSource(config.ingest)
    from glacier.sources.folder import FolderSource

    return FolderSource(config.ingest.folder)
