"""Which Ray a cluster has, asked of one that runs."""

import platform

import pytest
import ray

from glacier.cluster_version import Versions, read_versions

pytestmark = pytest.mark.ray


def test_a_cluster_says_its_versions(ray_local: None) -> None:
    address = ray.get_runtime_context().gcs_address
    assert read_versions(address) == Versions(ray.__version__, platform.python_version())
