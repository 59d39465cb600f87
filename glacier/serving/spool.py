"""Uploads go to disk as they come, into folders of our own, which are gone when they are mapped.

Nothing that a client sends names a file.
"""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request

from glacier.serving.bodies import GONE, name_kind
from glacier.serving.multipart import PartReader
from glacier.store import FULL

BLOCK_BYTES = 1_000_000
"""What is kept in memory of an upload before it goes to disk."""

IMAGE = "image.tif"
"""Name of an upload in its folder."""

RAW = ("image/tiff", "application/octet-stream")
"""Kinds of a body that is the image itself."""

FORM = "multipart/form-data"

FIELD = "image"
"""Name of the form's field that holds the image."""


class Spool:
    """A folder for uploads."""

    def __init__(self, folder: Path, most_bytes: int) -> None:
        """Take uploads of so many bytes into a folder that is there."""
        self.folder, self.most_bytes = folder, most_bytes

    @contextmanager
    def open_folder(self) -> Iterator[Path]:
        """An empty folder of a random name, gone after the block whatever happens."""
        folder = self.folder / secrets.token_hex(16)
        folder.mkdir(mode=0o700)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    async def receive(self, request: Request, folder: Path) -> Path:
        """Write the image of a request to a folder.

        Raises:
            HTTPException: 400, 413, 415, 422 or 507; or the client has gone.
        """
        kind = request.headers.get("content-type", "")
        name = name_kind(request)
        if name not in (*RAW, FORM):
            raise HTTPException(415, explain_kind(name))
        self.check_length(request.headers.get("content-length"))
        part = PartReader(kind, FIELD) if name == FORM else None
        async with Sink(folder / IMAGE) as sink:
            await self.copy(request, sink, part)
        if part is not None:
            part.check_end()
        if not sink.written:
            raise HTTPException(422, "the upload is empty; send a GeoTIFF")
        return folder / IMAGE

    async def copy(self, request: Request, sink: Sink, part: PartReader | None) -> None:
        """Write a body, or the part of it that is the image."""
        read = 0
        try:
            async for chunk in request.stream():
                read += len(chunk)
                self.check_length(str(read))
                await sink.write(part.feed(chunk) if part else chunk)
        except ClientDisconnect:
            raise HTTPException(GONE, "the client has gone") from None

    async def write(self, data: bytes, path: Path) -> Path:
        """Write an image that a body of another kind held; returns its path.

        Raises:
            HTTPException: 413 or 507.
        """
        self.check_length(str(len(data)))
        async with Sink(path) as sink:
            await sink.write(data)
        return path

    def check_length(self, length: str | None) -> None:
        """Refuse a body of too many bytes, told or read."""
        if length is not None and length.isdigit() and int(length) > self.most_bytes:
            raise HTTPException(
                413,
                f"the body is larger than {self.most_bytes / 1e6:g} MB; send a smaller image, or "
                "raise serve.limits.body_mb",
            )


def explain_kind(name: str) -> str:
    """Why a body of some kind is not read."""
    return (
        f"Content-Type {name[:80]!r}: wanted image/tiff, {FORM} with a field {FIELD}, or "
        "application/json with region and month"
    )


class Sink:
    """A file that is written in blocks, beside the loop of events."""

    def __init__(self, path: Path) -> None:
        """Write a file that is not there yet."""
        self.path = path
        self.block = bytearray()
        self.written = 0
        """Bytes so far."""
        self.file: BinaryIO | None = None

    async def __aenter__(self) -> Self:
        """Begin the file."""
        return self

    async def write(self, data: bytes) -> None:
        """Add bytes.

        Raises:
            HTTPException: 507: the disk is full.
        """
        self.written += len(data)
        self.block += data
        if len(self.block) >= BLOCK_BYTES:
            await run_in_threadpool(self.flush)

    def flush(self) -> None:
        """Put what is in memory on disk."""
        try:
            if self.file is None:
                self.file = open(self.path, "xb", buffering=0)
            self.file.write(self.block)
        except OSError as error:
            if error.errno in FULL:
                raise HTTPException(
                    507, f"no room for {self.written} bytes of an upload; send it again later"
                ) from error
            raise
        self.block.clear()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the file; what is left in memory goes to disk where all went well."""
        try:
            if error is None:
                await run_in_threadpool(self.flush)
        finally:
            if self.file is not None:
                self.file.close()
