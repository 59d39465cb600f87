"""``glacier explain`` from a finished sweep to its page, and what it refuses."""

import csv
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from glacier import seals, store
from glacier.archive.ingest import ingest_month
from glacier.archive.records import list_months
from glacier.config import Config
from glacier.errors import ConfigError
from glacier.explaining.explanation import Explanation
from glacier.reports import explained
from glacier.reports.explained import run_explain
from glacier.settings.explain import Explain
from glacier.sources.factory import open_source
from glacier.training.model_files import save_model
from glacier.training.saved import SavedSweep, SweepPlaces
from glacier.training.unet import build_unet
from tests.support.model_cards import make_card
from tests.support.saved_sweeps import describe_samples, make_config
from tests.support.sweeps import make_sweep
from tests.support.tiny import ENCODER, tiny_config

QUICK = {"patch_px": 32, "steps": 4, "samples": 16, "tiles": 1, "at_most_s": 1e4, "cpus": 1}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Config, SavedSweep]:
    """A run of one month, and a sweep of two networks that learned nothing."""
    folder = tmp_path_factory.mktemp("run")
    config = tiny_config(folder)
    (target,) = [t for t in list_months(config, open_source(config)) if t.name == "2014-07"]
    record = ingest_month(config, target)
    places = SweepPlaces(*(str(folder / name) for name in ("samples", "s", "t", "models")))
    for fold in range(2):
        torch.manual_seed(fold)
        windows = {"size_px": 32, "stride_px": 16, "mean": (0.3,) * 3, "std": (0.2,) * 3}
        card = make_card(
            encoder=ENCODER, fold=fold, pixel_m=(150, 150), inference=windows, threshold=0.5
        )
        save_model(places.model(ENCODER, fold), build_unet(ENCODER, 3).state_dict(), card)
    samples = describe_samples(make_config(folder))
    sweep = SavedSweep(
        make_sweep({ENCODER: [0.9, 0.8]}), "", samples, places, {target.folder: [record]}
    )
    return config, sweep


@pytest.fixture
def config(made: tuple[Config, SavedSweep], monkeypatch: pytest.MonkeyPatch) -> Iterator[Config]:
    monkeypatch.setattr(explained, "find_grown_sweep", lambda _: made[1])
    threads = torch.get_num_threads()
    yield made[0]
    torch.set_num_threads(threads)


def ask(config: Config, **settings: object) -> Config:
    return config.model_copy(update={"explain": Explain(**(QUICK | settings))})


def find_folders(config: Config) -> set[Path]:
    return set((Path(store.results_folder(config)) / "explain").glob("*/"))


def test_a_map_becomes_a_page_its_tables_and_the_record_that_vouches_for_them(
    config: Config, capsys: pytest.CaptureFixture[str]
) -> None:
    before = find_folders(config)
    assert run_explain(ask(config)) == 0
    (folder,) = find_folders(config) - before
    assert re.fullmatch(r"mendenhall-2014-07-[0-9a-f]{8}", folder.name)
    found = seals.read_whole(str(folder / "explanation.json"), Explanation, owned=False)
    assert found is not None and set(found.files) == {"explanation.html", "bands.csv", "curves.csv"}
    assert [effect.band for effect in found.bands] == ["nir", "red", "green"]
    assert abs(sum(found.shapley.values()) - found.sums[0].whole) < 1e-6
    assert {curve.method for curve in found.curves} == {
        "patches", "gradients", "cam", "shap", "lime",
    }  # fmt: skip
    assert found.randomised is not None and not found.late
    assert found.left_out == {"region": "no tested image of the region has labels"}
    out = capsys.readouterr().out
    assert all(f"explain: {sentence}" in out for sentence in found.sentences) and found.sentences
    page = (folder / "explanation.html").read_text()
    assert "http" not in page.replace("http-equiv", "") and "<script" not in page
    assert page.count("<img ") >= 5 + 5 + 4
    with (folder / "bands.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["band"] for row in rows] == ["nir", "red", "green"]
    assert float(rows[0]["gained_km2"]) == pytest.approx(found.bands[0].gained_km2)
    stamp = (folder / "explanation.html").stat().st_mtime_ns
    assert run_explain(ask(config)) == 0  # it is there
    assert (folder / "explanation.html").stat().st_mtime_ns == stamp


def test_an_explanation_is_the_same_each_time(config: Config) -> None:
    folders = []
    for place in ("a", "b"):
        own = config.model_copy(update={"results": f"{config.results}-{place}"})
        run_explain(ask(own, methods=("bands", "patches")))
        folders.append(find_folders(own).pop())
    first, second = (json.loads((f / "explanation.json").read_text()) for f in folders)
    for values in (first, second):
        del values["seal"], values["seconds"], values["files"]
    assert first == second


def test_a_page_without_time_for_all_is_made_again(config: Config) -> None:
    before = find_folders(config)
    few = {"methods": ("bands", "patches"), "seed": 1}
    run_explain(ask(config, **few, at_most_s=1e-6))
    (folder,) = find_folders(config) - before
    found = seals.read_model(str(folder / "explanation.json"), Explanation)
    assert {"bands", "patches"} <= set(found.late) and not found.bands
    assert "Left out: patches" in (folder / "explanation.html").read_text()
    run_explain(ask(config, **few))
    found = seals.read_model(str(folder / "explanation.json"), Explanation)
    assert not found.late and found.bands


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"region": "mendenhal"}, r"explain\.region = 'mendenhal'.*mendenhall"),
        ({"month": "2013-01"}, r"explain\.month = '2013-01'.*2014-07"),
        ({"point": (10.0, 46.0)}, r"explain\.point.*outside"),
    ],
)
def test_what_is_not_there_is_refused(config: Config, settings: dict, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        run_explain(ask(config, **settings))
