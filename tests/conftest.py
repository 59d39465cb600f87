"""One private Ray for the whole session; the environment is set before Ray is imported."""

import atexit
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

_folder = Path(tempfile.mkdtemp(prefix="glacier-test-"))
atexit.register(shutil.rmtree, _folder, ignore_errors=True)
_token = _folder / "auth_token"
_token.touch(mode=0o600)
_token.write_text(secrets.token_hex(32))
os.environ.update(
    RAY_AUTH_MODE="token",
    RAY_AUTH_TOKEN_PATH=str(_token),
    RAY_ENABLE_UV_RUN_RUNTIME_ENV="0",
    RAY_USAGE_STATS_ENABLED="0",
    RAY_TRAIN_ENABLE_V2_MIGRATION_WARNINGS="0",
)
os.environ.pop("RAY_ADDRESS", None)


@pytest.fixture(scope="session")
def ray_local() -> Iterator[None]:
    """A small private cluster with four logical GPUs."""
    import ray

    from glacier.cluster import quieten

    ray.init(
        address="local", num_cpus=8, num_gpus=4, include_dashboard=False, log_to_driver=False,
        logging_level="ERROR",
    )  # fmt: skip
    quieten()
    yield
    ray.shutdown()


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real satellite data, or a skip that says why."""
    folder = os.environ.get("GLACIER_REAL_DATA")
    if not folder:
        pytest.skip("GLACIER_REAL_DATA is not set: no real satellite data on this machine")
    return Path(folder)


@pytest.fixture(scope="session")
def stac_schemas(real_data: Path) -> Path:
    """The folder of the published schemas of STAC's extensions, or a skip that says why."""
    if not (folder := real_data / "stac_schemas").is_dir():
        pytest.skip(f"{folder} is not there: the schemas of extensions are published by others")
    return folder
