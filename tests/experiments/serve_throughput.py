"""Images a second through the service, by uvicorn and by Ray Serve, beside the function that maps.

Run it with ``python -m tests.experiments.serve_throughput [rounds]``; the machine should do nothing
else. Rounds of the three follow each other, so that what slows one slows all.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx

from glacier.cluster import connect
from glacier.config import Config
from glacier.interrupts import Ending
from glacier.serving.local_mapper import LocalMapper
from glacier.serving.map_image import load_candidate, map_image
from glacier.serving.on_ray import deploy
from glacier.serving.on_uvicorn import open_socket, serve_on
from glacier.serving.served_models import ModelShelf
from tests.support.served import serve_config, write_image, write_sweep

IMAGES, CLIENTS, SIDE_PX = 12, 2, 512


@contextmanager
def serve_by_uvicorn(config: Config, folder: Path) -> Iterator[str]:
    """The service in a thread; yields its address once it answers."""
    with open_socket(config.serve, None) as listener:
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        work = serve_on(listener, config, LocalMapper.start, folder, None)
        thread = threading.Thread(target=asyncio.run, args=(work,))
        thread.start()
        await_ready(address)
        yield address
        assert Ending.stop is not None
        Ending.stop()
        thread.join()


def await_ready(address: str) -> None:
    """Wait until a service answers."""
    while True:
        try:
            httpx.get(f"{address}/health/ready", timeout=600).raise_for_status()
            return
        except httpx.HTTPError:
            time.sleep(0.2)


def upload(address: str, image: bytes) -> None:
    """Have an image mapped, some clients at a time."""

    def ask(_: int) -> None:
        files = {"image": image}
        httpx.post(f"{address}/maps", files=files, timeout=600).raise_for_status()

    with ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(ask, range(IMAGES)))


def measure(name: str, work: Callable[[], None]) -> float:
    """Images a second, also printed at once."""
    begun = time.perf_counter()
    work()
    rate = IMAGES / (time.perf_counter() - begun)
    print(f"{name}: {rate:.3f} images/s", flush=True)
    return rate


def main() -> None:
    """Print images a second of each way, and their ratio to the bare function."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    with ExitStack() as held:
        folder = Path(held.enter_context(tempfile.TemporaryDirectory()))
        config = serve_config(folder, write_sweep(folder, "made-00000000", ("resnet18",)))
        update = {"port": 0, "cpus_per_worker": 1}
        config = config.model_copy(update={"serve": config.serve.model_copy(update=update)})
        image = write_image(folder / "i.tif", (SIDE_PX, SIDE_PX))
        (folder / "own").mkdir()
        (folder / "out").mkdir()
        bare = load_candidate(ModelShelf(config).choose_first())
        data = image.read_bytes()
        one = held.enter_context(serve_by_uvicorn(config, folder / "own"))
        held.enter_context(connect(config.cluster))
        other = held.enter_context(deploy(config, LocalMapper.start))
        ways: dict[str, Callable[[], None]] = {
            "bare": lambda: [map_image(bare, image, folder / "out", 10**8) for _ in range(IMAGES)],
            "uvicorn": lambda: upload(one, data),
            "ray": lambda: upload(other, data),
        }
        found = [{name: measure(name, way) for name, way in ways.items()} for _ in range(rounds)]
    means = {name: statistics.median(row[name] for row in found) for name in found[0]}
    ratios = {name: rate / means["bare"] for name, rate in means.items()}
    print(json.dumps({"images_per_s": means, "ratio": ratios, "rounds": found}, indent=1))


if __name__ == "__main__":
    main()
