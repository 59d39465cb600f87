"""What a job would do, said without doing any of it."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from glacier import plans, store
from glacier.archive.ingest import ingest_month
from glacier.archive.records import list_months
from glacier.dry_runs import STAGES, dry_run
from glacier.errors import ConfigError
from glacier.plans import plan_run, show_gb
from glacier.samples.folds import FoldMasks, Split
from glacier.samples.month import prepare_month
from glacier.settings.sweep import Sweep
from glacier.sources.factory import open_source
from glacier.training.trial import Trial
from glacier.verbs import VERBS
from tests.support.discs import SAMPLES
from tests.support.stream_runs import stream_config
from tests.support.sweeps import make_epochs
from tests.support.tiny import ENCODER, make_task, tiny_config, write_tiny

ROOT = Path(__file__).parents[1]
Said = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket.socket, "connect", lambda *_: pytest.fail("asked the network"))
    monkeypatch.delenv("RAY_ADDRESS", raising=False)


def test_every_verb_has_one() -> None:
    assert set(STAGES) == set(VERBS)


@pytest.mark.parametrize("job", VERBS)
def test_each_says_what_it_would_do_and_does_nothing(
    tmp_path: Path, job: str, capsys: Said
) -> None:
    variants = {"a": {}, "b": {"sweep.epochs": 3}}
    config = tiny_config(tmp_path, variants=variants)
    if job == "continual":
        config = stream_config(tmp_path)
    assert dry_run(config, job) == 0
    lines = capsys.readouterr().out.splitlines()
    assert all(line.startswith("dry run: ") for line in lines) and len(set(lines)) == len(lines)
    assert lines[-1] == "dry run: nothing was fetched; the same command without --dry-run does it"
    assert list(tmp_path.iterdir()) == []


def test_the_stages_of_a_pipeline_are_told_with_their_sizes(tmp_path: Path, capsys: Said) -> None:
    assert dry_run(tiny_config(tmp_path)) == 0
    out = capsys.readouterr().out
    for words in (
        "ingest: mendenhall: 58.51 N 134.52 W, 228.6 km2, 127 x 80 px of 150 m in EPSG:32608",
        "prepare: up to 7 samples of 32 x 32 px in 3 band(s) from 7 months, labels by truth",
        f"sweep: 2 trials ({ENCODER}; 2 folds shuffled) of up to 2 epochs; 1 core(s) and 0 GPU",
        "of temporary files on each node, where ",
        f"report: in {tmp_path}/results/tiny",
        f"in {tmp_path}/data, where ",
    ):
        assert words in out


def test_a_checkpoint_holds_as_many_models_as_are_counted(tmp_path: Path) -> None:
    import torch

    from glacier.training.checkpoint import Checkpoint, save_checkpoint

    model = torch.nn.Linear(1000, 1000)
    optimizer = torch.optim.Adam(model.parameters())
    model(torch.zeros(1, 1000)).sum().backward()
    optimizer.step()
    state = model.state_dict()
    trial = Trial(
        ENCODER, Split(0, (), (), ()), Sweep(), 0, SAMPLES, FoldMasks("shuffled", (1, 1)),
        str(tmp_path),
    )  # fmt: skip
    best = {name: value.clone() for name, value in state.items()}
    save_checkpoint(
        trial, Checkpoint(0, state, optimizer.state_dict(), best, 0, list(make_epochs([0.5])))
    )
    size = (tmp_path / "epoch-0.pt").stat().st_size
    assert size / 4.004e6 == pytest.approx(plans.CHECKPOINT_MODELS, rel=0.01)


@pytest.mark.parametrize("job", ["ingest", "prepare", "sweep", "report", "pipeline"])
def test_each_stage_says_place_size_and_disk(tmp_path: Path, job: str, capsys: Said) -> None:
    dry_run(tiny_config(tmp_path), job)
    out = capsys.readouterr().out
    assert "mendenhall: 58.51 N 134.52 W, 228.6 km2, 127 x 80 px of 150 m" in out
    assert " are free" in out
    assert out.count("228.6 km2") == 1


def test_models_are_no_part_of_what_a_benchmark_of_strategies_writes(
    tmp_path: Path, capsys: Said
) -> None:
    plan = plan_run(stream_config(tmp_path))
    images = plan.archive_gb + plan.samples_gb
    for job, size_gb in (("continual", images), ("sweep", images + plan.sweep_gb)):
        dry_run(plan.config, job)
        assert f"storage: up to {show_gb(size_gb)} in" in capsys.readouterr().out


def test_a_step_that_takes_much_memory_is_said(tmp_path: Path, capsys: Said) -> None:
    prepare = {"size_px": 512}
    dry_run(tiny_config(tmp_path, prepare=prepare, sweep={"batch_size": 8}), "sweep")
    assert "sweep: a step takes 159 MB of memory at the least" in capsys.readouterr().out


def test_many_regions_are_counted(tmp_path: Path, capsys: Said) -> None:
    (region,) = tiny_config(tmp_path).regions
    regions = [region.model_dump() | {"name": f"r{k}"} for k in range(12)]
    dry_run(tiny_config(tmp_path, regions=regions), "prepare")
    out = capsys.readouterr().out
    assert "place: r9: " in out and "r10" not in out and "place: and 2 more regions" in out


def test_chips_are_counted_as_they_will_be(tmp_path: Path) -> None:
    for size, stride in ((32, None), (96, 96), (64, 40)):
        prepare = {"layout": "chips", "size_px": size, "stride_px": stride}
        config = tiny_config(tmp_path / str(size), prepare=prepare)
        plan = plan_run(config)
        assert plan.windows(plan.regions[0]) == prepare_month(make_task(config)).rows


def test_complete_months_are_told_apart(tmp_path: Path, capsys: Said) -> None:
    config = tiny_config(tmp_path)
    for target in list_months(config, open_source(config)):
        ingest_month(config, target)
    capsys.readouterr()
    assert dry_run(config, "ingest") == 0
    assert "8 months: 8 complete, 0 without sun, 0 to fetch" in capsys.readouterr().out


def test_all_that_would_be_refused_is_listed(tmp_path: Path, capsys: Said) -> None:
    sweep = {"encoders": ["resnt18"], "folds": {"kind": "by_year", "count": 4}}
    with pytest.raises(ConfigError) as caught:
        dry_run(tiny_config(tmp_path, sweep=sweep))
    assert len(str(caught.value).splitlines()) == 2
    out = capsys.readouterr().out
    assert "sweep: 4 trials (resnt18" in out and "refused for 2 reason(s)" in out


def test_a_source_that_cannot_be_used_is_one_reason(tmp_path: Path, capsys: Said) -> None:
    folder = {"source": "folder", "folder": {"path": str(tmp_path / "none")}}
    regions = [{"name": "mendenhall"}]
    label = {"label": {"kind": "ndsi"}}
    config = tiny_config(tmp_path, regions=regions, ingest=folder, prepare=label)
    with pytest.raises(ConfigError, match="no such folder") as caught:
        dry_run(config)
    assert len(str(caught.value).splitlines()) == 1


def test_too_small_a_disk_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Said
) -> None:
    monkeypatch.setattr(store, "measure_free", lambda _: 50_000_000)
    dry_run(tiny_config(tmp_path))
    assert "where 50 MB are free; this may not be enough" in capsys.readouterr().out
    monkeypatch.setattr(store, "measure_free", lambda _: 1_000_000)
    with pytest.raises(ConfigError, match="at least 3 MB are needed, and 1 MB are free there"):
        dry_run(tiny_config(tmp_path))


def test_a_store_says_no_more_than_it_can(tmp_path: Path, capsys: Said) -> None:
    dry_run(tiny_config(tmp_path, storage="memory://x"), "ingest")
    assert "GB in memory://x\n" in capsys.readouterr().out


def test_the_addresses_that_would_be_asked_are_told(tmp_path: Path, capsys: Said) -> None:
    """One line: those that the configuration names, for what the job does."""
    plain = {"label": {"kind": "ndsi"}}

    def told(job: str, **changes: object) -> list[str]:
        capsys.readouterr()
        dry_run(tiny_config(tmp_path, **{"prepare": plain} | changes), job)
        lines = capsys.readouterr().out.splitlines()
        return [line.removeprefix("dry run: ") for line in lines if "network: " in line]

    weights = {"encoder_weights": "imagenet"}
    assert told("pipeline", sweep={"encoder_weights": "none"}) == ["network: not asked"]
    assert told("ingest", sweep=weights) == ["network: not asked"]
    (line,) = told("sweep", sweep=weights)
    assert line.startswith("network: huggingface.co (weights") and line.endswith("and no other")
    stac = {"source": "stac", "stac": {"url": "https://stac.example.org", "hosts": ["a.example"]}}
    (line,) = told("ingest", ingest=stac)
    assert line == "network: https://stac.example.org, a.example would be asked, and no other"
    assert told("report", ingest=stac) == ["network: not asked"]
    assert told("ingest", storage="memory://y") == [
        "network: memory://y would be asked, and no other"
    ]
    heights = {"dem": "memory://heights/a.tif"}
    assert told("predict", series=heights) == ["network: not asked"]
    for job in ("series", "pipeline"):
        (line,) = told(job, series=heights, sweep={"encoder_weights": "none"})
        assert line == "network: memory://heights/a.tif would be asked, and no other"
    (line,) = told("ingest", ingest={"source": "earthengine"})
    assert "googleapis.com" in line


def test_sizes_have_the_unit_that_suits_them() -> None:
    assert (show_gb(0.0214), show_gb(3.04)) == ("21 MB", "3.0 GB")


@pytest.mark.parametrize(("flags", "code"), [([], 0), (["--sweep.encoders", "resnt18"], 2)])
def test_the_flag_starts_neither_ray_nor_torch(tmp_path: Path, flags: list[str], code: int) -> None:
    file = write_tiny(tmp_path)
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "jobs.pipeline", str(file), "--dry-run", *flags],
        cwd=ROOT, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == code and "dry run: ingest: mendenhall" in done.stdout
    assert "| ray\n" not in done.stderr and "| torch\n" not in done.stderr
    assert list(tmp_path.iterdir()) == [file]
