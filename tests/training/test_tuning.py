"""Trials under Ray Tune: room, retries, failures."""

import dataclasses
import pickle
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ray import tune

from glacier.config import Config
from glacier.errors import ConfigError, StoreError, SweepError
from glacier.evaluation.results import FailedTrial, TrialResult
from glacier.samples.folds import FoldMasks, Split
from glacier.samples.sample_set import SampleSet
from glacier.training import tuning
from glacier.training.saved import SweepPlaces, TrialKey
from glacier.training.sweep_plan import SweepPlan
from glacier.training.trial import Trial
from glacier.training.tuning import Networks, await_weights
from tests.support.discs import SAMPLES
from tests.support.sweeps import make_trial
from tests.support.tiny import ENCODER, tiny_config


def make_plan(config: Config, folder: Path) -> SweepPlan:
    splits, masks = [Split(0, ("a",), ("b",), ("c",))], FoldMasks("shuffled", (1, 1))
    places = SweepPlaces(f"{folder}/samples", f"{folder}/s", f"{folder}/t", f"{folder}/m")
    return SweepPlan(config, places, SAMPLES, splits, masks)


def list_keys(count: int) -> list[TrialKey]:
    return [(f"e{k}", 0) for k in range(count)]


def place(folder: Path, k: int) -> Path:
    """Where the trial of a key lies."""
    return folder / "t" / f"e{k}" / "fold-0"


def stand_in(failures: dict[str, int], together: int = 1) -> Callable[..., None]:
    """What a worker does instead of training: note when it ran, and die as often as told.

    It ends a second after so many have begun ``together``, however slowly they start.

    Made within a function, so that Ray sends it by value: workers cannot import this module.
    """

    def work(space: dict[str, Any], plan: Any) -> None:
        (key,) = space["pack"]
        folder = Path(plan.trial(*key).folder)
        folder.mkdir(parents=True, exist_ok=True)
        tries = len(list(folder.glob("try-*")))
        began = time.time()
        (folder / "began").touch()
        while (
            len(list(folder.parents[1].glob("e*/fold-0/began"))) < together
            and time.time() < began + 60
        ):
            time.sleep(0.05)
        time.sleep(1 if together > 1 else 0)
        (folder / f"try-{tries}").write_text(f"{began} {time.time()}")
        if tries < failures.get(key[0], 0):
            raise RuntimeError("worker lost")

    return work


def test_images_that_cannot_be_read_fail_a_trial_with_their_own_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(folder: str, samples: SampleSet) -> None:
        raise StoreError("x.parquet is damaged; remove it")

    told: list[dict] = []
    monkeypatch.setattr(tuning, "open_images", fail)
    monkeypatch.setattr(tune, "report", told.append)
    plan = make_plan(tiny_config(tmp_path), tmp_path)
    tuning.train_pack({"pack": list_keys(2)}, plan)
    reason = "StoreError: x.parquet is damaged; remove it"
    assert told == [
        {"failed": [{"encoder": encoder, "fold": 0, "reason": reason} for encoder in ("e0", "e1")]}
    ]


def test_what_tune_is_told_of_a_trial_does_not_grow_with_the_regions() -> None:
    keys = [("tu-a_network_of_a_very_long_name.in1k", 4)]
    assert len(pickle.dumps(keys)) < 200


@pytest.mark.ray
@pytest.mark.slow
def test_half_a_gpu_a_trial_lets_eight_run_on_four_never_more(
    tmp_path: Path, ray_local: None
) -> None:
    config = tiny_config(tmp_path, sweep={"gpus_per_trial": 0.5})
    plan = make_plan(config, tmp_path)
    assert tuning.tune_trials(plan, list_keys(12), stand_in({}, 8)) == []
    spans = [
        [float(at) for at in (place(tmp_path, k) / "try-0").read_text().split()] for k in range(12)
    ]
    at_once = [sum(began <= at < ended for began, ended in spans) for at, _ in spans]
    assert max(at_once) == 8


@pytest.mark.ray
def test_a_lost_worker_is_tried_again_and_then_reported(
    tmp_path: Path, ray_local: None, capsys: pytest.CaptureFixture
) -> None:
    config = tiny_config(tmp_path, sweep={"max_retries": 1})
    plan, work = make_plan(config, tmp_path), stand_in({"e0": 1, "e1": 9})
    failed = tuning.tune_trials(plan, list_keys(3), work)
    assert [len(list(place(tmp_path, k).glob("try-*"))) for k in range(3)] == [2, 2, 1]
    assert failed == [FailedTrial(encoder="e1", fold=0, reason="RuntimeError: worker lost")]
    assert "e1, fold 0 failed: RuntimeError: worker lost" in capsys.readouterr().out


@pytest.mark.ray
def test_of_a_lost_pack_only_those_folds_failed_that_are_not_done(
    tmp_path: Path, ray_local: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And one that says which of its folds failed, is no lost one."""
    config = tiny_config(tmp_path, sweep={"gpus_per_trial": "auto", "max_retries": 0})
    plan = make_plan(config, tmp_path)
    plan = dataclasses.replace(plan, splits=[Split(k, ("a",), ("b",), ("c",)) for k in range(8)])

    def work(space: dict[str, Any], plan: Any) -> None:
        pack = space["pack"]
        Path(plan.places.samples, f"{pack[0][0]}-{len(pack)}").touch()
        if pack[0][0] == "e0":
            raise RuntimeError("worker lost")
        tune.report({"failed": [{"encoder": "e1", "fold": pack[0][1], "reason": "TrainingError"}]})

    def find_result(trial: Trial, owned: bool) -> TrialResult | None:
        return make_trial("e0", 0) if trial.split.fold % 2 else None

    monkeypatch.setattr(Trial, "find_result", find_result)
    Path(plan.places.samples).mkdir()
    keys = [(encoder, fold) for encoder in ("e0", "e1") for fold in range(8)]
    found = [(trial.encoder, trial.fold) for trial in tuning.tune_trials(plan, keys, work)]
    assert found == [("e0", 0), ("e0", 2), ("e0", 4), ("e0", 6), ("e1", 0), ("e1", 4)]
    assert {path.name for path in Path(plan.places.samples).iterdir()} == {"e0-4", "e1-4"}


def run_low_on_memory(patch: pytest.MonkeyPatch, times: int) -> None:
    """Let Tune give up as it does where Ray ends a trial's process for its memory."""
    import ray

    fit = tuning.tune.Tuner.fit

    def give_up(self: Any) -> Any:
        nonlocal times
        times -= 1
        if times < 0:
            return fit(self)
        raise RuntimeError("unexpected") from ray.exceptions.OutOfMemoryError("low on memory")

    patch.setattr(tuning.tune.Tuner, "fit", give_up)


@pytest.mark.ray
def test_a_node_low_on_memory_costs_no_trial_that_was_done(
    tmp_path: Path, ray_local: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    config = tiny_config(tmp_path, sweep={"max_retries": 1})
    plan = make_plan(config, tmp_path)
    place(tmp_path, 0).mkdir(parents=True)

    def find_result(trial: Trial, owned: bool) -> TrialResult | None:
        return make_trial("e0", 0) if trial.encoder == "e0" else None

    monkeypatch.setattr(Trial, "find_result", find_result)  # it ended while the other was ended
    run_low_on_memory(monkeypatch, 1)
    assert tuning.tune_trials(plan, list_keys(2), stand_in({})) == []
    assert [len(list(place(tmp_path, k).glob("try-*"))) for k in range(2)] == [0, 1]
    assert "a node ran low on memory" in capsys.readouterr().out


@pytest.mark.ray
def test_what_tune_kept_for_a_killed_run_goes_where_no_trial_is_pending(
    tmp_path: Path, ray_local: None
) -> None:
    left = tmp_path / "s" / tuning.TUNE
    left.mkdir(parents=True)
    (left / "state.json").touch()
    assert tuning.tune_trials(make_plan(tiny_config(tmp_path), tmp_path), []) == []
    assert list((tmp_path / "s").iterdir()) == []


@pytest.mark.ray
def test_memory_that_stays_low_ends_the_sweep_with_what_helps(
    tmp_path: Path, ray_local: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tiny_config(tmp_path, sweep={"max_retries": 2})
    run_low_on_memory(monkeypatch, 3)
    with pytest.raises(SweepError, match=r"3 times: raise sweep\.cpus_per_trial \(1\).*is kept"):
        tuning.tune_trials(make_plan(config, tmp_path), list_keys(1), stand_in({}))


@pytest.mark.ray
def test_an_unknown_encoder_is_refused_before_any_training(tmp_path: Path, ray_local: None) -> None:
    config = tiny_config(tmp_path, sweep={"encoders": [ENCODER, "resnet43"]})
    with pytest.raises(ConfigError, match=r"'resnet43'.*did you mean resnet34"):
        await_weights(Networks.of(config))


@pytest.mark.parametrize("name", ["json", "safetensors"])
def test_damaged_weights_are_written_over_and_never_lack(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Trials of other runs may read them just now."""
    kept = Path(tuning.keep_weights(str(tmp_path), "net", b"weights"))
    spoiled, write_whole = kept.with_suffix(f".{name}"), tuning.seals.write_whole
    spoiled.write_bytes(b"?")

    def write(*given: Any) -> Any:
        assert spoiled.read_bytes() == b"?"
        return write_whole(*given)

    monkeypatch.setattr(tuning.seals, "write_whole", write)
    assert tuning.keep_weights(str(tmp_path), "net", b"weights") == str(kept)
    assert kept.read_bytes() == b"weights" and spoiled.read_bytes() != b"?"
    assert {path.stem for path in tmp_path.iterdir()} == {kept.stem}


@pytest.mark.ray
def test_weights_are_asked_for_again_where_their_file_changed_or_the_stored_ones_are_gone(
    tmp_path: Path, ray_local: None
) -> None:
    from safetensors.torch import save

    from glacier.training.unet import build_unet

    def write_weights() -> None:
        """Random ones, others each time."""
        state = build_unet(ENCODER, 3).get_submodule("encoder").state_dict()
        path.write_bytes(save({name: value.contiguous() for name, value in state.items()}))

    path = tmp_path / "w.safetensors"
    write_weights()
    config = tiny_config(tmp_path, sweep={"encoder_weights": str(path)})
    first = await_weights(Networks.of(config))[ENCODER]
    assert first and await_weights(Networks.of(config)) == {ENCODER: first}
    Path(first).unlink()
    assert await_weights(Networks.of(config)) == {ENCODER: first} and Path(first).exists()
    write_weights()
    assert await_weights(Networks.of(config))[ENCODER] not in (None, first)


@pytest.mark.ray
@pytest.mark.parametrize(
    ("sweep", "words"),
    [
        ({"encoder_weights": "/nowhere/w.pth"}, r"'/nowhere/w\.pth': no such file"),
        ({"gpus_per_trial": 0.5}, "no CUDA device on this node"),
        ({"encoders": ["tu-vit_base_patch16_224"]}, "no U-Net over 'tu-vit_base"),
    ],
)
def test_what_no_trial_could_use_is_refused_before_any_training(
    tmp_path: Path, ray_local: None, sweep: dict, words: str
) -> None:
    import torch

    if "gpus_per_trial" in sweep and torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(ConfigError, match=words):
        await_weights(Networks.of(tiny_config(tmp_path, sweep=sweep)))
