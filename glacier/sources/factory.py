"""Which source a configuration names."""

from __future__ import annotations

from glacier.config import Config
from glacier.sources.limiter import RequestLimit
from glacier.sources.mixed import MixedSource
from glacier.sources.readers import open_reader
from glacier.sources.source import Source


def open_source(config: Config, limiter: RequestLimit | None = None) -> Source:
    """The source that a configuration names.

    Args:
        config: The configuration.
        limiter: Of the requests in flight, shared with other workers; None: the source's own.
    """
    if config.ingest.synthetic_regions:
        return MixedSource.from_config(config, limiter)
    return open_reader(config.ingest.chosen, config, limiter)
