"""Processes that map: right answers, and an end for what is late, hostile or not wanted any more."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from glacier.errors import OutOfTimeError, RasterError, WeightsError
from glacier.serving.answer import FILES, ImageLimits
from glacier.serving.served_models import Candidate, ModelShelf
from glacier.serving.worker_pool import WorkerPool
from tests.support.served import serve_config, write_image, write_sweep

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
    """One process, which all tests use: each leaves it fit for the next."""
    made = WorkerPool(candidate, 1)
    loop.run(made.start())
    yield made
    loop.run(made.close())


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


def pid_of(pool: WorkerPool) -> int:
    process = pool.workers[0].process
    assert process is not None
    return process.pid


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
    pid = pid_of(pool)
    spoil(tmp_path / "i.tif")
    error, names = map_one(loop, pool, tmp_path / "i.tif")
    assert isinstance(error, RasterError) and "i.tif" in str(error) and names == []
    assert str(tmp_path) not in str(error)
    assert pid_of(pool) == pid


def test_what_takes_too_long_is_ended_and_the_next_image_is_mapped(
    loop: asyncio.Runner, pool: WorkerPool, tmp_path: Path
) -> None:
    pid, image = pid_of(pool), write_image(tmp_path / "i.tif", (700, 700))
    error, names = map_one(loop, pool, image, deadline_s=0.2)
    assert isinstance(error, OutOfTimeError) and "0.2 s" in str(error) and names == []
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    found, names = map_one(loop, pool, write_image(tmp_path / "i.tif"))
    assert names == sorted(FILES) and pid_of(pool) != pid


def test_what_needs_too_much_memory_is_told_so(
    loop: asyncio.Runner, pool: WorkerPool, tmp_path: Path
) -> None:
    image = write_image(tmp_path / "i.tif")
    error, names = map_one(loop, pool, image, memory_mb=1)
    assert isinstance(error, RasterError) and names == []
    assert "1 MB of memory" in str(error) or "was ended" in str(error)
    assert map_one(loop, pool, image)[1] == sorted(FILES)


def start(pool: WorkerPool, image: Path) -> Awaitable[object]:
    """The work on an image, under way."""
    folder = image.parent / "out"
    folder.mkdir(exist_ok=True)
    return asyncio.create_task(pool.map_image(image, folder, LIMITS))


def test_a_process_that_dies_is_replaced(
    loop: asyncio.Runner, pool: WorkerPool, tmp_path: Path
) -> None:
    image = write_image(tmp_path / "i.tif", (700, 700))

    async def kill(at_work: bool) -> None:
        work = start(pool, image) if at_work else None
        await asyncio.sleep(0.3)
        os.kill(pid_of(pool), signal.SIGKILL)
        await asyncio.sleep(0.3)
        if work:
            await work

    with pytest.raises(RasterError, match="was ended by signal 9"):
        loop.run(kill(at_work=True))
    assert list((tmp_path / "out").iterdir()) == []
    small = write_image(tmp_path / "j.tif")
    assert map_one(loop, pool, small)[1] == sorted(FILES)
    loop.run(kill(at_work=False))
    assert map_one(loop, pool, small)[1] == sorted(FILES)


def test_work_that_nobody_waits_for_is_ended(
    loop: asyncio.Runner, pool: WorkerPool, tmp_path: Path
) -> None:
    pid, image = pid_of(pool), write_image(tmp_path / "i.tif", (700, 700))

    async def hang_up() -> None:
        work = asyncio.ensure_future(start(pool, image))
        await asyncio.sleep(0.3)
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work
        assert list((tmp_path / "out").iterdir()) == []
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)

    loop.run(hang_up())
    assert map_one(loop, pool, write_image(tmp_path / "j.tif"))[1] == sorted(FILES)


def test_a_model_that_cannot_be_loaded_is_told_and_leaves_no_process(tmp_path: Path) -> None:
    config = serve_config(tmp_path, write_sweep(tmp_path, "made-00000000", folds=1))
    changed = ModelShelf(config).choose_first()
    write_sweep(tmp_path, "made-00000000", folds=1, seed=1)
    pool = WorkerPool(changed, 1)
    with pytest.raises(WeightsError, match=r"made-00000000\+.* cannot answer: .*have changed"):
        asyncio.run(pool.start())
    assert not pool.workers[0].is_alive
