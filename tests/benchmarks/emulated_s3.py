"""An S3 store on the loopback, in a process of its own, that counts what it is asked.

moto's own listing goes through every object of the bucket for every request, which no real store
does: half a second each with half a million objects. Here it is given those that it is asked for.
Lines on standard input are orders; each is answered by a line of JSON:

    fill <folder> <bucket>   take all files of a folder in
    counts                   how many requests of which kind there were since the last order
"""

from __future__ import annotations

import json
import sys
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from moto.s3.models import S3Backend, s3_backends
from moto.server import ThreadedMotoServer

STUB = 64
"""Bytes of an object that stands for an image."""

COUNTS: Counter[str] = Counter()
NAMES: list[str] = []
"""Names of all objects, in order, as of the last listing."""


def list_some(self: S3Backend, bucket: Any, prefix: str | None, *args: Any, **values: Any) -> Any:
    """Moto's listing of the objects that begin as wanted, found by halving."""
    if len(NAMES) != len(bucket.keys):
        NAMES[:] = sorted(bucket.keys)
    start = prefix or ""
    first, end = (bisect_left(NAMES, text) for text in (start, f"{start}\U0010ffff"))
    some = {name: bucket.keys[name] for name in NAMES[first:end]}
    return LIST_ALL(self, SimpleNamespace(keys=some), prefix, *args, **values)


LIST_ALL = S3Backend.list_objects
S3Backend.list_objects = list_some  # type: ignore[method-assign, assignment]


def count_requests(app: Callable[..., Iterable[bytes]]) -> Callable[..., Iterable[bytes]]:
    """An application that notes what it is asked."""

    def answer(environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        is_list = "list-type" in environ.get("QUERY_STRING", "")
        COUNTS["LIST" if is_list else environ["REQUEST_METHOD"]] += 1
        return app(environ, start)

    return answer


def fill(folder: str, bucket: str) -> int:
    """Take all files of a folder in, as objects of their names below it; returns how many.

    Of what is no JSON only the first bytes are kept: gigabytes of pixels that nothing reads.
    """
    backend, count = s3_backends["123456789012"]["aws"], 0
    backend.create_bucket(bucket, "us-east-1")
    for path in Path(folder).rglob("*.*"):
        if path.name.startswith("manifest."):
            continue  # it tells of a disk
        data = path.read_bytes() if path.suffix == ".json" else path.open("rb").read(STUB)
        backend.put_object(bucket, str(path.relative_to(folder)), data)
        count += 1
    return count


def main() -> None:
    """Serve until standard input ends."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    server._server.app = count_requests(server._server.app)  # type: ignore[union-attr]
    print(json.dumps("http://{}:{}".format(*server.get_host_and_port())), flush=True)
    for line in sys.stdin:
        order, *words = line.split()
        answer: object = fill(*words) if order == "fill" else dict(COUNTS)
        COUNTS.clear()
        print(json.dumps(answer), flush=True)
    server.stop()


if __name__ == "__main__":
    main()
