"""A plan of trials that follows from the data, addressed by what changes their bytes."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from glacier.config import Config
from glacier.errors import ConfigError
from glacier.evaluation.results import FailedTrial
from glacier.geo.raster import Grid
from glacier.samples.sample_set import Frame, SampleMonth, SampleSet, write_set
from glacier.settings.labels import Label
from glacier.training import sweep
from glacier.training.saved import SweepPlaces, place_sweep
from glacier.training.sweep import TRIALS, encode_trials
from glacier.training.sweep_plan import SweepPlan, plan_sweep
from tests.support.discs import make_samples
from tests.support.sweeps import make_sweep
from tests.support.tiny import ENCODER, tiny_config


def plan(folder: Path, samples: SampleSet, **sweep: object) -> SweepPlan:
    """The plan of a tiny run over some samples."""
    write_set(str(folder), samples)
    config = tiny_config(folder, sweep=sweep)
    return plan_sweep(config, place_sweep(config, str(folder)))


def list_months(count: int) -> list[SampleMonth]:
    return [
        SampleMonth(region="a", month=date(2014 + k // 12, k % 12 + 1, 1), status="ok")
        for k in range(count)
    ]


def test_regions_that_share_ground_are_tested_together(tmp_path: Path) -> None:
    lefts = {"a": 0.0, "b": 2970.0, "c": 9000.0}  # a and b share one column of pixels
    samples = make_samples(
        months=[SampleMonth(region=n, month=date(2014, 8, 1), status="ok") for n in lefts],
        regions={
            name: Frame(grid=Grid("EPSG:32608", left, 0.0, 30.0, 100, 100), shape=(100, 100))
            for name, left in lefts.items()
        },
    )
    folds = {"kind": "by_region", "count": 2, "validation_share": 0}
    splits = plan(tmp_path, samples, folds=folds).splits
    assert sorted(split.test for split in splits) == [("a", "b"), ("c",)]


def test_the_notebook_protocol_trains_on_all_that_is_not_tested(tmp_path: Path) -> None:
    folds = {"kind": "shuffled", "count": 5, "hold_out_last": True}
    samples = make_samples(months=list_months(82))
    honest_plan, published_plan = (
        plan(tmp_path, samples, protocol=protocol, folds=folds)
        for protocol in ("honest", "notebook")
    )
    for honest, published in zip(honest_plan.splits, published_plan.splits, strict=True):
        assert honest.test == published.test and published.validation == ()
        assert set(published.train) == set(honest.train) | set(honest.validation)
        assert (len(honest.validation), len(honest.train)) in {(13, 51), (13, 52)}
    assert honest_plan.masks.held_out == published_plan.masks.held_out == ("a/2020-09",)


@pytest.mark.parametrize(
    ("changes", "same_sweep", "same_trials"),
    [
        ({"sweep": {"max_retries": 5}}, True, True),
        ({"sweep": {"checkpoint_s": 1}}, True, True),
        ({"cluster": {"cpus": 1}}, True, True),
        ({"sweep": {"encoders": [ENCODER, "resnet18"]}}, False, True),  # trains that one alone
        ({"sweep": {"random_forest": False}}, False, True),
        ({"sweep": {"epochs": 3}}, False, False),
        ({"sweep": {"cpus_per_trial": 2}}, False, False),
        ({"sweep": {"gpus_per_trial": 1}}, False, False),  # another device, another answer
        ({"seed": 4}, False, False),
    ],
)
def test_sweep_and_trials_are_addressed_by_what_changes_their_bytes(
    tmp_path: Path, changes: dict, same_sweep: bool, same_trials: bool
) -> None:
    write_set(str(tmp_path), make_samples())
    first, second = (place_sweep(tiny_config(tmp_path, **c), str(tmp_path)) for c in ({}, changes))
    assert (first.sweep == second.sweep) is same_sweep
    assert (first.trials == second.trials) is (first.models == second.models) is same_trials


def test_a_sweep_is_addressed_by_the_bytes_of_its_weights(tmp_path: Path) -> None:
    write_set(str(tmp_path), make_samples())
    weights, places = tmp_path / "w.pt", []
    for data in (b"one", b"two", b"one"):
        weights.write_bytes(data)
        config = tiny_config(tmp_path, sweep={"encoder_weights": str(weights)})
        places.append(place_sweep(config, str(tmp_path)))
    assert places[0] == places[2] != places[1]


def test_weights_that_were_moved_are_the_same(tmp_path: Path) -> None:
    write_set(str(tmp_path), make_samples())
    places = []
    for name in ("a.pt", "b.pt"):
        (tmp_path / name).write_bytes(b"one")
        config = tiny_config(tmp_path, sweep={"encoder_weights": str(tmp_path / name)})
        places.append(place_sweep(config, str(tmp_path)))
    plain = [tiny_config(tmp_path, sweep={"encoder_weights": w}) for w in ("none", "imagenet")]
    places += [place_sweep(config, str(tmp_path)) for config in plain]
    assert places[0] == places[1] and len(set(places)) == 3


def test_of_a_table_of_weights_the_content_of_each_file_counts(tmp_path: Path) -> None:
    write_set(str(tmp_path), make_samples())

    def place(source: str) -> SweepPlaces:
        weights = {"tu-test_efficientnet": source}
        return place_sweep(tiny_config(tmp_path, sweep={"encoder_weights": weights}), str(tmp_path))

    for name, data in {"a.pt": b"one", "b.pt": b"one", "c.pt": b"two"}.items():
        (tmp_path / name).write_bytes(data)
    here, moved, other = (place(str(tmp_path / f"{name}.pt")) for name in "abc")
    assert here == moved != other and len({here.trials, other.trials, place("none").trials}) == 3


def test_samples_are_told_by_what_they_hold_and_not_by_how_a_file_was_called(
    tmp_path: Path,
) -> None:
    at = f"{tmp_path}/samples/tiny-12345678"
    samples, config = make_samples(), tiny_config(tmp_path)

    def place(**changes: object) -> SweepPlaces:
        write_set(at, samples.model_copy(update=changes))
        return place_sweep(config, at)

    first = samples.months[0]
    noted = first.model_copy(update={"notes": ("old.gpkg: read",), "sha256": "0" * 64})
    failed = first.model_copy(update={"status": "failed"})
    label = Label(kind="outlines", outlines="new.gpkg")
    plain = place()
    assert place(label=label, months=(noted, *samples.months[1:])) == plain
    assert place(months=(failed, *samples.months[1:])) != plain


def test_the_notebook_protocol_needs_no_unit_for_a_validation_part(tmp_path: Path) -> None:
    samples = make_samples(months=list_months(2))
    folds = {"kind": "shuffled", "count": 2}
    with pytest.raises(ConfigError, match="too few for validation and training"):
        plan(tmp_path, samples, folds=folds)
    splits = plan(tmp_path, samples, folds=folds, protocol="notebook").splits
    assert {(s.test, s.train, s.validation) for s in splits} == {
        (("a/2014-01",), ("a/2014-02",), ()), (("a/2014-02",), ("a/2014-01",), ())
    }  # fmt: skip


def test_the_table_of_trials_has_every_column_whoever_failed(tmp_path: Path) -> None:
    failed = [FailedTrial(encoder="a", fold=0, reason="TrainingError: the loss is nan")]
    found = make_sweep({"a": [0.5], "b": [0.8, 0.9]}, failed=failed)
    found = found.model_copy(update={"trials": found.trials[1:]})  # the first one failed
    for one in (found, found.model_copy(update={"trials": ()})):
        table = pq.read_table(io.BytesIO(encode_trials(one)))
        assert table.schema.equals(TRIALS) and table.num_rows == 4
    assert table["reason"][0].as_py() == "TrainingError: the loss is nan"


def test_what_another_run_trained_meanwhile_is_not_trained_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    samples = make_samples(months=list_months(6))
    config, made, held = plan(tmp_path, samples).config, [], []
    monkeypatch.setattr(sweep, "read_outcomes", lambda _: {})
    monkeypatch.setattr(sweep, "samples_folder", lambda *_: str(tmp_path))
    monkeypatch.setattr(sweep, "is_complete", lambda *_, **__: bool(made))
    monkeypatch.setattr(sweep, "complete_sweep", lambda *_: pytest.fail("trained twice"))

    @contextmanager
    def wait_for_another(_: Config, *folders: str) -> Iterator[None]:
        held.extend(folders)
        made.append("by another run")
        yield

    monkeypatch.setattr(sweep, "hold", wait_for_another)
    assert sweep.run_sweep(config) == 0
    assert {Path(folder).parent.name for folder in held} == {"sweeps", "trials", "models"}
    held.clear()
    assert sweep.run_sweep(config) == 0 and not held  # complete: no lock
    assert "sweep: complete in" in capsys.readouterr().out
