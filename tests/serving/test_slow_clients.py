"""Clients that send slowly, hang up or never read, and many at once, over a real socket."""

import asyncio
import json
import os
import socket
import struct
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from glacier.settings.serve import Serve
from tests.support.running_service import (
    RAW,
    connect,
    list_maps,
    list_uploads,
    make_app,
    serve_app,
)
from tests.support.stand_in_mapper import TIFF, StandInMapper

LIMITS = {"idle_s": 0.4, "queue": 2}
HEAD = b"POST /maps HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/tiff\r\n"
WHOLE = HEAD + b"Content-Length: %d\r\n\r\n" % len(TIFF) + TIFF


def wait_until(is_so: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.01)


def read_answer(line: socket.socket) -> tuple[int, dict]:
    """Status and body of an answer after which the server ends the connection, or does not."""
    data = line.recv(65536)
    head, _, body = data.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(body or line.recv(65536))


def is_ready(port: int) -> bool:
    return httpx.get(f"http://127.0.0.1:{port}/health/ready", timeout=5).status_code == 200


@pytest.fixture
def mapper() -> StandInMapper:
    return StandInMapper()


@pytest.fixture
def port(tmp_path: Path, mapper: StandInMapper):
    settings = Serve.model_validate({"limits": LIMITS})
    with serve_app(make_app(tmp_path, mapper, limits=LIMITS), settings) as port:
        yield port


def test_a_client_that_falls_silent_holds_no_worker(
    port: int, mapper: StandInMapper, tmp_path: Path
) -> None:
    with connect(port) as line:
        line.sendall(HEAD + b"Content-Length: 1000000\r\n\r\n" + TIFF)
        wait_until(lambda: len(list_uploads(tmp_path)) == 1)
        answer = httpx.post(f"http://127.0.0.1:{port}/maps", content=TIFF, headers=RAW)
        assert answer.status_code == 200 and mapper.begun == 1
        status, problem = read_answer(line)
        assert status == 408 and "nothing came for 0.4 s" in problem["detail"]
        assert line.recv(1) == b""
    wait_until(lambda: list_uploads(tmp_path) == [])


def test_a_client_that_hangs_up_while_it_sends_leaves_nothing(
    port: int, mapper: StandInMapper, tmp_path: Path
) -> None:
    with connect(port) as line:
        line.sendall(HEAD + b"Transfer-Encoding: chunked\r\n\r\n40\r\n" + TIFF + b"\r\n")
        wait_until(lambda: len(list_uploads(tmp_path)) == 1)
    wait_until(lambda: list_uploads(tmp_path) == [])
    assert mapper.begun == 0 and is_ready(port)


def test_a_client_that_hangs_up_while_it_waits_frees_its_worker(
    port: int, mapper: StandInMapper, tmp_path: Path
) -> None:
    mapper.delay_s = 60
    with connect(port) as line:
        line.sendall(WHOLE)
        wait_until(lambda: mapper.at_once == 1)
        assert is_ready(port)
    wait_until(lambda: mapper.given_up == 1)
    wait_until(lambda: list_uploads(tmp_path) == list_maps(tmp_path) == [])
    mapper.delay_s = 0
    with connect(port) as line:
        line.sendall(WHOLE)
        assert read_answer(line)[0] == 200


def test_a_client_that_never_reads_is_let_go(
    port: int, mapper: StandInMapper, tmp_path: Path
) -> None:
    mapper.change = lambda image: bytes(50_000_000)
    asked = HEAD + b"Accept: application/geo+json\r\nContent-Length: %d\r\n\r\n" % len(TIFF)
    with socket.socket() as line:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        line.connect(("127.0.0.1", port))
        line.sendall(asked + TIFF)
        wait_until(lambda: mapper.begun == 1 and mapper.at_once == 0)
        answer = httpx.get(f"http://127.0.0.1:{port}/model")
        assert answer.status_code == 200
        wait_until(lambda: list_maps(tmp_path) == [])


@pytest.mark.parametrize(
    "begin", [b"", HEAD[:30], b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\nGET"]
)
def test_a_connection_without_a_request_is_ended(port: int, begin: bytes) -> None:
    with connect(port) as line:
        line.sendall(begin)
        began = time.monotonic()
        while line.recv(65536):
            pass
        assert time.monotonic() - began < 3
    assert is_ready(port)


def test_of_fifty_at_once_some_are_mapped_and_the_rest_told_to_come_back(
    port: int, mapper: StandInMapper, tmp_path: Path
) -> None:
    mapper.delay_s = 0.05

    async def ask_all() -> list[httpx.Response]:
        limits = httpx.Limits(max_connections=50)
        address = f"http://127.0.0.1:{port}"
        async with httpx.AsyncClient(base_url=address, limits=limits, timeout=30) as client:
            bodies = [TIFF + bytes(10 * k) for k in range(50)]
            asked = (client.post("/maps", content=body, headers=RAW) for body in bodies)
            return await asyncio.gather(*asked)

    answers = asyncio.run(ask_all())
    counted = Counter(answer.status_code for answer in answers)
    assert set(counted) == {200, 503} and counted[200] >= 3
    for k, answer in enumerate(answers):
        if answer.status_code == 200:
            assert answer.json()["area_km2"] == (len(TIFF) + 10 * k) / 10
        else:
            assert int(answer.headers["retry-after"]) >= 1
            assert answer.headers["content-type"] == "application/problem+json"
    assert mapper.most_at_once == 1 and list_uploads(tmp_path) == [] and is_ready(port)


def measure_mb() -> float:
    """Memory of this process, in which the service runs."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


@pytest.mark.slow
def test_memory_does_not_grow_with_requests(port: int, tmp_path: Path) -> None:
    """Nor with the size of uploads, of which no more than a block is held at once."""
    body, grown = TIFF + bytes(1_200_000), []
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
        for k in range(600):
            answer = client.post("/maps", content=body, headers=RAW)
            assert answer.status_code == 200
            client.delete(f"/jobs/{answer.json()['id']}")
            if k % 100 == 99:
                grown.append(measure_mb())
    assert grown[-1] - grown[0] < 15, grown
    assert list_uploads(tmp_path) == list_maps(tmp_path) == []
