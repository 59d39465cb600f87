"""Which models are exported, on which windows they are tried, and what is done again."""

from datetime import date
from pathlib import Path

import numpy as np
import pytest
import torch

from glacier import machine, seals
from glacier.checks import find_refusals
from glacier.errors import ConfigError, DamagedError, ExportError
from glacier.mapping import export
from glacier.mapping.assignment import ModelName, choose_encoders
from glacier.mapping.export import (
    ExportRecord,
    choose_windows,
    find_export,
    list_models,
    make_export,
    run_export,
)
from glacier.samples.month_images import MonthImage
from glacier.settings.export import Export
from glacier.training.export import Exported
from glacier.training.model_files import save_model
from glacier.training.saved import SavedSweep, SweepPlaces
from glacier.training.unet import build_unet
from tests.support.model_cards import make_card
from tests.support.months import make_month
from tests.support.sweeps import make_sweep
from tests.support.tiny import ENCODER, tiny_config

NAME = ModelName(encoder=ENCODER, fold=0)
PLAIN = Export(int8=False)


def blank_month(shape: tuple[int, int]) -> MonthImage:
    """A month that was seen whole and holds no glacier."""
    return make_month(
        "ridge", date(2020, 8, 1), np.zeros((3, *shape), np.float32), np.zeros(shape, np.uint8)
    )


@pytest.fixture
def sweep(tmp_path: Path) -> SavedSweep:
    """A sweep of one model that learned nothing."""
    places = SweepPlaces(*(str(tmp_path / name) for name in ("samples", "s", "t", "models")))
    windows = {"size_px": 32, "stride_px": 16, "mean": (0.3,) * 3, "std": (0.2,) * 3}
    torch.manual_seed(0)
    card = make_card(encoder=ENCODER, fold=0, inference=windows)
    save_model(places.model(*NAME.model_dump().values()), build_unet(ENCODER, 3).state_dict(), card)
    return SavedSweep(make_sweep({ENCODER: [0.9]}), "", None, places)  # type: ignore[arg-type]


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Models that were exported, in no time."""
    made = []

    def export_model(model, card, windows) -> Exported:
        made.append(card.encoder)
        return Exported({"model.onnx": b"x"}, {"model.onnx": 1e-7})

    monkeypatch.setattr(export, "export_model", export_model)
    monkeypatch.setattr(export, "read_some", lambda _: [blank_month((40, 40))])
    return made


def test_files_lie_beside_the_model_and_are_made_once(sweep: SavedSweep, calls: list[str]) -> None:
    assert make_export(sweep, NAME, PLAIN) and make_export(sweep, NAME, PLAIN)
    assert calls == [ENCODER]
    record = find_export(sweep, NAME, owned=False)
    assert record is not None and record.months == ("ridge/2020-08",)
    folder = Path(sweep.places.model(ENCODER, 0))
    assert seals.read_whole(f"{folder}/export.json", ExportRecord, owned=False) == record
    (folder / "model.onnx").write_bytes(b"cut")
    assert find_export(sweep, NAME, owned=False) is None
    assert make_export(sweep, NAME, PLAIN) and calls == [ENCODER] * 2
    assert (folder / ".damaged/model.onnx").read_bytes() == b"cut"


def test_files_of_other_weights_are_made_again(sweep: SavedSweep, calls: list[str]) -> None:
    make_export(sweep, NAME, PLAIN)
    card = make_card(encoder=ENCODER, fold=0)
    save_model(sweep.places.model(ENCODER, 0), build_unet(ENCODER, 3).state_dict(), card)
    assert find_export(sweep, NAME, owned=False) is None


def test_a_model_whose_files_answer_otherwise_fails_and_leaves_nothing(
    sweep: SavedSweep, calls: list[str], monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    def refuse(*_) -> Exported:
        raise ExportError("model.onnx differs")

    monkeypatch.setattr(export, "export_model", refuse)
    assert not make_export(sweep, NAME, PLAIN)
    assert "export: model.onnx differs" in capsys.readouterr().out
    folder = Path(sweep.places.model(ENCODER, 0))
    kept = {"model.json", "model.md", "model.item.json", "model.safetensors"}
    assert {p.name for p in folder.iterdir()} == kept


def test_a_model_that_is_gone_is_one_that_the_sweep_makes_again(sweep: SavedSweep) -> None:
    with pytest.raises(DamagedError, match=r"model\.json is damaged: it is gone"):
        find_export(sweep, ModelName(encoder=ENCODER, fold=1), owned=False)


def test_all_folds_are_exported_or_those_that_are_named() -> None:
    result = make_sweep({"resnet18": [0.9, 0.8], "resnet34": [0.5, 0.4]})
    sweep = SavedSweep(result, "", None, None)  # type: ignore[arg-type]
    every = list_models(sweep, ["resnet18", "resnet34"], None)
    assert [(name.encoder, name.fold) for name in every] == [
        ("resnet18", 0), ("resnet18", 1), ("resnet34", 0), ("resnet34", 1),
    ]  # fmt: skip
    assert [name.fold for name in list_models(sweep, ["resnet18"], [1])] == [1]
    with pytest.raises(ConfigError, match=r"export\.folds = \[7\].*folds 0, 1"):
        list_models(sweep, ["resnet18"], [1, 7])
    with pytest.raises(ConfigError, match=r"export\.encoder = 'resnet81'"):
        choose_encoders(result, Export(encoder="resnet81"), "export.encoder")


def test_windows_that_show_most_come_first() -> None:
    month = blank_month((64, 96))
    month.label[40:50, 40:50] = 1
    month.image[:, 60:, 32:64] = np.nan
    month.image[:, :5, :5] = np.nan
    windows = choose_windows([month], 32)
    assert windows.shape == (4, 3, 32, 32)
    np.testing.assert_array_equal(windows[0], month.image[:, 32:64, 32:64])
    np.testing.assert_array_equal(windows[1], month.image[:, :32, :32])


def test_an_image_smaller_than_a_window_is_padded_with_unseen_pixels() -> None:
    (window,) = choose_windows([blank_month((20, 40))], 32)[:1]
    assert window.shape == (3, 32, 32) and np.isnan(window[:, 20:]).all()


def test_without_the_extra_the_job_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tiny_config(tmp_path)
    assert find_refusals(config, "export") == []
    monkeypatch.setitem(machine.EXTRAS, "export", ("onnx", "no_such_library"))
    (reason,) = find_refusals(config, "export")
    assert "needs no_such_library, not installed here" in reason
    with pytest.raises(ConfigError, match=r"pip install 'glacier-maps\[export\]'"):
        run_export(config)
