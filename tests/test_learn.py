"""Learning: a candidate from the weights that serve, and what becomes of it."""

import multiprocessing
import shutil
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from glacier.config import Config
from glacier.dry_runs import plan_learn
from glacier.errors import ConfigError, Occupied, StoreError
from glacier.learn import open_ledger, run_learn
from glacier.lock_file import create
from glacier.owner import Owner
from glacier.registry.cells import Cell
from glacier.registry.ledger import Ledger
from glacier.registry.records import Registry
from glacier.samples.month_images import MonthImage, read_images
from glacier.training.continued import plan_continued
from glacier.training.fit import make_learner
from glacier.training.model_files import load_model, read_card
from glacier.training.sampler import WindowSampler
from glacier.training.saved import SavedSweep, find_mapping_sweep, open_version
from tests.support.learned import (
    EASY,
    SEEN,
    disc_config,
    learn_until,
    stay_here,
    train_serving,
    write_discs,
)
from tests.support.versions import list_cells

Said = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A storage with a model of eight months that can serve."""
    folder = tmp_path_factory.mktemp("served")
    config = disc_config(folder)
    train_serving(config)
    write_discs(config, 12)
    return folder


@pytest.fixture
def place(served: Path, tmp_path: Path) -> Path:
    shutil.copytree(served, tmp_path, dirs_exist_ok=True)
    return tmp_path


def find_only(folder: Path, kind: str, name: str) -> str:
    (found,) = (folder / "data" / kind).glob(name)
    return str(found)


def begin(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    cells: Sequence[Cell] | None = None,
    **learning: object,
) -> Config:
    """A configuration whose registry has its first version, and that has four new months."""
    config = disc_config(folder, **EASY | learning)
    first = {"learn": config.learn.model_copy(
        update={"serving": find_only(folder, "sweeps", "discs-*")})}  # fmt: skip
    assert run_learn(config.model_copy(update=first)) == 0
    stay_here(monkeypatch, find_only(folder, "samples", "discs-0012*"), cells)
    return config


def open_serving(config: Config) -> SavedSweep:
    ledger = open_ledger(config)
    return open_version(ledger, ledger.read().serving)


def read_kinds(registry: Registry) -> list[str]:
    return [entry.kind for entry in registry.history]


def test_the_first_model_serves_and_asking_again_finds_nothing_new(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: Said
) -> None:
    config = begin(place, monkeypatch)
    assert (
        "learn: registry discs is new; version 1 serves, sweeps/discs-" in capsys.readouterr().out
    )
    stay_here(monkeypatch, find_only(place, "samples", f"discs-{SEEN:04d}*"))
    assert run_learn(config) == 0
    assert capsys.readouterr().out == "learn: nothing is new since version 1, which serves\n"
    version = open_ledger(config).read().serving
    assert (version.data.images, version.data.first, version.data.last) == (8, "2020-01", "2020-08")


def test_a_candidate_goes_on_from_the_weights_that_serve_and_keeps_their_scaling(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = begin(place, monkeypatch)
    serving = open_serving(config)
    found = plan_continued(config, serving)
    trial = found.plan.trial(*found.plan.keys[1])
    learner = make_learner(trial, read_images(found.plan.places.samples, found.plan.samples))
    model, card = load_model(serving.places.model(trial.encoder, trial.split.fold))
    for name, tensor in learner.model.state_dict().items():
        assert torch.equal(tensor, model.state_dict()[name]), name
    assert learner.inference.mean == card.inference.mean


@pytest.mark.parametrize("strategy", ["replay", "naive", "joint"])
def test_no_pixel_of_a_frozen_test_part_ever_trains(
    place: Path, monkeypatch: pytest.MonkeyPatch, strategy: str
) -> None:
    config = begin(place, monkeypatch, strategy=strategy, memory_share=0.5)
    serving = open_serving(config)
    found = plan_continued(config, serving)
    images = read_images(found.plan.places.samples, found.plan.samples)
    for encoder, fold in found.plan.keys:
        trial = found.plan.trial(encoder, fold)
        frozen = set(serving.result.split(fold).test)
        trained = list_trained(trial_images(trial, images), images)
        assert not trained & frozen
        assert not trained & set(trial.split.validation)
        old = trained - set(found.fresh)
        assert trained & set(found.fresh) <= set(trial.split.train)
        everything = set(serving.result.split(fold).train)
        assert {"replay": 0 < len(old) < len(everything), "naive": not old,
                "joint": old == everything}[strategy]  # fmt: skip


def trial_images(trial: object, images: list[MonthImage]) -> WindowSampler:
    return make_learner(trial, images).sampler  # type: ignore[arg-type]


def list_trained(sampler: WindowSampler, images: list[MonthImage]) -> set[str]:
    """Keys of the images that a sampler draws windows from, found by what is in the windows."""
    settings = disc_config(Path()).sweep.model_copy(
        update={"steps_per_epoch": None, "flips": False}
    )
    drawn = [
        window
        for part in sampler.draw_batches(images, np.random.default_rng(0), settings)
        for window in sampler.cut_batch(images, part)[0]
    ]
    return {
        image.key
        for image in images
        if any(np.allclose(image.image, window, equal_nan=True, atol=1e-3) for window in drawn)
    }


def test_a_dry_run_says_what_would_be_learned(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = disc_config(place)
    plan = SimpleNamespace(config=config, trials=2)
    assert [*plan_learn(plan)] == [  # type: ignore[arg-type]
        "learn: registry discs is new; the run's own sweep would be the first that serves"
    ]
    plan.config = begin(place, monkeypatch)
    assert [*plan_learn(plan)] == [  # type: ignore[arg-type]
        "learn: replay from version 1 of registry discs: 2 trials of up to 1 epochs, if anything "
        "is new",
        "learn: of candidates, the gate alone decides; at most 0.1 of equals are refused",
    ]


def test_a_candidate_that_holds_is_promoted_and_maps(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: Said
) -> None:
    config = begin(place, monkeypatch)
    assert run_learn(config) == 0
    registry = open_ledger(config).read()
    candidate = registry.versions[-1]
    assert read_kinds(registry) == ["first", "promoted"], registry.history[-1]
    assert registry.serving == candidate and candidate.follows == 1
    assert candidate.strategy == "replay" and len(candidate.data.fresh) == 4
    assert candidate.judgement and [p.kind for p in candidate.judgement.parts][-1] == "calibration"
    assert candidate.new_ground is not None
    serving, grown = (open_version(open_ledger(config), registry.find(n)) for n in (1, 2))
    for encoder, fold in ((trial.encoder, trial.fold) for trial in grown.result.trials):
        parent, child = (read_card(each.places.model(encoder, fold)) for each in (serving, grown))
        assert (parent.parent, child.parent) == ("", parent.sha256)
    assert (
        "learn: 1/1; version 2 promoted: no frozen fold and no region falls"
        in capsys.readouterr().out
    )
    assert run_learn(config) == 0
    assert "learn: nothing is new since version 2" in capsys.readouterr().out

    predict = config.predict.model_copy(update={"registry": "discs", "images": "x.tif"})
    mapping = config.model_copy(update={"predict": predict})
    assert find_mapping_sweep(mapping).places.sweep.endswith(candidate.model)
    open_ledger(config).roll_back("Ada")
    assert find_mapping_sweep(mapping).places.sweep.endswith(registry.find(1).model)


def test_a_refusal_is_a_result_and_what_serves_goes_on(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: Said
) -> None:
    config = begin(place, monkeypatch, list(list_cells({1: 0.5})), strategy="naive")
    assert run_learn(config) == 0
    registry = open_ledger(config).read()
    assert read_kinds(registry) == ["first", "refused"], registry.history[-1]
    assert registry.serving.id == 1
    said = capsys.readouterr().out
    assert "learn: 1/1; version 2 refused: " in said and "is what chance can make" in said
    assert run_learn(config) == 0  # it is not trained again
    assert open_ledger(config).read() == registry
    assert "learn: version 2 refused: " in capsys.readouterr().out


def test_a_candidate_waits_for_a_person_who_is_recorded(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = begin(place, monkeypatch, list(list_cells()), needs_approval=True)
    assert run_learn(config) == 0
    ledger = open_ledger(config)
    assert read_kinds(ledger.read()) == ["first", "waits"] and ledger.read().serving.id == 1
    assert ledger.approve("Ada").serving.id == 2


def test_samples_that_lack_what_was_tested_are_refused(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = begin(place, monkeypatch)
    stay_here(monkeypatch, write_discs(config, 5))
    with pytest.raises(ConfigError, match=r"a/2020-06, a/2020-07, a/2020-08 of the serving model"):
        run_learn(config)


def test_images_that_changed_are_new_again(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = begin(place, monkeypatch)
    stay_here(monkeypatch, write_discs(config, SEEN, seed=1))
    assert len(plan_continued(config, open_serving(config)).fresh) == SEEN


@pytest.mark.parametrize(
    ("part", "changes", "said"),
    [
        (
            "sweep",
            {"encoders": ("resnet18",)},
            r"sweep.encoders = \('resnet18',\), and the serving",
        ),
        ("sweep", {"protocol": "notebook"}, "sweep.protocol notebook chooses by its test folds"),
    ],
)
def test_what_a_model_is_not_made_for_is_refused(
    place: Path, monkeypatch: pytest.MonkeyPatch, part: str, changes: dict, said: str
) -> None:
    config = begin(place, monkeypatch)
    changed = getattr(config, part).model_copy(update=changes)
    with pytest.raises(ConfigError, match=said):
        run_learn(config.model_copy(update={part: changed}))


def test_a_warm_up_has_to_end(tmp_path: Path) -> None:
    values = disc_config(tmp_path).model_dump(mode="json")
    values["sweep"]["warm_up_epochs"], values["learn"]["epochs"] = 2, 2
    with pytest.raises(ValueError, match=r"learn.epochs 2: wanted more than sweep.warm_up_epochs"):
        Config.model_validate(values)


def test_a_second_learner_leaves(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = begin(place, monkeypatch)
    lock = str(Path(open_ledger(config).learners) / ".lock")
    assert create(lock, Owner.of_this_process("other"))
    with pytest.raises(Occupied, match="this run leaves it to it"):
        run_learn(config)


def learn_apart(folder: Path, moment: int = 0) -> int:
    """Learn in a process of its own, see :func:`learn_until`; returns its exit code."""
    server = multiprocessing.get_context("forkserver")
    server.set_forkserver_preload(["tests.support.learned"])
    learner = server.Process(target=learn_until, args=(folder, moment, folder / "steps"))
    learner.start()
    learner.join(120)
    assert learner.exitcode is not None
    return learner.exitcode


@pytest.mark.slow
def test_a_kill_at_20_moments_of_learning_leaves_a_whole_registry_and_one_of_the_two(
    place: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = begin(place, monkeypatch)
    whole = tmp_path_factory.mktemp("whole")
    shutil.copytree(place, whole, dirs_exist_ok=True)
    assert learn_apart(whole) == 0
    steps = int((whole / "steps").read_text())
    assert steps > 40
    served = set()
    for at in range(20):
        folder = tmp_path_factory.mktemp(f"killed-{at}")
        shutil.copytree(place, folder, dirs_exist_ok=True)
        assert learn_apart(folder, 1 + at * (steps - 1) // 19) == 9
        ledger = Ledger(str(folder / "data"), "discs", "leave")
        found = ledger.read()
        assert found.extends(open_ledger(config).read()), at
        served.add(found.serving.id)
        if at in (9, 19):
            assert learn_apart(folder) == 0
            assert read_kinds(ledger.read()) == ["first", "promoted"], at
            assert not list((folder / "data").rglob(".*.tmp"))
    assert served == {1, 2}


def test_a_model_that_is_not_what_was_promoted_does_not_serve(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = begin(place, monkeypatch)
    ledger = Ledger(config.storage, "discs")
    other = ledger.read().serving.model_copy(update={"sha256": "b" * 64})
    with pytest.raises(StoreError, match="is not what version 1 of registry discs was"):
        open_version(ledger, other)
