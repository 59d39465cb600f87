"""The whole product as a user runs it: one command, a kill in the middle, the same command."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from datetime import date
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from glacier.corrections.export import export_months
from glacier.corrections.take import import_package
from glacier.flags import load_config
from glacier.geo.outline_files import read_outline_rows
from glacier.mapping.area_table import read_area_rows
from glacier.mapping.export import run_export
from glacier.training.baselines import BASELINES
from glacier.verify import run_verify
from tests.support.canary import serve_canary
from tests.support.hostile.rasters import FOUND
from tests.support.hostile.table import make_trap, watch
from tests.support.tiny import ENCODER, write_tiny

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(600)]

TIMES = {"images_per_s", "epoch_s", "train_s"}
REPO = Path(__file__).parents[2]
TRIALS = 4


def start(config: Path, cpus: int) -> subprocess.Popen:
    """The pipeline as a process of its own, with a private Ray of some cores."""
    env = {k: v for k, v in os.environ.items() if k != "RAY_ADDRESS"}
    command = [sys.executable, "-m", "jobs.pipeline", str(config), "--cluster.cpus", str(cpus)]
    return subprocess.Popen(
        command, cwd=REPO, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        preexec_fn=heed_interrupts,
    )  # fmt: skip


def heed_interrupts() -> None:
    """A shell starts what runs in its background deaf to Ctrl-C, and so all its children."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def finish(process: subprocess.Popen) -> str:
    out, _ = process.communicate(timeout=400)
    assert process.returncode == 0, out
    return out


def config_at(folder: Path) -> Path:
    encoders = {"encoders": [ENCODER, "mobilenet_v2"], "checkpoint_s": 0}
    return write_tiny(folder, sweep=encoders)


def done_files(folder: Path) -> dict[str, int]:
    """Finished trials and when they were written."""
    found = (folder / "data/trials").glob("*/*/*/done.json")
    return {"/".join(p.parts[-3:-1]): p.stat().st_mtime_ns for p in found}


def weights(folder: Path) -> dict[str, bytes]:
    found = (folder / "data/models").glob("*/*/*/model.safetensors")
    return {"/".join(p.parts[-3:-1]): p.read_bytes() for p in found}


def table(folder: Path) -> list[dict]:
    (path,) = (folder / "data/sweeps").glob("*/trials.parquet")
    rows = pq.read_table(path).to_pylist()
    return [{k: v for k, v in r.items() if k not in TIMES | {"model"}} for r in rows]


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A run on two workers that nobody disturbed, and what it printed."""
    folder = tmp_path_factory.mktemp("unbroken")
    return folder, finish(start(config_at(folder), 2))


def test_one_command_leads_from_nothing_to_a_report(unbroken: tuple[Path, str]) -> None:
    folder, out = unbroken
    results = folder / "results/tiny"
    assert "<html" in (results / "report.html").read_text()
    summary = json.loads((results / "summary.json").read_text())
    assert set(summary["encoders"]) == {ENCODER, "mobilenet_v2"}
    assert summary["months"] == {"ok": 6, "empty": {"solar_zenith": 2}, "failed": 0}
    assert summary["failed_trials"] == [] and summary["wall_s"] > 0
    assert set(summary["baselines"]) == {method.name for method in BASELINES}
    for scores in (*summary["baselines"].values(), *summary["encoders"].values()):
        assert 0 <= scores["iou_mean"] <= 1 and scores["boundary_p95_m_mean"] >= 0
        assert scores["units"] == 6  # months
    assert "Traceback" not in out and "report.html" in out


def test_the_pipeline_ends_in_maps_of_all_months(unbroken: tuple[Path, str]) -> None:
    folder, out = unbroken
    (maps,) = (folder / "data/maps").glob("*/mendenhall")
    months = [f"2014-{k:02d}" for k in range(5, 13)]
    records = sorted(path.name for path in maps.glob("????-??.json"))
    assert records == [f"{month}.json" for month in months]
    for end in ("class.tif", "probability.tif", "item.json"):
        assert len(list(maps.glob(f"*.{end}"))) == 6
    results = folder / "results/tiny"
    assert "<html" in (results / "map.html").read_text()
    rows = read_area_rows((results / "area.csv").read_bytes())
    assert [row.month for row in rows if row.kind == "month"] == [
        date(2014, k, 1) for k in range(5, 13)
    ]
    outlines = read_outline_rows(str(results / "outlines.gpkg"))
    assert outlines and {row.region for row in outlines} == {"mendenhall"}
    assert "predict: 6 maps, 2 empty" in out and "series: " in out


def test_a_map_finds_what_the_report_says_that_its_models_found(
    unbroken: tuple[Path, str],
) -> None:
    """Of every tested image to the last pixel: one function tests and maps."""
    folder, _ = unbroken
    tested = {
        (trial["encoder"], trial["fold"], image["month"][:7]): image["counts"]
        for path in (folder / "data/trials").glob("*/*/*/done.json")
        for trial in [json.loads(path.read_text())]
        for image in trial["scorecard"]["images"]
    }
    mapped = 0
    for path in (folder / "data/maps").glob("*/mendenhall/????-??.json"):
        record = json.loads(path.read_text())
        for model in record["models"]:
            counts = tested[model["encoder"], model["fold"], record["month"]]
            assert model["glacier_px"] == counts["tp"] + counts["fp"]
            assert model["asked_px"] == sum(counts.values())
            mapped += 1
    assert mapped in (6, 12)  # six months, by one encoder or by the mean of both


def test_an_image_of_ones_own_is_mapped_as_the_archive_is(unbroken: tuple[Path, str]) -> None:
    """By the mean of all folds where no fold holds it, in a process of its own."""
    folder, _ = unbroken
    (month,) = (folder / "data/archive").glob("*/2014-07.tif")
    command = [sys.executable, "-m", "jobs.predict", str(folder / "tiny.yaml")]
    told = ["--predict.images", str(month), "--predict.encoder", ENCODER]
    done = subprocess.run([*command, *told], cwd=REPO, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    (record,) = (folder / "data/maps").glob("*/files/2014-07.json")
    assert len(json.loads(record.read_text())["models"]) == 2


def test_outlines_go_to_people_and_come_back_as_they_are(unbroken: tuple[Path, str]) -> None:
    folder, _ = unbroken
    config = load_config([str(folder / "tiny.yaml")])
    export_months(config, "entropy", 2)
    package = folder / "results/tiny/corrections/mendenhall.gpkg"
    before = package.read_bytes()
    export_months(config, "entropy", 2)  # the same again
    assert package.read_bytes() == before
    taken = import_package(config, str(package), "Ann Lee")
    assert taken.months == () and len(taken.untouched) == 2


def test_hostile_images_are_refused_by_name_beside_one_that_is_mapped(
    unbroken: tuple[Path, str], tmp_path: Path
) -> None:
    folder, _ = unbroken
    with serve_canary() as (url, calls):
        trap = make_trap(0, url, tmp_path)
        for k, make in enumerate(FOUND.values()):
            make(trap.folder / f"hostile-{k}.tif", trap)
        (month,) = (folder / "data/archive").glob("*/2014-08.tif")
        shutil.copy(month, trap.folder / "good.tif")
        command = [sys.executable, "-m", "jobs.predict", str(folder / "tiny.yaml")]
        told = ["--predict.images", str(trap.folder), "--predict.encoder", ENCODER]
        with watch(trap.secret) as opened:
            done = subprocess.run(
                [*command, *told], cwd=REPO, capture_output=True, text=True, timeout=300
            )
            assert opened() == 0
    assert not calls
    assert done.returncode == 1 and f"1 maps, {len(FOUND)} failed" in done.stdout, done.stdout
    assert all(f"hostile-{k}.tif" in done.stdout for k in range(len(FOUND)))
    (maps,) = (path.parent for path in (folder / "data/maps").glob("*/files/good.json"))
    names = {path.name for path in maps.glob("hostile-*")}
    assert names == {f"hostile-{k}.json" for k in range(len(FOUND))}
    for name in names:
        (maps / name).unlink()


def test_the_second_time_nothing_is_done(unbroken: tuple[Path, str]) -> None:
    folder, _ = unbroken
    files = [p for p in folder.rglob("*") if p.is_file()]
    before = {p: p.stat().st_mtime_ns for p in files}
    finish(start(folder / "tiny.yaml", 2))
    after = {p: p.stat().st_mtime_ns for p in before}
    assert before == after


def test_a_driver_stopped_twice_loses_no_finished_trial_and_no_digit(
    unbroken: tuple[Path, str], tmp_path: Path
) -> None:
    """Ctrl-C after a trial, killed after the next, one worker instead of two: the same answer."""
    config = config_at(tmp_path)
    before: dict[str, int] = {}
    for stop in (signal.SIGINT, signal.SIGKILL):
        process, deadline = start(config, 1), time.monotonic() + 300
        while len(done_files(tmp_path)) == len(before) and time.monotonic() < deadline:
            time.sleep(0.05)
        os.kill(process.pid, stop)
        out, _ = process.communicate()
        found = done_files(tmp_path)
        assert len(before) < len(found) < TRIALS
        assert {trial: found[trial] for trial in before} == before
        assert not list(tmp_path.glob("data/sweeps/*/sweep.json"))
        if stop == signal.SIGINT:
            assert process.returncode == 130 and "interrupted; the same command" in out
        before = found
    out = finish(start(config, 1))
    after = done_files(tmp_path)
    assert len(after) == TRIALS
    assert {trial: after[trial] for trial in before} == before
    assert f"{len(before)} done before" in out
    assert f"process {process.pid} on" in out and "is taken over" in out
    left = [*tmp_path.rglob(".lock*"), *tmp_path.rglob(".*.tmp"), *tmp_path.rglob("epoch-*.pt")]
    assert left == []
    assert table(tmp_path) == table(unbroken[0])
    assert weights(tmp_path) == weights(unbroken[0])


def test_its_models_become_files_for_other_programs_once(unbroken: tuple[Path, str]) -> None:
    folder, _ = unbroken
    flags = ["--export.encoder", ENCODER, "--export.folds", "1"]
    config = load_config([str(folder / "tiny.yaml"), *flags])
    assert run_export(config) == 0
    (record,) = (folder / "data/models").glob("*/*/*/export.json")
    assert record.parts[-3:-1] == (ENCODER, "fold-1")
    before = {path: path.stat().st_mtime_ns for path in record.parent.iterdir()}
    names = {path.name for path in before}
    assert {"model.onnx", "deepness.onnx", "model.pt2"} <= names
    outcome = json.loads(record.read_text())["int8"]
    assert ("model-int8.onnx" in names) == (not outcome["reason"]) and outcome["score"]["pixels"]
    assert run_export(config) == 0
    assert {path: path.stat().st_mtime_ns for path in record.parent.iterdir()} == before
    places = ["--storage", str(folder / "data"), "--results", str(folder / "results")]
    assert run_verify(places) == 0
