"""Epochs for TensorBoard and MLflow: every one is written, and no tracker stops a sweep."""

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from tensorboardX.proto.event_pb2 import Event

from glacier.config import Config
from glacier.errors import ConfigError
from glacier.evaluation.results import Epoch
from glacier.training import tracking
from glacier.training.tracking import TensorBoard, TrackEpochs, open_trackers
from tests.support.tiny import ENCODER, tiny_config


def report(callback: TrackEpochs, fold: int, row: Epoch) -> None:
    """What Tune says of an epoch."""
    trial = SimpleNamespace(config={"pack": [(ENCODER, fold)]})
    callback.on_trial_result(1, [], trial, {"fold": fold, "epoch": row.model_dump()})


def make_epoch(epoch: int, loss: float, dice: float | None = 0.5) -> Epoch:
    return Epoch(epoch=epoch, train_loss=loss, val_dice=dice, images_per_s=9.0, seconds=2.0)


def read_events(folder: Path) -> list[tuple[int, str, float]]:
    """Step, name and value of each number in a folder of events."""
    found = []
    for path in sorted(folder.glob("events.*")):
        data = path.read_bytes()
        while data:
            size = int.from_bytes(data[:8], "little")
            event = Event.FromString(data[12 : 12 + size])
            found += [(event.step, v.tag, v.simple_value) for v in event.summary.value]
            data = data[12 + size + 4 :]
    return found


def test_every_epoch_of_every_trial_is_a_point_of_its_curves(tmp_path: Path) -> None:
    config = tiny_config(tmp_path, sweep={"track": ["tensorboard"]})
    callback = TrackEpochs(open_trackers(config, "a-1"))
    for epoch, loss in enumerate([0.75, 0.5]):
        for fold in (0, 1):
            report(callback, fold, make_epoch(epoch, loss + fold, None if fold else 0.5))
    callback.on_trial_result(1, [], SimpleNamespace(config={}), {"failed": []})
    callback.on_experiment_end([])
    place = tmp_path / "results/tiny/tensorboard/a-1"
    for fold in (0, 1):
        found = read_events(place / f"{ENCODER}-fold-{fold}")
        losses = [(step, value) for step, name, value in found if name == "train_loss"]
        assert losses == [(0, 0.75 + fold), (1, 0.5 + fold)]
        assert ("val_dice" in {name for _, name, _ in found}) is (fold == 0)


class Broken(TensorBoard):
    """A tracker whose disk is full."""

    def write(self, *_: Any) -> None:
        raise OSError("no space left\non the disk")


def test_a_tracker_that_fails_is_said_once_and_the_others_go_on(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    config = tiny_config(tmp_path)
    callback = TrackEpochs([Broken(config, "a-1"), TensorBoard(config, "a-1")])
    report(callback, 0, make_epoch(0, 0.5))
    report(callback, 0, make_epoch(1, 0.4))
    callback.on_experiment_end([])
    assert capsys.readouterr().out.count("Broken takes no further epochs: no space left\n") == 1
    assert len(read_events(tmp_path / f"results/tiny/tensorboard/a-1/{ENCODER}-fold-0")) == 8


class FakeClient:
    """Keeps what MLflow's client is told."""

    said: list[tuple[Any, ...]]

    def __init__(self) -> None:
        FakeClient.said = []

    def get_experiment_by_name(self, name: str) -> None:
        return None

    def create_experiment(self, name: str) -> str:
        return f"experiment {name}"

    def create_run(self, experiment: str, run_name: str) -> Any:
        self.said.append(("run", experiment, run_name))
        return SimpleNamespace(info=SimpleNamespace(run_id=run_name))

    def log_param(self, run: str, name: str, value: str) -> None:
        self.said.append(("param", run, name, value))

    def log_metric(self, run: str, name: str, value: float, step: int) -> None:
        self.said.append(("metric", run, name, value, step))

    def set_terminated(self, run: str) -> None:
        self.said.append(("end", run))


def with_mlflow(monkeypatch: pytest.MonkeyPatch, client: Any) -> None:
    module = ModuleType("mlflow")
    module.MlflowClient = client  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "mlflow", module)
    monkeypatch.setattr(tracking, "explain_no_tracker", lambda *_: "")


def test_mlflow_has_a_run_a_trial_with_its_settings_and_epochs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_mlflow(monkeypatch, FakeClient)
    config = tiny_config(tmp_path, sweep={"track": ["mlflow"]})
    callback = TrackEpochs(open_trackers(config, "a-1"))
    report(callback, 1, make_epoch(0, 0.5))
    report(callback, 1, make_epoch(1, 0.25))
    callback.on_experiment_end([])
    run = f"a-1 {ENCODER} fold 1"
    assert FakeClient.said[0] == ("run", "experiment tiny", run)
    assert ("param", run, "batch_size", "2") in FakeClient.said
    assert ("param", run, "fold", "1") in FakeClient.said
    assert ("metric", run, "train_loss", 0.25, 1) in FakeClient.said
    assert FakeClient.said[-1] == ("end", run)
    assert sum(said[0] == "run" for said in FakeClient.said) == 1


def test_a_server_that_does_not_answer_is_known_before_any_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> None:
        raise ConnectionError("no answer from http://127.0.0.1:1")

    with_mlflow(monkeypatch, refuse)
    with pytest.raises(ConfigError, match=r"sweep\.track mlflow: no answer from http"):
        open_trackers(tiny_config(tmp_path, sweep={"track": ["mlflow"]}), "a-1")


def test_trackers_that_cannot_be_are_refused_with_a_remedy(tmp_path: Path) -> None:
    config = tiny_config(tmp_path, sweep={"track": ["mlflow"]})
    with pytest.raises(ConfigError, match="pip install mlflow-skinny"):
        open_trackers(config, "a-1")
    far = tiny_config(tmp_path, sweep={"track": ["tensorboard"]})
    far = Config.model_validate(far.model_dump(mode="json") | {"results": "s3://bucket/results"})
    with pytest.raises(ConfigError, match="results is s3://bucket/results/tiny: leave it out"):
        open_trackers(far, "a-1")
