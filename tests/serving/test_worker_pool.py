"""Processes that map: right answers, and an end for what is late, hostile or not wanted."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path

import numpy as np
import pytest
import rasterio

from glacier.errors import OutOfTimeError, RasterError, WeightsError
from glacier.serving.answer import FILES, Answer, ImageLimits
from glacier.serving.process_template import ProcessTemplate
from glacier.serving.served_models import Candidate, ModelShelf
from glacier.serving.worker_pool import WorkerPool
from tests.support.canary import serve_canary
from tests.support.hostile.table import ROWS, make_trap
from tests.support.served import BANDS, serve_config, write_image, write_sweep

LIMITS = ImageLimits(pixels=10**7, memory_mb=4000, deadline_s=60)


@pytest.fixture(scope="module")
def candidate(tmp_path_factory: pytest.TempPathFactory) -> Candidate:
    folder = tmp_path_factory.mktemp("storage")
    config = serve_config(folder, write_sweep(folder, "made-00000000"))
    return ModelShelf(config).choose_first()


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture(scope="module")
def pool(candidate: Candidate, loop: asyncio.Runner) -> Iterator[WorkerPool]:
    """A process and a spare one, which all tests use: each leaves them fit for the next."""
    template = ProcessTemplate()
    made = WorkerPool(candidate, template, 2)
    loop.run(made.start())
    yield made
    loop.run(made.close())
    loop.run(template.close())


def map_one(
    loop: asyncio.Runner, pool: WorkerPool, image: Path, **limits: float
) -> tuple[object, list[str]]:
    """What came of an image, and what then lies in the folder."""
    folder = image.parent / "out"
    folder.mkdir(exist_ok=True)
    changed = ImageLimits(**{**vars(LIMITS), **limits})  # type: ignore[arg-type]
    try:
        found: object = loop.run(pool.map_image(image, folder, changed))
    except Exception as error:
        found = error
    names = sorted(path.name for path in folder.iterdir())
    for path in folder.iterdir():
        path.unlink()
    return found, names


def pids_of(pool: WorkerPool) -> set[int]:
    return {worker.pid for worker in pool.workers if worker.pid}


async def find_dead(pids: set[int], most_s: float = 2) -> set[int]:
    """Those that have ended, once one has."""
    for _ in range(int(most_s / 0.05)):
        if dead := {pid for pid in pids if not Path(f"/proc/{pid}").exists()}:
            return dead
        await asyncio.sleep(0.05)
    return set()


def test_an_image_is_mapped_as_in_this_process(
    loop: asyncio.Runner, pool: WorkerPool, tmp_path: Path
) -> None:
    found, names = map_one(loop, pool, write_image(tmp_path / "i.tif"))
    assert names == sorted(FILES) and found.model == pool.candidate.served
    assert found.outlines > 0 and found.area_km2 > 0


HOSTILE: dict[str, Callable[[Path], object]] = {
    "vrt": lambda path: path.write_text("<VRTDataset/>"),
    "cut": lambda path: path.write_bytes(write_image(path).read_bytes()[:900]),
    "pipe": os.mkfifo,
    "nothing": lambda path: None,
    "folder": lambda path: path.mkdir(),
    "empty": lambda path: path.write_bytes(b""),
}


@pytest.mark.parametrize("spoil", HOSTILE.values(), ids=HOSTILE)
def test_what_is_no_image_is_refused_by_its_name_and_leaves_nothing(
    loop: asyncio.Runner, pool: WorkerPool, tmp_path: Path, spoil: Callable[[Path], object]
) -> None:
    pids = pids_of(pool)
    spoil(tmp_path / "i.tif")
    error, names = map_one(loop, pool, tmp_path / "i.tif")
    assert isinstance(error, RasterError) and "i.tif" in str(error) and names == []
    assert str(tmp_path) not in str(error)
    assert pids_of(pool) == pids


def test_what_takes_too_long_is_ended_and_the_next_image_is_mapped(
    loop: asyncio.Runner, pool: WorkerPool, tmp_path: Path
) -> None:
    pids, image = pids_of(pool), write_image(tmp_path / "i.tif", (400, 400))
    error, names = map_one(loop, pool, image, deadline_s=0.2)
    assert isinstance(error, OutOfTimeError) and "0.2 s" in str(error) and names == []
    assert len(loop.run(find_dead(pids))) == 1
    assert map_one(loop, pool, write_image(tmp_path / "i.tif"))[1] == sorted(FILES)


def write_bomb(path: Path, side: int = 4000) -> Path:
    """An image of one block, which is decoded whole, and of which a tenth is noise."""
    pixels = np.full((3, side, side), 9000, np.uint16)
    pixels[:, : side // 10] = np.random.default_rng(0).integers(8000, 30000, (side // 10, side))
    profile = {
        "driver": "GTiff", "height": side, "width": side, "count": 3, "dtype": "uint16",
        "crs": "EPSG:32608", "transform": rasterio.Affine(30, 0, 5e5, 0, -30, 65e5),
        "tiled": False, "blockysize": side, "compress": "deflate", "photometric": "minisblack",
        "interleave": "pixel",
    }  # fmt: skip
    with rasterio.open(path, "w", **profile) as out:
        out.write(pixels)
        out.descriptions = BANDS
    return path


def test_what_needs_too_much_memory_ends_its_process_and_not_the_service(
    loop: asyncio.Runner, pool: WorkerPool, tmp_path: Path
) -> None:
    pids, bomb = pids_of(pool), write_bomb(tmp_path / "i.tif")
    error, names = map_one(loop, pool, bomb, pixels=10**8, memory_mb=300)
    assert isinstance(error, RasterError) and names == []
    assert "i.tif cannot be mapped within 300 MB of memory" in str(error)
    assert len(loop.run(find_dead(pids))) == 1
    assert map_one(loop, pool, write_image(tmp_path / "j.tif"))[1] == sorted(FILES)


async def begin(pool: WorkerPool, image: Path) -> asyncio.Task[Answer]:
    """The work on an image, of which something is written already."""
    folder = image.parent / "out"
    folder.mkdir()
    work = asyncio.create_task(pool.map_image(image, folder, LIMITS))
    while not any(folder.iterdir()):
        await asyncio.sleep(0.01)
    return work


def test_a_process_that_dies_is_replaced_and_only_what_it_had_begun_is_lost(
    loop: asyncio.Runner, pool: WorkerPool, tmp_path: Path
) -> None:
    image = write_image(tmp_path / "i.tif", (400, 400))

    async def kill_all() -> None:
        for pid in pids_of(pool):
            os.kill(pid, signal.SIGKILL)

    async def kill_at_work() -> None:
        work = await begin(pool, image)
        await kill_all()
        await work

    with pytest.raises(RasterError, match="was ended by signal 9"):
        loop.run(kill_at_work())
    assert list((tmp_path / "out").iterdir()) == []
    small = write_image(tmp_path / "j.tif")
    assert map_one(loop, pool, small)[1] == sorted(FILES)
    loop.run(kill_all())
    assert map_one(loop, pool, small)[1] == sorted(FILES)


def test_work_that_nobody_waits_for_is_ended(
    loop: asyncio.Runner, pool: WorkerPool, tmp_path: Path
) -> None:
    image = write_image(tmp_path / "i.tif", (400, 400))

    async def hang_up() -> None:
        work, pids = await begin(pool, image), pids_of(pool)
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work
        assert list((tmp_path / "out").iterdir()) == []
        assert len(await find_dead(pids)) == 1

    loop.run(hang_up())
    assert map_one(loop, pool, write_image(tmp_path / "j.tif"))[1] == sorted(FILES)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_all_is_there_again_where_even_the_template_was_killed(
    loop: asyncio.Runner, pool: WorkerPool, tmp_path: Path
) -> None:
    process, pids = pool.workers[0].template.process, pids_of(pool)
    assert process is not None
    process.kill()
    while len(loop.run(find_dead(pids))) < len(pids):
        pass
    assert map_one(loop, pool, write_image(tmp_path / "j.tif"))[1] == sorted(FILES)


def test_a_model_that_cannot_be_loaded_is_told_and_leaves_no_process(
    loop: asyncio.Runner, pool: WorkerPool, tmp_path: Path
) -> None:
    config = serve_config(tmp_path, write_sweep(tmp_path, "made-00000000", folds=1))
    changed = ModelShelf(config).choose_first()
    write_sweep(tmp_path, "made-00000000", folds=1, seed=1)
    other = WorkerPool(changed, pool.workers[0].template, 1)
    with pytest.raises(WeightsError, match=r"made-00000000\+.* cannot answer: .*have changed"):
        loop.run(other.start())
    assert other.workers[0].pid is None


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_every_hostile_raster_is_refused_by_a_process_that_goes_on(
    loop: asyncio.Runner, pool: WorkerPool, tmp_path: Path
) -> None:
    rows, pids = [row for row in ROWS if row.kind == "raster" and not row.harmless], pids_of(pool)
    wrong = []
    with serve_canary() as (url, calls):
        for number, row in enumerate(rows):
            trap = make_trap(number, url, tmp_path)
            made = row.make(trap)
            folder = tmp_path / f"out{number}"
            folder.mkdir()
            work = pool.map_image(Path(str(made)), folder, LIMITS)
            (found,) = loop.run(asyncio.wait_for(collect(work), 60))
            if not isinstance(found, RasterError) or any(folder.iterdir()):
                wrong.append((row.name, found))
    assert len(rows) > 20 and wrong == [] and calls == []
    assert pids_of(pool) == pids


async def collect(work: Coroutine[object, object, object]) -> list[object]:
    """What comes of some work, also where it is an error."""
    return await asyncio.gather(work, return_exceptions=True)


def read_rss_mb(pid: int) -> float:
    (line,) = [s for s in Path(f"/proc/{pid}/status").read_text().splitlines() if "VmRSS" in s]
    return int(line.split()[1]) / 1e3


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_hundred_images_leave_nothing_in_memory(
    loop: asyncio.Runner, pool: WorkerPool, tmp_path: Path
) -> None:
    image, seen = write_image(tmp_path / "i.tif", (48, 48)), []
    for k in range(100):
        assert map_one(loop, pool, image)[1] == sorted(FILES)
        if k in (19, 99):
            seen.append({pid: read_rss_mb(pid) for pid in pids_of(pool)})
    assert seen[0].keys() == seen[1].keys()
    assert max(seen[1][pid] - seen[0][pid] for pid in seen[0]) < 20


ORPHANS = """
import asyncio, os, sys
from pathlib import Path
from glacier.serving.process_template import ProcessTemplate
from glacier.serving.served_models import Candidate
from glacier.serving.worker_pool import WorkerPool

async def main():
    pool = WorkerPool(Candidate.model_validate_json(Path(sys.argv[1]).read_text()), template, 1)
    await pool.start()
    print(template.process.pid, pool.workers[0].pid, flush=True)
    os.kill(os.getpid(), 9)

template = ProcessTemplate()
asyncio.run(main())
"""


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_no_process_outlives_the_service(candidate: Candidate, tmp_path: Path) -> None:
    model = tmp_path / "model.json"
    model.write_text(candidate.model_dump_json())
    script = [sys.executable, "-c", ORPHANS, str(model)]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    done = subprocess.run(script, env=env, capture_output=True, text=True, check=False)
    pids = {int(pid) for pid in done.stdout.split()}
    assert done.returncode == -signal.SIGKILL and len(pids) == 2, done.stderr
    for _ in range(100):
        if not any(Path(f"/proc/{pid}").exists() for pid in pids):
            return
        time.sleep(0.1)
    pytest.fail(f"of {pids} some are still there")
