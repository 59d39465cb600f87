"""Kept measurements: which settings they hold for, and when they are not read."""

from pathlib import Path

import pytest

from glacier.config import Config
from glacier.errors import ConfigError
from glacier.planning.speeds import key_of, read_speeds
from tests.support.speeds import make_speeds
from tests.support.tiny import tiny_config


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return tiny_config(tmp_path)


def test_a_measurement_holds_for_any_months_folds_epochs_and_places(
    tmp_path: Path, config: Config
) -> None:
    for same in (
        {"months": {"first": "2010-01", "last": "2012-12"}},
        {"sweep": {"epochs": 9, "steps_per_epoch": 3, "folds": {"kind": "by_year", "count": 3}}},
        {"name": "other", "storage": "/elsewhere"},
    ):
        assert key_of(tiny_config(tmp_path, **same)) == key_of(config)
    for other in (
        {"sweep": {"batch_size": 4}}, {"prepare": {"size_px": 64}}, {"cluster": {"cpus": 1}},
        {"sweep": {"precision": "bfloat16"}}, {"sweep": {"encoders": ["resnet18"]}},
    ):  # fmt: skip
        assert key_of(tiny_config(tmp_path, **other)) != key_of(config)


def test_a_kept_measurement_is_read_where_it_fits(tmp_path: Path, config: Config) -> None:
    file, speeds = tmp_path / "speeds.json", make_speeds(key_of(config))
    assert read_speeds(str(file), config) is None
    file.write_text(speeds.model_dump_json())
    assert read_speeds(str(file), config) == speeds
    file.write_text(speeds.model_dump_json().replace('"format":1', '"format":"?"'))
    assert read_speeds(str(file), config) is None
    file.write_text(make_speeds("other").model_dump_json())
    with pytest.raises(ConfigError, match="measured with other settings"):
        read_speeds(str(file), config)
