"""What is refused before the first byte: a sentence with name, value and remedy."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glacier import machine, store
from glacier.archive.ingest import ingest_month
from glacier.archive.records import list_months
from glacier.checks import find_refusals, refuse_run
from glacier.config import Config
from glacier.errors import ConfigError
from glacier.fold_checks import fits_window
from glacier.geo.raster import Grid
from glacier.samples.folds import Split
from glacier.samples.units import block_rectangles
from glacier.sources.factory import open_source
from glacier.windows import free_starts, pad_to
from tests.support.tiny import tiny_config, tiny_values, write_tiny

ROOT = Path(__file__).parents[1]
FRAME = tiny_values(Path("/"))["regions"][0]
CHIPS = {"layout": "chips"}


@pytest.fixture(autouse=True)
def plain_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr(machine, "may_have_gpu", lambda: False)


def refusals(folder: Path, job: str = "pipeline", **changes: Any) -> str:
    """What is said against a tiny run, line by line."""
    return "\n".join(find_refusals(tiny_config(folder, **changes), job))


@pytest.mark.parametrize("job", ["ingest", "prepare", "sweep", "report", "pipeline"])
def test_a_run_that_can_be_is_not_refused(tmp_path: Path, job: str) -> None:
    assert refusals(tmp_path, job) == ""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("job", ["predict", "latest", "pipeline"])
def test_a_registry_that_is_not_there_is_refused(tmp_path: Path, job: str) -> None:
    reasons = find_refusals(tiny_config(tmp_path, predict={"registry": "alps"}), job)
    assert any("predict.registry = 'alps': " in r and "no registry 'alps'" in r for r in reasons)
    assert any("pipeline trains models of its own" in r for r in reasons) == (job == "pipeline")


def test_one_answer_alone_says_whose_models_map(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="sweep and registry each say whose models map"):
        tiny_config(tmp_path, predict={"registry": "alps", "sweep": "x"})


@pytest.mark.parametrize("job", ["ingest", "predict", "series", "latest", "sweep", "pipeline"])
def test_with_models_of_another_run_only_what_trains_needs_folds(tmp_path: Path, job: str) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other/sweep.json").write_text("{}")
    borrowed = {"sweep": str(tmp_path / "other")}
    folds = {"folds": {"kind": "by_region", "count": 3}}  # of one region
    said = refusals(tmp_path, job, predict=borrowed, sweep=folds)
    assert bool(said) == (job in ("sweep", "pipeline")), said


def test_a_service_is_refused_whose_tokens_or_extra_are_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert refusals(tmp_path, "serve") == ""
    tokens = {"tokens": str(tmp_path / "none")}
    assert "serve.tokens = " in refusals(tmp_path, "serve", serve=tokens)
    monkeypatch.setitem(machine.EXTRAS, "serve", ("fastapi", "no_such_library"))
    assert "pip install 'glacier-maps[serve]'" in refusals(tmp_path, "serve")


@pytest.mark.parametrize("job", ["series", "latest", "pipeline"])
def test_files_of_a_series_are_looked_at_by_every_job_that_makes_one(
    tmp_path: Path, job: str
) -> None:
    assert "nowhere.gpkg" in refusals(tmp_path, job, series={"centre_lines": "/nowhere.gpkg"})


@pytest.mark.parametrize(
    ("changes", "parts"),
    [
        ({"sweep": {"encoders": ["resnt34"]}}, ["'resnt34'", "did you mean resnet34"]),
        (
            {"sweep": {"folds": {"kind": "by_year", "count": 2}}},
            ["sweep.folds.count = 2: by_year has only 1 unit(s)", "lower the count"],
        ),
        (
            {"sweep": {"folds": {"kind": "by_region", "count": 3}}},
            ["sweep.folds.count = 3: by_region has only 1 unit(s)"],
        ),
        (
            {"sweep": {"folds": {"kind": "shuffled", "count": 8}}},  # December is dark
            ["sweep.folds.count = 8: shuffled has only 7 unit(s)"],
        ),
        (
            {"sweep": {"folds": {"kind": "shuffled", "count": 6, "hold_out_last": True}}},
            [],
        ),
        (
            {
                "prepare": CHIPS | {"blocks": [5, 3]},
                "sweep": {"folds": {"kind": "by_block", "count": 4}},
            },
            ["by_block has only 3 unit(s)"],
        ),
        (
            {
                "prepare": CHIPS | {"size_px": 64},
                "sweep": {"folds": {"kind": "by_block", "count": 2}},
            },
            ["prepare.size_px = 64: no window of 64 px", "fold 0, 1", "prepare.blocks = 5, 5"],
        ),
        (
            {"prepare": CHIPS | {"blocks": [200, 5]}, "sweep": {"folds": {"kind": "by_block"}}},
            ["prepare.blocks = 200, 5: region mendenhall is 127 x 80 px, too few"],
        ),
        (
            {"months": {"first": "2014-12", "last": "2014-12"}},
            ["months = 2014-12..2014-12: none can have an image"],
        ),
        ({"regions": [FRAME | {"pixel_m": 1}]}, ["GB that are opened", "raise its pixel_m"]),
        ({"regions": [FRAME | {"pixel_m": 0.5}]}, ["px of 0.5 m; at most 20000 a side"]),
        (
            {"sweep": {"encoder_weights": "/nowhere/w.pth"}},
            ["sweep.encoder_weights = '/nowhere/w.pth': there is no such file"],
        ),
        (
            {
                "sweep": {
                    "encoders": ["efficientnet-b4"],
                    "encoder_weights": {"efficientnet-b4": "/nowhere/w.pth"},
                }
            },
            ["sweep.encoder_weights.efficientnet-b4 = '/nowhere/w.pth': there is no such file"],
        ),
        ({"sweep": {"encoder_weights": "/tmp"}}, ["'/tmp' is no file: wanted none, imagenet"]),
        (
            {"prepare": {"label": {"outlines": "/nowhere/o.gpkg", "debris": "/nowhere/d.gpkg"}}},
            ["prepare.label.outlines = '/nowhere/o.gpkg'", "prepare.label.debris ="],
        ),
        ({"sweep": {"gpus_per_trial": 0.5}}, ["sweep.gpus_per_trial = 0.5: this machine has no"]),
        ({"sweep": {"cpus_per_trial": 999}}, ["sweep.cpus_per_trial = 999: this machine has"]),
        ({"cluster": {"address": "127.0.0.1:1"}}, ["cluster.address", "no Ray cluster answers"]),
        ({"storage": "/etc/passwd/x"}, ["storage = '/etc/passwd/x': /etc/passwd is a file"]),
        ({"results": "nostore://x"}, ["results = 'nostore://x': nostore:// is no store"]),
        ({"storage": "memory://x"}, []),
    ],
)
def test_what_cannot_be_is_known_beforehand(
    tmp_path: Path, changes: dict[str, Any], parts: list[str]
) -> None:
    said = refusals(tmp_path, **changes)
    assert bool(said) == bool(parts), said
    assert all(part in said for part in parts), said


def test_files_and_their_months_are_looked_at(tmp_path: Path) -> None:
    folder = {"source": "folder", "folder": {"path": str(tmp_path / "none")}}
    changes: dict[str, Any] = {"regions": [{"name": "mendenhall"}], "ingest": folder}
    changes["prepare"] = {"label": {"kind": "ndsi"}}
    assert "ingest.folder.path = " in refusals(tmp_path, **changes)
    (tmp_path / "none").mkdir()
    assert "holds no file named <YYYY-MM>.tif" in refusals(tmp_path, **changes)


def test_files_of_a_series_are_looked_at_where_one_is_made(tmp_path: Path) -> None:
    changes: dict[str, Any] = {"series": {"centre_lines": "/nowhere/l.gpkg", "dem": "s3://a/b.tif"}}
    for job in ("series", "pipeline"):
        said = refusals(tmp_path, job, **changes)
        assert "series.centre_lines = '/nowhere/l.gpkg': there is no such file" in said
        assert "series.dem" not in said  # an object store is not asked for it
    assert refusals(tmp_path, "sweep", **changes) == ""


def test_the_months_of_files_outside_the_span_are_named(tmp_path: Path) -> None:
    from glacier.geo.raster import encode_cog

    grid = Grid("EPSG:32608", 490_000.0, 6_490_000.0, 30.0, 40, 40)
    band = np.full((40, 40), 9000, np.uint16)
    (tmp_path / "2000-10.tif").write_bytes(encode_cog({"SR_B3": band}, grid, {}))
    folder = {"source": "folder", "folder": {"path": str(tmp_path)}}
    changes = {"regions": [{"name": "mendenhall"}], "prepare": {"label": {"kind": "ndsi"}}}
    said = refusals(tmp_path, ingest=folder, **changes)
    assert "months = 2014-05..2014-12: of region mendenhall the source holds 2000-10 alone" in said


def test_overlapping_regions_are_no_blocks(tmp_path: Path) -> None:
    twins = [FRAME, FRAME | {"name": "twin"}]
    changes: dict[str, Any] = {"regions": twins, "prepare": CHIPS | {"blocks": [1, 2]}}
    changes["sweep"] = {"folds": {"kind": "by_block", "count": 2}}
    assert "the frames of mendenhall, twin share ground" in refusals(tmp_path, **changes)


def test_ingest_asks_for_no_room_of_trials(tmp_path: Path) -> None:
    changes = {"sweep": {"gpus_per_trial": 0.5, "cpus_per_trial": 999}}
    assert refusals(tmp_path, "ingest", **changes) == refusals(tmp_path, "prepare", **changes) == ""


def test_every_reason_is_said_at_once_and_each_once(tmp_path: Path) -> None:
    variants = {"a": {}, "b": {"sweep.encoders": ["resnt18"]}, "c": {"sweep.cpus_per_trial": 999}}
    config = tiny_config(tmp_path, variants=variants, storage="/etc/passwd/x")
    with pytest.raises(ConfigError) as caught:
        refuse_run(config, "study")
    lines = str(caught.value).splitlines()
    assert [line.partition(":")[0] for line in lines] == [
        "storage = '/etc/passwd/x'", "variants.b", "variants.c"
    ]  # fmt: skip


def test_a_disk_without_room_is_refused_with_need_and_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "measure_free", lambda _: 100_000)
    said = refusals(tmp_path)
    need = int(said.partition("at least ")[2].partition(" MB are needed")[0])
    assert said.startswith(f"storage = '{tmp_path}/data': at least ") and need >= 1
    assert "and 0 MB are free there; make room" in said
    assert refusals(tmp_path, "report") == ""
    assert refusals(tmp_path, storage="memory://x") == ""
    monkeypatch.setattr(store, "measure_free", lambda _: 10**12)
    assert refusals(tmp_path) == ""


def test_what_is_there_needs_no_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tiny_config(tmp_path)
    monkeypatch.setattr(store, "measure_free", lambda _: 0)
    assert "are needed" in refusals(tmp_path, "ingest")
    monkeypatch.undo()
    for target in list_months(config, open_source(config)):
        ingest_month(config, target)
    monkeypatch.setattr(store, "measure_free", lambda _: 0)
    assert refusals(tmp_path, "ingest") == ""
    assert "are needed" in refusals(tmp_path, "prepare")


def test_a_study_needs_two_variants(tmp_path: Path) -> None:
    assert "a study compares two or more" in refusals(tmp_path, "study")


@settings(derandomize=True, deadline=None, max_examples=60)
@given(
    height=st.integers(5, 70), width=st.integers(5, 70), size=st.sampled_from([8, 16, 32]),
    blocks=st.tuples(st.integers(1, 5), st.integers(1, 5)), seed=st.integers(0, 99),
)  # fmt: skip
def test_a_window_fits_where_one_does(
    height: int, width: int, size: int, blocks: tuple[int, int], seed: int
) -> None:
    boxes = block_rectangles((height, width), blocks)
    rng = np.random.default_rng(seed)
    train = tuple(f"m/{name}" for name in boxes if rng.random() < 0.7)
    mask = np.zeros((height, width), bool)
    for name, (top, bottom, left, right) in boxes.items():
        mask[top:bottom, left:right] = f"m/{name}" in train
    grid = Grid("EPSG:32608", 0.0, 0.0, 30.0, height, width)
    wanted = free_starts(pad_to(mask, size, True), size).any() and mask.any()
    assert fits_window("m", grid, blocks, Split(0, (), (), train), size) == wanted


@pytest.mark.parametrize(
    ("flags", "env", "code", "words"),
    [
        (["--sweep.gpus_per_trial", "0.5", "--cluster.gpus", "0"], {}, 2, "has no GPU"),
        (["--sweep.cpus_per_trial", "16", "--cluster.cpus", "2"], {}, 2, "at most 2 cores"),
        ([], {"RAY_ADDRESS": "127.0.0.1:1"}, 2, "no Ray cluster answers there"),
    ],
)
def test_a_job_says_so_within_seconds_and_starts_nothing(
    tmp_path: Path, flags: list[str], env: dict[str, str], code: int, words: str
) -> None:
    import os

    file = write_tiny(tmp_path)
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "jobs.sweep", str(file), *flags],
        cwd=ROOT, capture_output=True, text=True, timeout=20, env={**os.environ, **env},
    )  # fmt: skip
    lines = [line for line in done.stderr.splitlines() if not line.startswith("import time:")]
    assert done.returncode == code and len(lines) == 2 and words in lines[1]
    assert done.stdout == "sweep: tiny, 1 region, 2014-05 to 2014-12; looking at what it needs\n"
    assert "| ray\n" not in done.stderr and "| torch\n" not in done.stderr
    assert list(tmp_path.iterdir()) == [file]


def test_the_shipped_configurations_pass_but_for_the_machine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from glacier.flags import load_config

    monkeypatch.setattr(machine, "may_have_gpu", lambda: True)
    for name in ("demo", "mendenhall", "claims", "leakage", "ablation", "realism", "fairness"):
        config: Config = load_config([str(ROOT / "jobs" / f"{name}.yaml")])
        assert find_refusals(config, "study" if len(config.variants) > 1 else "pipeline") == []


def test_folds_that_train_on_one_region_have_nothing_to_weigh_it_against(tmp_path: Path) -> None:
    regions = [
        {"name": name, "polygon": [[west, 60], [west + 0.05, 60], [west + 0.05, 60.05]]}
        for name, west in (("a", 7.0), ("b", 8.0), ("c", 9.0))
    ]
    folds = {"kind": "by_region", "count": 3, "validation_share": 0.5}
    sweep = {"folds": folds, "fairness": {"kind": "group_dro"}}
    (reason,) = find_refusals(tiny_config(tmp_path, regions=regions, sweep=sweep), "sweep")
    assert reason.startswith(
        "sweep.fairness.kind = group_dro: fold 0, 1, 2 trains on a single region, which there is "
        "nothing to weigh against; add regions, lower sweep.folds.validation_share"
    )
    sweep["folds"] |= {"validation_share": 0.0}
    assert find_refusals(tiny_config(tmp_path, regions=regions, sweep=sweep), "sweep") == []


def test_a_package_of_weights_that_is_not_there_is_refused_before_any_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("glacier.training.packages.find_package", lambda _: None)
    sweep = {"encoders": ["efficientnet-b4"], "encoder_weights": "satellite"}
    config = tiny_config(tmp_path, sweep=sweep)
    (reason,) = find_refusals(config, "sweep")
    assert "read from the package ukis-csmask, which is not installed: pip install" in reason
    assert find_refusals(config, "ingest") == []
