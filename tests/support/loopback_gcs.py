"""Google Cloud Storage on the loopback: an emulator, and two things that it lacks.

Objects that are made only where there is none, and objects that are moved. Source: the JSON API,
https://cloud.google.com/storage/docs/json_api/v1/objects (``insert`` with ``ifGenerationMatch=0``,
and ``move``).
"""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any
from urllib.parse import unquote

from gcp_storage_emulator.handlers.buckets import create_bucket
from gcp_storage_emulator.server import RequestHandler
from gcp_storage_emulator.storage import Storage

from tests.support.loopback import serve_handler

MOVE = re.compile(r"(/storage/v1/b/(?P<bucket>[^/]+)/o/(?P<name>[^/]+))/moveTo/o/(?P<new>[^/?]+)")


class AlreadyThere(Exception):
    """An object that was to be made only where there is none."""


class Objects(Storage):  # type: ignore[misc]
    """The emulator's objects, in memory."""

    def __init__(self) -> None:
        super().__init__(use_memory_fs=True)
        self.lock, self.only_new = threading.Lock(), False

    def create_file(self, bucket: str, name: str, *rest: Any) -> None:
        """Make an object, which is new if it has to be."""
        if self.only_new and name in self.objects.get(bucket, {}):
            raise AlreadyThere(name)
        super().create_file(bucket, name, *rest)


class Handler(RequestHandler):  # type: ignore[misc]
    """One request at a time, since the emulator's objects are not made for more."""

    storage: Objects

    def handle_one_request(self) -> None:
        """Read and answer a request."""
        with self.storage.lock:
            super().handle_one_request()

    def do_POST(self) -> None:
        """Make or move an object, or ask."""
        self.storage.only_new = "ifGenerationMatch=0" in self.path
        moved = MOVE.match(self.path)
        if moved:
            self.path = f"{moved[1]}/copyTo/b/{moved['bucket']}/o/{moved['new']}"
        try:
            super().do_POST()
        except AlreadyThere:
            self.send_response(412)
            self.send_header("Content-Length", "0")
            self.end_headers()
        if moved:
            self.storage.delete_file(moved["bucket"], unquote(moved["name"]))


@contextmanager
def serve_gcs(bucket: str) -> Iterator[str]:
    """A server with an empty bucket; gives the address for ``STORAGE_EMULATOR_HOST``."""
    objects = Objects()
    create_bucket(bucket, objects)
    with serve_handler(partial(Handler, objects)) as address:  # type: ignore[arg-type]
        yield address
