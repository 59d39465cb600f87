"""``glacier serve``: a run's models and maps, for others, until it is asked to end."""

from __future__ import annotations

from glacier.config import Config
from glacier.errors import ConfigError
from glacier.machine import explain_missing_extra


def run_serve(config: Config) -> int:
    """Serve a run, by uvicorn on this machine or by Ray Serve on a cluster.

    Args:
        config: The run; ``serve`` says where and for whom.

    Returns:
        0, once it was asked to end.

    Raises:
        ConfigError: The extra ``serve`` is missing, or the address or the tokens cannot be used.
        StoreError: There is no finished sweep to serve; the message names the job to run first.
    """
    if reason := explain_missing_extra("serve"):
        raise ConfigError(reason)
    from glacier.serving.local_mapper import LocalMapper  # late: the extra may be missing

    if config.serve.on == "ray":
        from glacier.serving.on_ray import serve_on_ray

        return serve_on_ray(config, LocalMapper.start)
    from glacier.serving.on_uvicorn import serve_here

    return serve_here(config, LocalMapper.start)
