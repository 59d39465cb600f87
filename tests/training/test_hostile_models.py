"""Models, weights, checkpoints and results that somebody made to do harm, and what they do: none.

Every row is refused with an error that names the thing, or is harmless. Around each, no file
outside of the folder is read, changed or removed, no code is run, and nothing asks the network.
"""

import json
import os
import pickle
import shutil
import socket
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from safetensors.torch import load_file, save, save_file

from glacier import seals, store
from glacier.archive.records import ArchiveMonth
from glacier.config import Config
from glacier.errors import ConfigError, DamagedError, GlacierError, StoreError, WeightsError
from glacier.evaluation.results import SweepResult
from glacier.reports.report import keep_earlier, list_files
from glacier.samples.sample_set import (
    MONTHS,
    SampleSet,
    make_month,
    make_row,
    read_set,
    write_set,
)
from glacier.settings.regions import Region
from glacier.table_rows import TableRows
from glacier.training.checkpoint import (
    Checkpoint,
    drop_checkpoint,
    restore_checkpoint,
    save_checkpoint,
)
from glacier.training.encoders import check_encoder
from glacier.training.learner import Learner
from glacier.training.model_card import FORMAT
from glacier.training.model_files import load_model, save_model
from glacier.training.sampler import WindowSampler
from glacier.training.tensors import read_weights
from glacier.training.trial import Trial
from glacier.training.unet import build_unet, fetch_encoder
from tests.support.discs import TINY, make_samples, make_trial
from tests.support.model_cards import make_card
from tests.support.sweeps import make_sweep
from tests.support.sweeps import make_trial as make_result

PRECIOUS = b"nobody may touch this"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model as a trial exports it."""
    folder = tmp_path_factory.mktemp("whole")
    save_model(str(folder), build_unet(TINY, 3).state_dict(), make_card(encoder=TINY))
    return folder


@pytest.fixture
def model(whole: Path, tmp_path: Path) -> Path:
    """A copy of it, to be spoiled."""
    return Path(shutil.copytree(whole, tmp_path / "storage/models/m"))


@pytest.fixture
def trial(tmp_path: Path) -> Trial:
    """A trial that has not begun."""
    (tmp_path / "storage/trial").mkdir(parents=True)
    return make_trial(tmp_path / "storage")


@pytest.fixture(autouse=True)
def precious(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A file outside, which stays as it is; and no network all the while."""
    asked: list[object] = []

    def refuse(*args: object, **_: object) -> None:
        asked.append(args)
        raise OSError("no network here")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    path = tmp_path / "outside/precious.txt"
    path.parent.mkdir()
    path.write_bytes(PRECIOUS)
    path.chmod(0o600)
    yield path
    assert path.read_bytes() == PRECIOUS
    assert [each.name for each in path.parent.iterdir()] == ["precious.txt"]
    assert not asked


def edit_card(**changes: object) -> Callable[[Path], None]:
    """Writes fields of ``model.json``; a dotted name is one of an inner part."""

    def edit(folder: Path) -> None:
        path = str(folder / "model.json")
        values = seals.read_json(path)
        for name, value in changes.items():
            *above, last = name.split("__")
            part = values
            for each in above:
                part = part[each]
            part[last] = value
        Path(path).write_bytes(seal(json.dumps(values).encode()))

    return edit


def seal(text: bytes) -> bytes:
    """A sealed file of any text, as whoever knows how can make it."""
    return b'{\n "seal": "' + store.checksum(b"{" + text[1:]).encode() + b'",' + text[1:] + b"\n"


def put_weights(data: bytes | Callable[[bytes], bytes]) -> Callable[[Path], None]:
    """Writes other weights, and their checksum into the card, as whoever made both would."""

    def put(folder: Path) -> None:
        path = folder / "model.safetensors"
        path.write_bytes(data(path.read_bytes()) if callable(data) else data)
        edit_card(sha256=store.checksum(path.read_bytes()))(folder)

    return put


def change_tensors(change: Callable[[dict[str, torch.Tensor]], object]) -> Callable[[Path], None]:
    """Writes changed tensors."""

    def put(folder: Path) -> None:
        state = load_file(folder / "model.safetensors")
        change(state)
        put_weights(save(state))(folder)

    return put


class Evil:
    """Runs code where it is unpickled."""

    def __reduce__(self) -> tuple[object, ...]:
        return (os.system, ("echo ran > ran.txt",))


ENCODERS = (
    "tu-hf-hub:timm/resnet18", "tu-HF-HUB:timm/resnet18", "tu-hf_hub:timm/resnet18",
    "tu-Hf_Hub:timm/resnet18.a1_in1k", "hf-hub:timm/resnet18", "TU-hf-hub:timm/resnet18",
    "tu-local-dir:/outside", "tu-LOCAL-DIR:../outside", "tu-resnet18.hf-hub:a/b",
    "timm-regnetx_002.hf-hub:a", "timm-regnetx_002/../a", "tu-https://evil.example/a",
    "../../../outside", "/outside", "tu-../../outside", "resnet34\x00", "resnet34\n", "resnet34 ",
    "ＲesNet34", "r" * 100_000, "", ".", "..", "resnet34.a1_in1k", "tu-no_such_network",
    "smp-hub/resnet34",
)  # fmt: skip
"""Names that no list holds, and that the libraries may take for a place."""

CARDS: dict[str, tuple[dict[str, object], str]] = {
    "fold -1": ({"fold": -1}, "fold"),
    "fold of text": ({"fold": "../x"}, "fold"),
    "no band": ({"image__bands": []}, "bands"),
    "65 bands": ({"image__bands": [f"b{k}" for k in range(65)]}, "bands"),
    "100 000 bands": ({"image__bands": ["b"] * 10**5}, "bands"),
    "a band twice": ({"image__bands": ["nir", "red", "nir"]}, "none twice"),
    "a band that is a path": ({"image__bands": ["nir", "red", "../x"]}, "bare name"),
    "an unknown scale": ({"image__scale": "exec"}, "scale"),
    "a range turned round": ({"image__range": [1, 0]}, "low must be below high"),
    "a range without end": ({"image__range": [0, 1e30]}, "range"),
    "size 0": ({"inference__size_px": 0}, "size_px"),
    "size 33": ({"inference__size_px": 33}, "multiple of 32"),
    "size 2**40": ({"inference__size_px": 2**40}, "size_px"),
    "a step of 0": ({"inference__stride_px": 0}, "stride_px"),
    "a step wider than a window": ({"inference__stride_px": 129}, "at most size_px"),
    "three orientations": ({"inference__orientations": 3}, "orientations"),
    "a pixel of no size": ({"pixel_m": [0, 30]}, "pixel_m"),
    "pixels turned round": ({"pixel_m": [30, 20]}, "low must be below high"),
    "resize 0": ({"resize": [0, 10]}, "resize"),
    "resize 10**9": ({"resize": [10**9, 10**9]}, "resize"),
    "two means": ({"inference__mean": [0.1, 0.2]}, "mean has 2 numbers for 3 bands"),
    "four deviations": ({"inference__std": [0.1] * 4}, "std has 4 numbers for 3 bands"),
    "no fill": ({"fill": []}, "fill has 0 numbers"),
    "a mean of 1e300": ({"inference__mean": [0.1, 0.2, 1e300]}, "mean.2"),
    "a mean that is no number": ({"inference__mean": [0.1, 0.2, float("nan")]}, "mean.2"),
    "a deviation of 0": ({"inference__std": [0.1, 0, 0.1]}, "std.1"),
    "a deviation below 0": ({"inference__std": [0.1, -1, 0.1]}, "std.1"),
    "an endless deviation": ({"inference__std": [0.1, float("inf"), 0.1]}, "std.1"),
    "threshold 1.5": ({"threshold": 1.5}, "threshold"),
    "threshold NaN": ({"threshold": float("nan")}, "threshold"),
    "temperature 0": ({"temperature": 0}, "temperature"),
    "temperature 1e30": ({"temperature": 1e30}, "temperature"),
    "seed -1": ({"seed": -1}, "seed"),
    "no parameters": ({"parameters": 0}, "parameters"),
    "format 3": ({"format": 3}, f"format 3: this version reads {FORMAT}"),
    "batches of 10**9": ({"training__batch_size": 10**9}, "batch_size"),
    "a training encoder of a hub": ({"training__encoders": ["tu-hf-hub:a/b"]}, "bare name"),
    "a region that is a path": ({"data__regions": ["../../x"]}, "regions"),
    "month 13": ({"data__first": "2014-13"}, "first"),
    "an unknown field": ({"code": "import os"}, "code"),
    "no checksum": ({"sha256": ""}, "damaged"),
    "a checksum of null": ({"sha256": None}, "sha256"),
    "a checksum of words": ({"sha256": "skip"}, "sha256"),
    "another checksum": ({"sha256": "0" * 64}, "damaged"),
}


@pytest.mark.parametrize("name", ENCODERS, ids=lambda name: ascii(name[:40]))
def test_no_encoder_is_taken_from_elsewhere(name: str, model: Path) -> None:
    with pytest.raises(ConfigError, match="is not an encoder of segmentation-models-pytorch"):
        check_encoder(name)
    edit_card(encoder=name)(model)
    with pytest.raises(GlacierError, match=r"encoder.*bare name|is not an encoder"):
        load_model(str(model))


def test_a_configuration_names_no_hub_either() -> None:
    with pytest.raises(ValueError, match="bare name"):
        Config.model_validate(
            {"name": "x", "regions": [], "sweep": {"encoders": ["tu-hf-hub:timm/resnet18"]}}
        )


@pytest.mark.parametrize(("changes", "words"), CARDS.values(), ids=CARDS)
def test_a_card_out_of_bounds_is_refused(
    changes: dict[str, object], words: str, model: Path
) -> None:
    edit_card(**changes)(model)
    with pytest.raises(StoreError, match=rf"storage/models/m/model\.(json|safetensors).*{words}"):
        load_model(str(model))


@pytest.mark.parametrize(
    "text",
    [b"\x00" * 64, b"[]", b"{" * 100_000, b"{" + b"[" * 100_000, b"{\xff\xfe}", b'{"format": 2}'],
    ids=lambda text: ascii(text[:9]),
)
def test_what_is_no_card_is_refused(text: bytes, model: Path) -> None:
    """As it is, and with a seal of its own."""
    for data, why in ((text, "no seal"), (b"", "it is empty"), (seal(text), "no ModelCard")):
        (model / "model.json").write_bytes(data)
        with pytest.raises(DamagedError, match=rf"m/model\.json is damaged: {why}"):
            load_model(str(model))


def cut(data: bytes) -> bytes:
    return data[: len(data) // 2]


def lengthen_header(data: bytes) -> bytes:
    return (2**40).to_bytes(8, "little") + data[8:]


def flip_name(data: bytes) -> bytes:
    return data[:200] + bytes([data[200] ^ 1]) + data[201:]


def overlap(data: bytes) -> bytes:
    """Two tensors of the same bytes, one of them far beyond the end."""
    header = json.dumps(
        {
            "a": {"dtype": "F32", "shape": [2**40], "data_offsets": [0, 2**42]},
            "b": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]},
        }
    ).encode()
    return len(header).to_bytes(8, "little") + header + b"\0" * 4


def narrow(state: dict[str, torch.Tensor]) -> None:
    state.update({name: value[:1] for name, value in state.items() if value.ndim == 4})


def flatten(state: dict[str, torch.Tensor]) -> None:
    state.update({name: value.flatten() for name, value in state.items()})


def widen(state: dict[str, torch.Tensor]) -> None:
    state.update({name: value.double() for name, value in state.items()})


WEIGHTS: dict[str, tuple[Callable[[Path], None], str]] = {
    "cut in two": (put_weights(cut), "no plain tensors"),
    "one byte short": (put_weights(lambda data: data[:-1]), "no plain tensors"),
    "one byte long": (put_weights(lambda data: data + b"\0"), "no plain tensors"),
    "empty": (put_weights(b""), "no plain tensors"),
    "seven bytes": (put_weights(b"\1\0\0\0\0\0\0"), "no plain tensors"),
    "a header of 2**40": (put_weights(lengthen_header), "to have 1099511627776 bytes"),
    "a header of 2**64 - 1": (put_weights(lambda data: b"\xff" * 8 + data[8:]), "its header"),
    "a header of 0": (put_weights(lambda data: b"\0" * 8 + data[8:]), "its header"),
    "a bit flipped in the header": (put_weights(flip_name), "do not fit"),
    "tensors beyond the end": (put_weights(overlap), "no plain tensors"),
    "a pickle": (put_weights(pickle.dumps(Evil())), "no plain tensors"),
    "a tensor too many": (change_tensors(lambda s: s.update(evil=torch.zeros(1))), "many: 'evil'"),
    "a tensor too few": (change_tensors(lambda s: s.popitem()), "1 tensors are missing"),
    "another shape": (change_tensors(narrow), "wanted"),
    "shapes of the same size": (change_tensors(flatten), "wanted"),
    "other numbers": (change_tensors(widen), "float64, wanted"),
}


@pytest.mark.parametrize(("spoil", "words"), WEIGHTS.values(), ids=WEIGHTS)
def test_weights_that_are_not_the_networks_are_refused(
    spoil: Callable[[Path], None], words: str, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoil(model)
    monkeypatch.chdir(model)
    loaded: list[object] = []
    monkeypatch.setattr(torch.nn.Module, "load_state_dict", lambda *args: loaded.append(args))
    with pytest.raises(WeightsError, match=f"models/m.*{words}"):
        load_model(str(model))
    assert not loaded and not (model / "ran.txt").exists()


@pytest.mark.parametrize("at", [0, 3, 8, 500, -1, -1000])
def test_one_flipped_bit_is_found(at: int, model: Path) -> None:
    path = model / "model.safetensors"
    data = bytearray(path.read_bytes())
    data[at] ^= 4
    path.write_bytes(data)
    with pytest.raises(StoreError, match=r"m/model\.safetensors is damaged: sha256"):
        load_model(str(model))


def test_weights_of_another_network_are_refused(model: Path) -> None:
    edit_card(encoder="resnet18")(model)
    with pytest.raises(WeightsError, match=r"do not fit resnet18: .* missing or too many"):
        load_model(str(model))
    four = {"image__bands": ["a", "b", "c", "d"], "fill": [0] * 4}
    edit_card(encoder=TINY, inference__mean=[0] * 4, inference__std=[1] * 4, **four)(model)
    with pytest.raises(WeightsError, match=r"conv_stem.*wanted \(.*, 4, 3, 3\)"):
        load_model(str(model))


@pytest.mark.parametrize("name", ["model.json", "model.safetensors"])
@pytest.mark.parametrize("kind", ["folder", "pipe", "huge", "missing"])
def test_what_is_no_file_of_its_size_is_not_opened(name: str, kind: str, model: Path) -> None:
    path = model / name
    path.unlink()
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "huge":
        path.touch()
        os.truncate(path, 2**40)  # sparse: it takes no room
    with pytest.raises(StoreError, match=rf"cannot read .*m/{name}: "):
        load_model(str(model))


def test_the_whole_model_is_loaded_all_the_same(model: Path) -> None:
    _, card = load_model(str(model))
    assert card.encoder == TINY


def write_pth(path: Path) -> None:
    torch.save({"x": Evil()}, path)


def write_plain_pickle(path: Path) -> None:
    path.write_bytes(pickle.dumps(Evil()))


def write_bomb(path: Path) -> None:
    """Zeros that a file of a thousandth holds."""
    torch.save({"x": torch.zeros(4_000_000)}, path)
    with zipfile.ZipFile(path) as archive:
        parts = {item: archive.read(item) for item in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in parts.items():
            archive.writestr(name, data)


def write_sparse(path: Path) -> None:
    path.touch()
    os.truncate(path, 9 * 2**30)


def write_one(path: Path) -> None:
    save_file({"conv1.weight": torch.zeros(1, 1)}, path)


INITIAL: dict[str, tuple[str, Callable[[Path], object], str]] = {
    "a pickle with code": ("w.pth", write_pth, "no plain tensors.*nothing in it was run"),
    "a bare pickle": ("w.pth", write_plain_pickle, "no plain tensors"),
    "a pickle under another name": ("w.safetensors", write_pth, "no plain tensors"),
    "compressed": ("w.pth", write_bomb, "its parts are compressed"),
    "a list": ("w.pth", lambda path: torch.save([1, 2], path), "it is a list"),
    "words": ("w.pth", lambda path: torch.save({"x": "y"}, path), "'x' is a str"),
    "another network": ("w.pth", lambda p: torch.save({"x": torch.zeros(1)}, p), "cannot be used"),
    "other shapes": ("w.safetensors", write_one, "cannot be used"),
    "larger than stated": ("w.safetensors", write_sparse, "at most 8589934592 can be meant"),
    "a pipe": ("w.pth", os.mkfifo, "no regular file"),
    "a folder": ("w.pth", Path.mkdir, "no regular file"),
    "a device": ("w.pth", lambda path: path.symlink_to("/dev/zero"), "no regular file"),
    "nothing": ("w.pth", lambda path: None, "no such file"),
    "empty": ("w.pth", Path.touch, "no plain tensors"),
}  # fmt: skip


@pytest.mark.parametrize(("name", "write", "words"), INITIAL.values(), ids=INITIAL)
def test_initial_weights_are_read_without_running_them(
    name: str, write: Callable[[Path], object], words: str, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    write(tmp_path / name)
    with pytest.raises(WeightsError, match=rf"{name}.*{words}") as refused:
        fetch_encoder("resnet18", str(tmp_path / name))
    assert "weights_only" not in str(refused.value)
    assert not (tmp_path / "ran.txt").exists()


def test_stored_initial_weights_have_the_checksum_of_their_name(tmp_path: Path) -> None:
    data = save({"x": torch.zeros(3)})
    path = tmp_path / f"{TINY}-{store.checksum(data)[:8]}.safetensors"
    path.write_bytes(data)
    assert read_weights(str(path)) == data
    path.write_bytes(data[:-1] + b"\1")
    with pytest.raises(StoreError, match=r"test_efficientnet-.*\.safetensors is damaged"):
        read_weights(str(path))


def make_checkpoint() -> Checkpoint:
    return Checkpoint(epoch=0, best_epoch=0, epochs=list(make_result("a", 0, losses=[0.5]).epochs))


SEALS = (
    "../../outside/precious.txt", "/PRECIOUS", "file:///PRECIOUS", "done.json", "checkpoint.json",
    "predictions.npz", "../model/model.safetensors", "epoch-1.pt/../../../outside/precious.txt",
    "epoch-1.pt\x00", "epoch-1.pt\n", "EPOCH-1.pt", "epoch-.pt", "epoch--1.pt", "epoch-１.pt",
    ".", "..", "", "epoch-*.pt", "memory://epoch-1.pt",
)  # fmt: skip
"""Names that a seal may not hold."""


@pytest.mark.parametrize("file", SEALS, ids=ascii)
def test_a_seal_names_a_checkpoint_beside_it_and_no_other_file(
    file: str, trial: Trial, precious: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, file = Path(trial.folder), file.replace("/PRECIOUS", str(precious))
    for name in ("done.json", "predictions.npz", "epoch-1.pt"):
        (folder / name).write_bytes(PRECIOUS)
    seal = {"files": {file: store.checksum(PRECIOUS)}}
    seals.write_json(str(folder / "checkpoint.json"), seal)
    assert restore_checkpoint(trial, torch.device("cpu")) is None
    assert "checkpoint.json is damaged: no Seal of this version (files" in capsys.readouterr().out
    save_checkpoint(trial, make_checkpoint())
    names = {"checkpoint.json", "done.json", "predictions.npz", "epoch-0.pt", "epoch-1.pt"}
    assert {path.name for path in folder.glob("[!.]*")} == names
    seals.write_json(str(folder / "checkpoint.json"), seal)
    drop_checkpoint(trial)
    assert {path.name for path in folder.glob("[!.]*")} == names - {"checkpoint.json"}


@pytest.mark.parametrize("change", [
    {"model": Evil()}, {"epochs": []}, {"epoch": 10**9}, {"best_epoch": 7}, {"epoch": "0"},
    {"code": 1}, {"epochs": [{"epoch": 0}]}, None,
], ids=lambda change: ",".join(change or ["none"]))  # fmt: skip
def test_a_sealed_checkpoint_of_something_else_is_left(
    change: dict[str, object] | None, trial: Trial, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    folder = Path(trial.folder)
    monkeypatch.chdir(folder)
    save_checkpoint(trial, make_checkpoint())
    values = torch.load(folder / "epoch-0.pt", weights_only=True)
    torch.save([values] if change is None else values | change, folder / "epoch-0.pt")
    seal = {"files": {"epoch-0.pt": store.checksum((folder / "epoch-0.pt").read_bytes())}}
    seals.write_json(str(folder / "checkpoint.json"), seal)
    assert restore_checkpoint(trial, torch.device("cpu")) is None
    said = capsys.readouterr().out
    assert "epoch-0.pt is damaged: no checkpoint of this version" in said
    assert not (folder / "ran.txt").exists()


@pytest.mark.parametrize("part", ["model", "best", "optimizer", "loss"])
def test_of_a_checkpoint_of_another_network_nothing_is_loaded(
    part: str, trial: Trial, capsys: pytest.CaptureFixture[str]
) -> None:
    """The network stays as its seed made it, so that the trial ends as one without a checkpoint."""
    sampler = WindowSampler(32, True, [], 0)
    learner = Learner(trial, sampler, np.zeros(3, np.float32), np.ones(3, np.float32))
    own = {name: value.clone() for name, value in learner.model.state_dict().items()}
    state = {name: value + 1 for name, value in own.items()}
    parts = {"model": dict(state), "best": dict(state), "optimizer": learner.optimizer.state_dict(),
             "loss": {}}  # fmt: skip
    parts[part] = {} if part == "optimizer" else {**state, "evil": torch.zeros(1)}
    save_checkpoint(trial, replace(make_checkpoint(), **parts))
    assert learner.restore() == Checkpoint()
    assert "starts afresh; its checkpoint is of another network" in capsys.readouterr().out
    found = learner.model.state_dict()
    assert all(torch.equal(found[name], own[name]) for name in own)


RESULTS: dict[str, tuple[dict[str, object], str]] = {
    "a model elsewhere": ({"model": "/outside"}, "model"),
    "predictions above": ({"files": {"../../outside/precious.txt": "0" * 64}}, "files"),
    "predictions of a server": ({"files": {"http://127.0.0.1:9/x": "0" * 64}}, "files"),
    "predictions of a root": ({"files": {"/outside/precious.txt": "0" * 64}}, "files"),
    "predictions with NUL": ({"files": {"a\0b": "0" * 64}}, "files"),
    "a checksum of words": ({"files": {"predictions.npz": "skip"}}, "files"),
    "an encoder that is a path": ({"encoder": "../../outside"}, "bare name"),
    "another fold": ({"fold": 3}, "is of .*, fold 3"),
    "fold -1": ({"fold": -1}, "fold"),
    "another encoder": ({"encoder": "resnet34"}, "is of resnet34, fold 0"),
}  # fmt: skip


@pytest.mark.parametrize(("changes", "words"), RESULTS.values(), ids=RESULTS)
def test_a_result_points_to_no_other_place(
    changes: dict[str, object], words: str, trial: Trial
) -> None:
    values = make_result(trial.encoder, 0).model_dump(mode="json") | changes
    seals.write_json(trial.result_address, values)
    with pytest.raises(StoreError, match=rf"trial/done\.json .*{words}"):
        trial.read_result()


@pytest.mark.parametrize("field", ["samples", "models"])
@pytest.mark.parametrize("name", ["../outside", "/outside", "s3://bucket/x", "", "a/b", ".."])
def test_a_sweep_names_folders_of_its_own_storage(field: str, name: str, tmp_path: Path) -> None:
    values = make_sweep({"resnet34": [0.9, 0.8]}).model_dump(mode="json")
    place = str(tmp_path / "sweep.json")
    seals.write_json(place, values)
    seals.read_model(place, SweepResult)
    seals.write_json(place, values | {field: name})
    with pytest.raises(StoreError, match=rf"sweep\.json .*{field}.*bare name"):
        seals.read_model(place, SweepResult)


@pytest.mark.parametrize("changes", [
    {"files": {"../../outside/precious": "0" * 64}}, {"files": {"/outside/precious": "0" * 64}},
    {"files": {"a\0": "0" * 64}}, {"config_sha256": "/../../x" + "0" * 56},
    {"sweep_sha256": "../x"},
], ids=str)  # fmt: skip
def test_a_summary_names_its_own_files_alone(changes: dict[str, object], tmp_path: Path) -> None:
    folder = tmp_path / "results/run"
    folder.mkdir(parents=True)
    seals.write_json(str(folder / "summary.json"), {"schema": 8} | changes)
    with pytest.raises(DamagedError, match=r"summary\.json is damaged: no Stamp of this version"):
        list_files(str(folder))
    with pytest.raises(DamagedError):
        keep_earlier(str(folder), "0" * 64)
    assert [path.name for path in folder.parent.iterdir()] == ["run"]


@pytest.mark.parametrize("name", ["../../outside", "/outside", "A b", ""])
def test_samples_name_regions_alone(name: str, tmp_path: Path) -> None:
    samples = make_samples()
    month = samples.months[0].model_copy(update={"region": name})
    rows = TableRows(pa.Table.from_pylist([make_row(month)], MONTHS), make_month)
    write_set(str(tmp_path / "a"), samples.model_copy(update={"months": rows}))
    with pytest.raises(DamagedError, match=r"_months\.parquet is damaged: no months.*region"):
        read_set(str(tmp_path / "a"))
    values = samples.model_dump(mode="json")
    place = str(tmp_path / "summary.json")
    seals.write_json(place, values | {"regions": {name: values["regions"]["a"]}})
    with pytest.raises(StoreError, match=r"summary\.json is damaged: no SampleSet.*region"):
        seals.read_model(place, SampleSet)


@pytest.mark.parametrize("changes", [{"region": "../../outside"}, {"month": "../2014-05"}], ids=str)
def test_a_record_is_of_its_own_month(changes: dict[str, str], tmp_path: Path) -> None:
    from datetime import date

    month = ArchiveMonth(Region(name="ridge"), date(2014, 5, 1), str(tmp_path), "key")
    values = {"region": "ridge", "month": "2014-05", "status": "ok"}
    seals.write_json(month.record_address, values)
    assert month.read_record().status == "ok"
    seals.write_json(month.record_address, values | changes)
    with pytest.raises(DamagedError, match=r"it is of region '(\.\./|ridge', month '\.\./2014)"):
        month.read_record()
