"""Trained models passed on and taken: the same sweep there, or an error and nothing kept."""

import functools
import io
import json
import shutil
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from http.server import SimpleHTTPRequestHandler
from pathlib import Path

import pytest
import torch

from glacier import seals, store
from glacier.config import Config
from glacier.errors import GlacierError
from glacier.releases.fetch import MARK, Fetched, fetch_model
from glacier.releases.index import Release, SharedModel, read_card, read_release
from glacier.releases.share import share_sweep
from glacier.samples.sample_set import SampleSet, hold_months
from glacier.training.model_files import load_model, save_model
from glacier.training.saved import SavedSweep, open_sweep
from glacier.training.unet import build_unet
from glacier.verbs import main
from tests.support.loopback import serve_handler
from tests.support.model_cards import make_card
from tests.support.saved_sweeps import make_config, places_of, write_result, write_sweep
from tests.support.tiny import ENCODER

Said = pytest.CaptureFixture[str]


@dataclass(frozen=True)
class Shared:
    """A run whose models were shared."""

    config: Config
    sweep: SavedSweep
    release: str
    model: SharedModel


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Shared:
    """A sweep of two encoders, one of which is shared; its models learned nothing."""
    folder = tmp_path_factory.mktemp("shared")
    written = write_sweep(make_config(folder))
    names = {"resnet34": ENCODER, "resnet50": "resnet50"}
    trials = tuple(t.model_copy(update={"encoder": names[t.encoder]}) for t in written.trials)
    settings = written.config.sweep.model_copy(update={"encoders": tuple(names.values())})
    predict = written.config.predict.model_copy(update={"encoder": ENCODER})
    config = written.config.model_copy(update={"sweep": settings, "predict": predict})
    places = places_of(config, written)
    models = {"models": Path(places.models).name}
    write_result(config, written.model_copy(update={"config": config, "trials": trials, **models}))
    windows = {"size_px": 32, "stride_px": 16, "mean": (0.3,) * 3, "std": (0.2,) * 3}
    for fold in range(3):
        torch.manual_seed(fold)
        card = make_card(encoder=ENCODER, fold=fold, inference=windows)
        save_model(places.model(ENCODER, fold), build_unet(ENCODER, 3).state_dict(), card)
    sweep, release = open_sweep(places.sweep), str(folder / "release")
    sweep = replace(sweep, samples=fail_a_month(sweep.samples, f"RasterError: {folder}/a.tif: cut"))
    return Shared(config, sweep, release, share_sweep(config, sweep, release, "CC-BY-4.0"))


def fail_a_month(samples: SampleSet, reason: str) -> SampleSet:
    """Samples whose failed month names a file."""
    months = [
        month.model_copy(update={"reason": reason} if month.status == "failed" else {})
        for month in samples.months
    ]
    return samples.model_copy(update={"months": hold_months(tuple(months))})


def test_what_is_fetched_maps_by_the_same_weights_folds_and_samples(
    shared: Shared, tmp_path: Path
) -> None:
    folder = fetch_model(shared.release, "tiny", str(tmp_path))
    there = open_sweep(folder)
    assert [(t.encoder, t.fold) for t in there.result.trials] == [(ENCODER, f) for f in range(3)]
    assert there.result.splits == shared.sweep.result.splits
    own = fail_a_month(shared.sweep.samples, "RasterError: …/a.tif: cut")
    assert list(there.samples.months) == list(own.months)
    ways = {"files": {}, "months": ()}
    assert there.samples.model_copy(update=ways) == own.model_copy(update=ways)
    for fold in range(3):
        own, card = load_model(shared.sweep.places.model(ENCODER, fold))
        other, same = load_model(there.places.model(ENCODER, fold))
        assert card == same
        for name, tensor in own.state_dict().items():
            assert torch.equal(tensor, other.state_dict()[name])
    mark = seals.read_whole(str(tmp_path / "tiny" / MARK), Fetched, owned=False)
    assert mark and mark.sha256 == shared.model.sha256
    held = {p.relative_to(tmp_path / "tiny").as_posix() for p in tmp_path.rglob("*") if p.is_file()}
    assert held == {MARK, *mark.files}


def test_a_release_says_nothing_of_where_the_run_lay(shared: Shared, tmp_path: Path) -> None:
    place = fetch_model(shared.release, "tiny", str(tmp_path)).partition("/sweeps/")[0]
    samples = open_sweep(f"{place}/sweeps/{shared.model.sweep}").samples
    said = [month.reason for month in samples.months if month.status == "failed"]
    assert said == ["RasterError: …/a.tif: cut"]
    data = b"".join(path.read_bytes() for path in Path(shared.release).iterdir())
    assert shared.config.storage.encode() not in data
    config = json.loads(shared.sweep.result.config.model_dump_json())
    assert config["storage"] == shared.config.storage  # so the above could have failed


def test_the_same_models_make_the_same_file_and_others_stay(shared: Shared, tmp_path: Path) -> None:
    first = share_sweep(shared.config, shared.sweep, str(tmp_path), "MIT")
    assert first.sha256 == shared.model.sha256
    renamed = shared.sweep.result.config.model_copy(update={"name": "alps"})
    result = shared.sweep.result.model_copy(update={"config": renamed})
    other = SavedSweep(result, "", shared.sweep.samples, shared.sweep.places)
    share_sweep(shared.config, other, str(tmp_path), "MIT")
    share_sweep(shared.config, shared.sweep, str(tmp_path), "CC0-1.0")
    found = read_release(str(tmp_path)).models
    assert [(model.name, model.licence) for model in found] == [
        ("alps", "MIT"),
        ("tiny", "CC0-1.0"),
    ]


@pytest.fixture
def web(shared: Shared) -> Iterator[str]:
    """The release by HTTP."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Nothing."""

    handler = functools.partial(Quiet, directory=shared.release)
    with serve_handler(handler) as address:  # type: ignore[arg-type]
        yield address


def test_people_list_show_and_fetch_by_http(
    shared: Shared, web: str, tmp_path: Path, capsys: Said
) -> None:
    assert main(["models", "list", web]) == 0
    assert f"tiny: {ENCODER}, 3 folds, nir, red, green at 30 m, " in capsys.readouterr().out
    assert main(["models", "show", web, "tiny"]) == 0
    out = capsys.readouterr().out
    assert "## Who is affected" in out and f"tiny.tar: sha256 {shared.model.sha256}" in out
    assert main(["models", "fetch", web, "tiny", "--into", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert f"map with it by --predict.sweep {tmp_path}/tiny/sweeps/" in out
    assert main(["models", "fetch", web, "tiny", "--into", str(tmp_path)]) == 0
    assert "fetching" not in capsys.readouterr().out  # it is there
    assert main(["models", "fetch", web, "tinny"]) == 2
    said = capsys.readouterr().err
    assert "offers no model 'tinny'; it has tiny" in said and "did you mean" in said
    assert main(["models", "list", f"{web}/nowhere"]) == 2
    assert "404" in capsys.readouterr().err


def change_tar(path: Path, change: Callable[[list[tuple[tarfile.TarInfo, bytes]]], None]) -> None:
    """Write a tar anew with its entries changed, and tell the list of its size and checksum."""
    with tarfile.open(path) as tar:
        entries = [
            (entry, file.read()) for entry in tar if (file := tar.extractfile(entry)) is not None
        ]
    change(entries)
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
        for entry, data in entries:
            entry.size = len(data) if entry.isreg() else 0
            tar.addfile(entry, io.BytesIO(data) if entry.isreg() else None)
    retell(path, bytes=path.stat().st_size, sha256=store.checksum_file(path))


def retell(path: Path, **facts: object) -> None:
    """Change what the list says of the one model beside a file."""
    (model,) = read_release(str(path.parent)).models
    release = Release(models=(model.model_copy(update=facts),))
    seals.write_model(str(path.parent / "models.json"), release)


def add_entry(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> Callable[..., None]:
    """What puts one entry more into a tar."""
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname = kind, link
    return lambda path: change_tar(path, lambda entries: entries.append((entry, b"")))


def swap_weights(path: Path) -> None:
    """Give one model the weights of another."""

    def change(entries: list[tuple[tarfile.TarInfo, bytes]]) -> None:
        weights = [at for at, (e, _) in enumerate(entries) if e.name.endswith(".safetensors")]
        entries[weights[0]] = (entries[weights[0]][0], entries[weights[1]][1])

    change_tar(path, change)


def drop_models(path: Path) -> None:
    """Leave the models out."""
    change_tar(
        path,
        lambda entries: entries.__setitem__(
            slice(None), [e for e in entries if not e[0].name.startswith("models/")]
        ),
    )


FAULTS: dict[str, tuple[Callable[[Path], object], str]] = {
    "another byte": (lambda path: path.write_bytes(path.read_bytes()[:-1] + b"x"), "sha256"),
    "cut off": (lambda path: path.write_bytes(path.read_bytes()[:5000]), "sha256"),
    "more than was said": (lambda path: retell(path, bytes=100), "at most 100 can be meant"),
    "a bomb": (lambda path: retell(path, unpacked=100), "more than 100 bytes"),
    "no tar": (
        lambda path: (path.write_bytes(b"no"), retell(path, sha256=store.checksum(b"no"))),
        "no whole tar",
    ),
    "a path that leads out": (add_entry("../escaped.json"), "'../escaped.json': not a model's"),
    "a path that leads out of its folder": (
        add_entry("sweeps/../sweep.json"), "'sweeps/../sweep.json': not a model's"
    ),
    "an absolute path": (add_entry("/tmp/escaped.json"), "not a model's file"),
    "a link": (add_entry("sweeps/x/sweep.json", tarfile.SYMTYPE, "/etc/passwd"), "not a model's"),
    "a device": (add_entry("sweeps/x/sweep.json", tarfile.CHRTYPE), "not a model's file"),
    "a program": (add_entry("models/x/y/fold-0/run.py"), "not a model's file"),
    "other weights": (swap_weights, "cannot be used: "),
    "no weights": (drop_models, "cannot be used: "),
    "no list": (lambda path: (path.parent / "models.json").write_text("{}"), "no seal"),
    "another version": (
        lambda path: seals.write_json(str(path.parent / "models.json"), {"format": 99}), "format 99"
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_what_is_not_right_is_refused_and_nothing_of_it_stays(
    shared: Shared, tmp_path: Path, fault: str
) -> None:
    spoil, said = FAULTS[fault]
    release, into = tmp_path / "release", tmp_path / "into"
    shutil.copytree(shared.release, release)
    into.mkdir()
    spoil(release / "tiny.tar")
    with pytest.raises(GlacierError) as caught:
        fetch_model(str(release), "tiny", str(into))
    assert said in str(caught.value), str(caught.value)
    assert list(into.iterdir()) == [] and not (tmp_path / "escaped.json").exists()


def test_a_checksum_from_elsewhere_and_a_card_that_was_changed_are_held_against_the_list(
    shared: Shared, tmp_path: Path
) -> None:
    with pytest.raises(GlacierError, match="asked for 00ff"):
        fetch_model(shared.release, "tiny", str(tmp_path), "00ff")
    assert fetch_model(shared.release, "tiny", str(tmp_path), shared.model.sha256.upper())
    release = tmp_path / "release"
    shutil.copytree(shared.release, release)
    (release / "tiny.md").write_text("All is well.")
    with pytest.raises(GlacierError, match="sha256"):
        read_card(str(release), shared.model)
