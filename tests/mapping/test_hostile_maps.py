"""Images and models that somebody made to do harm, as what maps and what exports meets them.

Each is refused by its name: nothing that it points to is opened or asked, and nothing is left but
the reason. The hostile table has many more, and holds their memory down. No Ray in here.
"""

import os
import pickle
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from glacier import seals, store
from glacier.errors import DamagedError, GlacierError, WeightsError
from glacier.mapping import export
from glacier.mapping.assignment import ModelName, Part
from glacier.mapping.export import make_export
from glacier.mapping.map_plan import MapTask, begin_record
from glacier.mapping.map_worker import MapWorker
from glacier.mapping.maps import MapRecord
from glacier.settings.export import Export
from glacier.settings.predict import Predict
from glacier.training.model_files import save_model
from glacier.training.saved import SavedSweep, SweepPlaces
from glacier.training.unet import build_unet
from tests.support.canary import serve_canary
from tests.support.hostile.files import Make
from tests.support.hostile.rasters import FOUND, write_tiff
from tests.support.hostile.table import make_trap, watch
from tests.support.model_cards import make_card
from tests.support.sweeps import make_sweep
from tests.support.tiny import ENCODER

NAME = ModelName(encoder=ENCODER, fold=0)
CARD = make_card(bands=("red",), encoder=ENCODER, fold=0)


class Evil:
    """Runs code where it is unpickled."""

    def __reduce__(self) -> tuple[object, ...]:
        return (os.system, ("echo ran > ran.txt",))


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """A folder of one model that learned nothing."""
    folder = tmp_path / "models"
    save_model(str(folder / ENCODER / "fold-0"), build_unet(ENCODER, 1).state_dict(), CARD)
    return folder


def run(folder: Path, models: Path, image: Path) -> MapRecord:
    """What becomes of an image."""
    begun = begin_record("files", image.stem, store.checksum_file(image))
    task = MapTask(record=begun, image=str(image), parts=(Part(rectangles=None, models=(NAME,)),))
    row = MapWorker(str(folder), str(models), Predict())({"task": task.model_dump_json()})
    return MapRecord.model_validate_json(row["record"])


def list_files(folder: Path) -> list[str]:
    return [str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()]


@pytest.mark.parametrize("make", FOUND.values(), ids=FOUND)
def test_a_hostile_image_leaves_its_reason_alone(
    make: Make, models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scratch, maps = tmp_path / "scratch", tmp_path / "maps"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    with serve_canary() as (url, calls):
        trap = make_trap(0, url, tmp_path)
        make(trap.folder / "a.tif", trap)
        with watch(trap.secret) as opened:
            record = run(maps, models, trap.folder / "a.tif")
            assert opened() == 0
    assert not calls
    assert record.status == "failed" and record.reason.startswith("RasterError: ")
    assert "a.tif" in record.reason
    assert list_files(maps) == ["files/a.json"] and list_files(scratch) == []


def put_weights(folder: Path, data: bytes, is_known: bool) -> None:
    """Write other weights, and their checksum into the card where whoever made them could."""
    (folder / "model.safetensors").write_bytes(data)
    if is_known:
        card = CARD.model_copy(update={"sha256": store.checksum(data)})
        seals.write_model(str(folder / "model.json"), card)


SPOILS: dict[str, tuple[Callable[[Path], object], type[GlacierError], str]] = {
    "a pickle": (
        lambda f: put_weights(f, pickle.dumps(Evil()), True), WeightsError, "no plain tensors"
    ),
    "a pickle, unknown to the card": (
        lambda f: put_weights(f, pickle.dumps(Evil()), False), DamagedError, "safetensors"
    ),
    "weights of a terabyte": (
        lambda f: os.truncate(f / "model.safetensors", 1 << 40), GlacierError, "1099511627776 bytes"
    ),
    "weights cut short": (
        lambda f: os.truncate(f / "model.safetensors", 999), DamagedError, "safetensors"
    ),
}  # fmt: skip


@pytest.mark.parametrize(("spoil", "kind", "words"), SPOILS.values(), ids=SPOILS)
def test_a_hostile_model_maps_and_exports_nothing(
    spoil: Callable[[Path], object], kind: type[GlacierError], words: str,
    models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    folder = models / ENCODER / "fold-0"
    spoil(folder)
    there = sorted(list_files(models))
    monkeypatch.chdir(tmp_path)
    image = write_tiff(tmp_path / "a.tif", count=3)
    record = run(tmp_path / "maps", models, image)
    assert record.status == "failed" and words in record.reason and "fold-0" in record.reason
    assert set(list_files(tmp_path / "maps")) <= {"files/a.json"}
    monkeypatch.setattr(export, "read_some", pytest.fail)
    places = SweepPlaces("", "", "", str(models))
    sweep = SavedSweep(make_sweep({ENCODER: [0.9]}), "", None, places)  # type: ignore[arg-type]
    with pytest.raises(kind, match=words):
        make_export(sweep, NAME, Export())
    assert sorted(list_files(models)) == there and not (tmp_path / "ran.txt").exists()
