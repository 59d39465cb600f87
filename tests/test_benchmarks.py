"""The benchmarks' contract; what they measure is not run here."""

import importlib
import json
from pathlib import Path
from types import ModuleType

import pytest

from tests.support.tiny import ENCODER

HERE = Path(__file__).parent
FIELDS = {"name", "what", "against", "ours", "baseline", "unit", "ratio", "repeats", "command",
          "target", "limit", "facts", "measured", "higher_is_better"}  # fmt: skip


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ModuleType:
    """The runner, writing to a folder of its own."""
    monkeypatch.syspath_prepend(str(HERE / "benchmarks"))
    module = importlib.import_module("bench")
    monkeypatch.setattr(module, "OUT", tmp_path)
    return module


def test_every_row_is_a_function_that_says_what_it_measures(bench: ModuleType) -> None:
    assert len(bench.ROWS) > 1
    for row in bench.ROWS.values():
        assert callable(row)
    owners = {
        getattr(row, "func", row).__module__ for row in bench.ROWS.values()
    }  # a function may serve several rows
    files = {path.stem for path in (HERE / "benchmarks").glob("*.py")}
    support = {"bench", "row", "page", "gpu", "regions", "emulated_s3"}
    assert files - support == owners  # none is forgotten


def test_the_script_for_a_gpu_runs_on_cores_at_toy_size(bench: ModuleType, tmp_path: Path) -> None:
    """It is run rarely, so it must not be found broken then."""
    gpu = importlib.import_module("gpu")
    assert gpu.main(["--toy", "--out", str(tmp_path / "gpu.json")]) == 0
    found = json.loads((tmp_path / "gpu.json").read_text())
    assert set(found) == {
        "schema", "machine", "seconds", "packed", "published", "packed_and_alone", "sweep_s",
    }  # fmt: skip
    assert [row["way"] for row in found["packed"]] == list(gpu.WAYS)
    assert {row["differ"] for row in found["packed_and_alone"]} == {0}


@pytest.mark.slow
def test_the_script_for_small_devices_is_measured_at_toy_size(bench: ModuleType) -> None:
    edge = importlib.import_module("edge_onnx")
    work = edge.EdgeWork(ENCODER, "2014-06", size_px=32, epochs=1, side=100, repeats=1)
    row = edge.measure(work)
    assert row.ours > 0 and row.facts["int8_model_mb"] < row.facts["float32_model_mb"]
    assert row.facts["float32_share_of_pixels_called_the_same"] > 0.999
    assert 0 < row.facts["float32_peak_mb"] < row.facts["torch_peak_mb"]


def make_row(bench: ModuleType, **changes: object) -> object:
    values = {"what": "w", "against": "a", "ours": 2.0, "baseline": 8.0, "unit": "s", "repeats": 3}
    return bench.Row(**(values | changes))


def test_rows_merge_into_a_summary_and_its_page(
    bench: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    rows = {
        "first": lambda: make_row(bench, target=3.0, facts={"share": 0.5}),
        "score": lambda: make_row(bench, target=0.9, higher_is_better=True, unit="Dice"),
    }
    monkeypatch.setattr(bench, "ROWS", rows)
    for name in ("score", "first", "score"):
        assert bench.main([name]) == 0
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["schema"] == 2 and summary["machine"] == bench.describe_machine()
    first, score = summary["rows"]  # in the order of the registry, each once
    assert (first["name"], first["ratio"], score["ratio"]) == ("first", 4, 0.25)
    assert set(first) == FIELDS and first["command"] == "make bench ROW=first"
    page = (tmp_path / "README.md").read_text()
    assert "| first | 2 | 8 | s | 4.00 | 3 | yes |" in page
    assert "| score | 2 | 8 | Dice | 0.25 | 0.9 | **no** |" in page
    assert "- share: 0.5" in page


def test_rows_of_another_machine_do_not_stand_beside_ours(
    bench: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(bench, "ROWS", {"a": lambda: make_row(bench), "b": None})
    (tmp_path / "summary.json").write_text(
        json.dumps({"machine": {"processor": "other"}, "rows": [{"name": "b"}]})
    )
    assert bench.main(["a"]) == 0
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert [row["name"] for row in summary["rows"]] == ["a"]


def test_what_cannot_be_measured_is_said_and_not_written(
    bench: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture,
) -> None:
    def row() -> None:
        raise bench.NotHere("no real data")

    monkeypatch.setattr(bench, "ROWS", {"a": row})
    assert bench.main(["a"]) == 0
    assert "a: not measured: no real data" in capsys.readouterr().out
    assert not list(tmp_path.iterdir())
    assert bench.main(["b"]) == 2


def test_the_kept_page_is_made_of_the_kept_summary(bench: ModuleType) -> None:
    kept = HERE.parent / "results" / "benchmarks"
    summary = json.loads((kept / "summary.json").read_text())
    assert (kept / "README.md").read_text() == bench.render_page(summary)
    for row in summary["rows"]:
        assert set(row) == FIELDS and row["name"] in bench.ROWS
        ours, baseline = row["ours"], row["baseline"]
        ratio = ours / baseline if row["higher_is_better"] else baseline / ours
        assert row["ratio"] == pytest.approx(ratio)
