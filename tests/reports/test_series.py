"""Which maps a series is made of, and when it is made anew."""

from dataclasses import replace
from datetime import date
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from glacier import seals
from glacier.errors import StoreError, VectorError
from glacier.evaluation.metrics import Counts
from glacier.geo.raster import Grid
from glacier.mapping.assignment import ModelName, Part
from glacier.mapping.map_plan import MapTask, begin_record
from glacier.mapping.maps import MapRecord, UsedModel, map_address
from glacier.plots.layers import draw_layers
from glacier.reports import series
from glacier.reports.series import (
    digest_inputs,
    find_centre_lines,
    find_snow,
    read_maps,
    store_films,
)
from glacier.reports.series_files import SeriesSummary, summary_address
from glacier.samples.sample_set import SampleMonth
from glacier.training.saved import SavedSweep, SweepPlaces
from tests.support.hostile.rasters import write_tiff
from tests.support.saved_sweeps import describe_samples
from tests.support.saved_sweeps import make_config as make_tiny
from tests.support.sweeps import POLYGON, make_card, make_config, make_sweep, make_trial

NAMES = tuple(ModelName(encoder="resnet18", fold=fold) for fold in range(2))


def make_task(*names: ModelName) -> MapTask:
    """A month that these models are to map."""
    begun = begin_record("a", "2014-08", "a" * 64)
    return MapTask(record=begun, image="x.tif", parts=(Part(rectangles=None, models=names),))


def write(folder: Path, **changes) -> MapRecord:
    """The record of that month, mapped by the first model."""
    used = UsedModel(encoder="resnet18", fold=0, sha256="b" * 64, threshold=0.5)
    known = {"status": "ok", "models": (used,)} | changes
    record = make_task().record.model_copy(update=known)
    seals.write_model(map_address(str(folder), "a", "2014-08"), record)
    return record


def test_maps_of_these_models_alone_are_taken_and_failures_keep_their_reason(
    tmp_path: Path,
) -> None:
    with pytest.raises(StoreError, match=r"1 of 1 maps are not in .*run `glacier predict`"):
        read_maps(str(tmp_path), [make_task(NAMES[0])])
    record = write(tmp_path)
    assert read_maps(str(tmp_path), [make_task(NAMES[0])]) == [record]
    with pytest.raises(StoreError, match="1 of 1 maps are not"):
        read_maps(str(tmp_path), [make_task(*NAMES)])  # another model is to map it, too
    failed = write(tmp_path, status="failed", reason="RasterError: cut", models=())
    assert read_maps(str(tmp_path), [make_task(*NAMES)]) == [failed]


def test_a_series_is_made_anew_where_anything_that_it_says_changes(tmp_path: Path) -> None:
    sweep = SavedSweep(
        make_sweep({"resnet18": [0.9, 0.8]}), "c" * 64, describe_samples(make_tiny(tmp_path)),
        SweepPlaces("", "", "", ""),
    )  # fmt: skip
    config, record, encoders = make_config(["resnet18"]), write(tmp_path), ["resnet18"]
    first = digest_inputs(config, sweep, encoders, [record])
    again = replace(sweep, sha256="d" * 64)  # the same models, trained again in another time
    assert digest_inputs(config, again, encoders, [record]) == first
    inventory = tmp_path / "rgi.geojson"
    inventory.write_text("{}")
    dem = tmp_path / "dem.tif"
    write_tiff(dem)
    named = {"name": "a", "title": "Another name", "polygon": POLYGON}
    worse = make_trial("resnet18", 0, scorecard=make_card(Counts(tp=900, fp=50, fn=100, tn=500)))
    others = [
        (
            config,
            replace(sweep, result=sweep.result.model_copy(update={"trials": (worse,)})),
            record,
        ),
        (config, sweep, write(tmp_path, files={"2014-08.class.tif": "e" * 64})),
        (make_config(["resnet18"], series={"inventory": str(inventory)}), sweep, record),
        (make_config(["resnet18"], series={"centre_lines": str(inventory)}), sweep, record),
        (make_config(["resnet18"], series={"dem": str(dem)}), sweep, record),
        (make_config(["resnet18"], series={"analyst": "a person"}), sweep, record),
        (make_config(["resnet18"], regions=[named]), sweep, record),
    ]
    digests = {digest_inputs(config, sweep, encoders, [record]) for config, sweep, record in others}
    assert len(digests) == len(others) and first not in digests


def test_new_snow_is_measured_of_months_that_are_no_samples(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The outlines' own word stays; where no month has it, all are measured."""
    asked = []

    def measure(months: list, season: tuple) -> dict[date, float]:
        asked.append([f"{day:%Y-%m}" for day, _, _ in months])
        return {day: 0.5 for day, _, _ in months}

    at_once = lambda **_: lambda work: SimpleNamespace(remote=work)  # noqa: E731
    monkeypatch.setattr(series, "ray", SimpleNamespace(remote=at_once))
    monkeypatch.setattr(series, "get_result", lambda found: found)
    monkeypatch.setattr(series, "measure_new_snow", measure)
    config, frame = make_config(["resnet18"]), describe_samples(make_tiny(tmp_path))
    grid = frame.regions["ridge"].grid
    names = ("2014-08", "2014-09", "2015-08")
    records = [make_task().record.model_copy(update={"name": n, "grid": grid}) for n in names]
    tasks = [make_task(NAMES[0])] * 3

    def find(*shares: float | None) -> dict:
        days = (date(2014, 8, 1), date(2014, 9, 1), date(2015, 8, 1))
        months = tuple(
            SampleMonth(region="a", month=day, status="ok", snow_outside=share)
            for day, share in zip(days, shares, strict=False)
        )
        samples = frame.model_copy(update={"months": months})
        result = make_sweep({"resnet18": [0.9, 0.8]})
        sweep = SavedSweep(result, "", samples, SweepPlaces("", "", "", ""))
        return {
            name: share for (_, name), share in find_snow(config, sweep, tasks, records).items()
        }

    assert find(0.1, None, 0.2) == {"2014-08": 0.1, "2014-09": None, "2015-08": 0.2} and not asked
    assert find(0.1, None) == {"2014-08": 0.1, "2014-09": None, "2015-08": 0.5}
    assert asked == [list(names)]  # what is bare is known from all of them
    assert find(None, None) == dict.fromkeys(names, 0.5)


def test_files_that_a_series_has_no_more_go_before_it_is_said_to_be_whole(tmp_path: Path) -> None:
    place, files = str(tmp_path), {}
    for name in ("change-a-2014-08-2015-08.tif", "area.csv", "map.html"):
        files[name] = "a" * 64
        (tmp_path / name).write_bytes(b"x")
    seals.vouch(summary_address(place), SeriesSummary(files=files))
    (tmp_path / "report.html").write_bytes(b"of another job")
    seals.vouch(summary_address(place), SeriesSummary(files={"area.csv": "b" * 64}))
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "area.csv", "report.html", "series.json"
    ]  # fmt: skip


GRID = Grid("EPSG:32608", 500_000, 6_500_000, 30, 20, 20)


def test_a_file_of_lines_that_lie_elsewhere_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "lines.geojson"
    line = '{"type": "LineString", "coordinates": [[10.0, 46.0], [10.0, 46.1]]}'
    path.write_text(f'{{"type": "Feature", "properties": {{}}, "geometry": {line}}}')
    config = make_config(["resnet18"], series={"centre_lines": str(path)})
    with pytest.raises(VectorError, match="none lies on a region's grid"):
        find_centre_lines(config, [write(tmp_path, grid=GRID)])


def test_years_move_as_gif_and_as_film_where_a_program_makes_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    grey = np.full(GRID.shape, 0.5, np.float32)
    view = SimpleNamespace(
        layers=draw_layers({"red": grey, "green": grey, "blue": grey}), rings=(),
        record=SimpleNamespace(grid=GRID),
    )  # fmt: skip
    years = [SimpleNamespace(view=view, choice=SimpleNamespace(year=year)) for year in (2014, 2015)]
    series = SimpleNamespace(region="a", years=years, views=[view])
    files = store_films(series, str(tmp_path), None)
    assert set(files) == {"years-a.gif"} and not capsys.readouterr().out
    assert store_films(series, str(tmp_path), "/bin/false") == files
    assert "/bin/false made no film" in capsys.readouterr().out
    assert not (tmp_path / "years-a.mp4").exists()
    assert store_films(SimpleNamespace(years=years[:1]), str(tmp_path), None) == {}
