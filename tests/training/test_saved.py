"""The sweep whose models map the months of a run: another run's, over its own archive."""

from contextlib import nullcontext
from datetime import date
from pathlib import Path

import pytest

from glacier import pipeline
from glacier.archive.ingest import ingest_month
from glacier.archive.records import list_months
from glacier.checks import find_refusals
from glacier.config import Config
from glacier.errors import ConfigError, DamagedError, StoreError
from glacier.settings.months import Months
from glacier.sources.factory import open_source
from glacier.training.saved import find_mapping_sweep
from tests.support.saved_sweeps import make_config, places_of, write_sweep
from tests.support.tiny import tiny_config, tiny_values


def borrow(folder: Path, place: str, **changes: object) -> Config:
    """A run of one month that is to be mapped by the models of another one."""
    span = {"months": {"first": "2014-07", "last": "2014-07"}}
    return tiny_config(folder, predict={"sweep": place}, **(span | changes))


def test_the_models_are_the_others_and_the_months_are_its_own(tmp_path: Path) -> None:
    other = make_config(tmp_path / "other")
    written = write_sweep(other)
    places = places_of(other, written)
    config = borrow(tmp_path, places.sweep + "/")
    with pytest.raises(StoreError, match="month 2014-07 is not in the archive"):
        find_mapping_sweep(config)
    (target,) = list_months(config, open_source(config))
    ingest_month(config, target)
    found = find_mapping_sweep(config)
    assert found.result.config == written.config and found.result.trials == written.trials
    assert (found.places.models, found.places.samples) == (places.models, places.samples)
    assert list(found.archives) == [target.folder]
    assert [(month.region, month.month) for month in found.records] == [("mendenhall", "2014-07")]
    assert set(found.samples.regions) == {"ridge"}
    images = config.predict.model_copy(update={"images": "x.tif"})
    alone = find_mapping_sweep(config.model_copy(update={"predict": images, "name": "b"}))
    assert not alone.archives  # images of one's own need none


def test_regions_south_of_the_equator_are_known_for_their_seasons(tmp_path: Path) -> None:
    other = make_config(tmp_path / "other")
    sweep = places_of(other, write_sweep(other)).sweep
    polygon = [[-71.5, -33.4], [-71.4, -33.4], [-71.4, -33.3], [-71.5, -33.3]]
    config = borrow(
        tmp_path, sweep, regions=[{"name": "andes", "polygon": polygon, "pixel_m": 300}]
    )
    (target,) = list_months(config, open_source(config))
    ingest_month(config, target)
    assert find_mapping_sweep(config).result.southern == ("andes",)


def test_other_ground_of_a_known_name_is_refused(tmp_path: Path) -> None:
    other = make_config(tmp_path / "other")
    sweep = places_of(other, write_sweep(other)).sweep
    (region,) = tiny_values(tmp_path)["regions"]
    config = borrow(tmp_path, sweep, regions=[region | {"name": "ridge"}])
    with pytest.raises(ConfigError, match=r"region ridge of the models. sweep lies elsewhere"):
        find_mapping_sweep(config)


def test_a_folder_without_a_sweep_is_refused_and_a_pipeline_never_borrows(tmp_path: Path) -> None:
    config = borrow(tmp_path, str(tmp_path / "nothing"))
    with pytest.raises(StoreError, match=r"no finished sweep is there.* in predict\.sweep"):
        find_mapping_sweep(config)
    assert "no finished sweep is there" in "".join(find_refusals(config, "predict"))
    assert "pipeline trains models of its own" in "".join(find_refusals(config, "pipeline"))


def test_only_some_months_of_every_year_are_wanted(tmp_path: Path) -> None:
    span = {"first": "2014-08", "last": "2016-08", "of_year": [8, 9]}
    config = tiny_config(tmp_path, months=span)
    names = [target.name for target in list_months(config, open_source(config))]
    assert names == ["2014-08", "2014-09", "2015-08", "2015-09", "2016-08"]
    assert Months().wants(date(2014, 1, 1))
    for wrong in ([], [8, 8], [13]):
        with pytest.raises(ValueError, match="of_year"):
            Months.model_validate(span | {"of_year": wrong})


def test_damage_of_its_own_months_trains_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran = []
    for name in ("run_ingest", "run_prepare", "run_sweep"):
        monkeypatch.setattr(pipeline, name, lambda config, name=name: ran.append(name) or 0)
    stages = (pipeline.run_ingest, pipeline.run_prepare, pipeline.run_sweep)
    monkeypatch.setattr(pipeline, "STAGES", stages)
    monkeypatch.setattr(pipeline, "connect", lambda settings, **_: nullcontext())
    error = DamagedError("a month is damaged")
    borrowing, own = borrow(tmp_path, "elsewhere"), tiny_config(tmp_path)
    assert pipeline.go_back(borrowing, lambda config: 0, error) == 0
    assert ran == ["run_ingest"]
    pipeline.go_back(own, lambda config: 0, error)
    assert ran[1:] == ["run_ingest", "run_prepare", "run_sweep"]
