"""The file of a lock is made by one alone, and written by its owner alone."""

import errno
import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from glacier import lock_file, store
from glacier.errors import StoreError
from glacier.lock_file import (
    create,
    create_object,
    creates_exclusively,
    discard,
    overwrite,
    read_owner,
)
from glacier.locks import Watch, hold, remove_lock
from glacier.owner import Owner
from tests.support.tiny import tiny_config


@pytest.fixture(params=["local", "memory"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a lock may lie, on disk and in an object store."""
    base = str(tmp_path) if request.param == "local" else f"memory://{uuid.uuid4().hex}"
    return store.join(base, "folder", ".lock")


def owner() -> Owner:
    return Owner.of_this_process("tiny")


def test_the_second_makes_none(address: str) -> None:
    first = owner()
    assert read_owner(address) is None
    assert create(address, first)
    assert not create(address, owner())
    assert read_owner(address) == first
    discard(address)
    discard(address)  # nothing there: no error
    assert read_owner(address) is None


def test_only_the_owner_writes_it_anew(address: str) -> None:
    first, second = owner(), owner()
    assert overwrite(address, first) is None and read_owner(address) is None
    create(address, first)
    assert overwrite(address, second) == first == read_owner(address)
    later = first.renew(heartbeat=first.taken.replace(year=2040))
    assert overwrite(address, later) == first
    assert read_owner(address) == later


def test_nothing_lies_beside_a_local_lock(tmp_path: Path) -> None:
    address = str(tmp_path / ".lock")
    create(address, owner())
    create(address, owner())
    assert os.listdir(tmp_path) == [".lock"]


@pytest.mark.parametrize("code", [errno.EPERM, errno.ENOTSUP])
def test_without_hard_links_it_is_still_one_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(code, "no links here")

    monkeypatch.setattr(os, "link", refuse)
    address, first = str(tmp_path / ".lock"), owner()
    assert create(address, first) and not create(address, owner())
    assert read_owner(address) == first and os.listdir(tmp_path) == [".lock"]


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"in the way")
    with pytest.raises(StoreError, match=r"cannot write .*file/\.lock \(\d+ bytes\)"):
        create(str(tmp_path / "file" / ".lock"), owner())


def test_a_full_disk_is_said_with_its_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", refuse)
    with pytest.raises(StoreError, match=r"\.lock \(\d+ bytes\).*bytes are free there: make room"):
        create(str(tmp_path / ".lock"), owner())
    assert os.listdir(tmp_path) == []


# Object stores


class Plain(MemoryFileSystem):
    """A store that knows no condition: fsspec's own way looks, and then writes."""

    protocol = "plain"
    store: ClassVar[dict] = {}
    pipe_file = fsspec.AbstractFileSystem.pipe_file


class Old(MemoryFileSystem):
    """A store in an old version of its library, which takes any word and overwrites."""

    protocol = "old"
    store: ClassVar[dict] = {}

    def pipe_file(self, path: str, value: bytes, **words: object) -> None:
        super().pipe_file(path, value)


@pytest.fixture
def plain() -> str:
    """A folder in a store without conditional writes, which settles at once."""
    fsspec.register_implementation("plain", Plain, clobber=True)
    Plain.store.clear()
    return "plain://folder"


def test_it_is_known_which_store_makes_an_object_on_condition() -> None:
    s3fs = pytest.importorskip("s3fs")
    assert creates_exclusively(MemoryFileSystem())
    assert creates_exclusively(s3fs.S3FileSystem(anon=True))
    assert not creates_exclusively(Plain())
    assert not creates_exclusively(Old())
    assert not creates_exclusively(fsspec.filesystem("file"))


def test_without_condition_it_is_read_back(plain: str, monkeypatch: pytest.MonkeyPatch) -> None:
    address, waited = f"{plain}/.lock", []
    monkeypatch.setattr(lock_file.time, "sleep", waited.append)
    first = owner()
    assert create(address, first) and waited == [lock_file.SETTLE_S]
    assert not create(address, owner()) and read_owner(address) == first


def test_who_was_overwritten_within_the_wait_owns_nothing(
    plain: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    address, other = f"{plain}/.lock", owner()

    def overwrite_meanwhile(_: float) -> None:
        fs, path = fsspec.core.url_to_fs(address)
        fs.pipe_file(path, other.encode())

    monkeypatch.setattr(lock_file.time, "sleep", overwrite_meanwhile)
    assert not create(address, owner())
    assert read_owner(address) == other


def test_a_store_that_refuses_for_another_reason_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError("Access Denied")

    address = f"memory://{uuid.uuid4().hex}/.lock"
    monkeypatch.setattr(lock_file, "creates_exclusively", lambda fs: True)
    monkeypatch.setattr(MemoryFileSystem, "pipe_file", refuse)
    with pytest.raises(StoreError, match=r"cannot write .*Access Denied"):
        create(address, owner())
    with pytest.raises(PermissionError):
        create_object(address, b"")


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A bucket of a real S3 API on loopback."""
    boto3, server_module = pytest.importorskip("boto3"), pytest.importorskip("moto.server")
    server = server_module.ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    url = "http://{}:{}".format(*server.get_host_and_port())
    for name, value in {
        "AWS_ACCESS_KEY_ID": "glacier", "AWS_SECRET_ACCESS_KEY": "ice",
        "AWS_ENDPOINT_URL": url, "AWS_DEFAULT_REGION": "us-east-1",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    boto3.client("s3").create_bucket(Bucket="locks")  # the process has one store
    fsspec.get_filesystem_class("s3").clear_instance_cache()
    yield "s3://locks/storage/archive/mendenhall-12345678"
    fsspec.get_filesystem_class("s3").clear_instance_cache()
    server.stop()


def test_in_s3_one_alone_makes_it_and_a_dead_owner_is_followed(
    bucket: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr(lock_file.time, "sleep", lambda _: pytest.fail("it needs no settling"))
    address, first = f"{bucket}/.lock", owner()
    assert read_owner(address) is None
    assert create(address, first) and not create(address, owner())
    assert read_owner(address) == first and not remove_lock(address, owner(), Watch())
    later = first.renew(heartbeat=first.taken.replace(year=2040))
    assert overwrite(address, later) == first and read_owner(address) == later
    dead = first.model_copy(update={"started": "1"})
    assert overwrite(address, dead) == later
    with hold(tiny_config(tmp_path), bucket):
        found = read_owner(address)
        assert found is not None and found.run == "tiny" and found.id != dead.id
    assert capsys.readouterr().out.count("is taken over") == 1
    assert store.list_folders("s3://locks/storage/archive") == {}
    with pytest.raises(StoreError, match=r"cannot write s3://nowhere/\.lock"):
        create("s3://nowhere/.lock", first)
