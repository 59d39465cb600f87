"""Google Cloud Storage, on an emulator: what is done in every store, and an ingest."""

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import fsspec
import pytest

from glacier import lock_file, store
from glacier.archive.contents import read_records
from glacier.errors import DamagedError, StoreError
from glacier.lock_file import create, overwrite, read_owner
from glacier.locks import LOCK, Watch, remove_lock
from glacier.owner import Owner
from tests.support.driver import Run
from tests.support.loopback import serve_handler
from tests.support.tiny import tiny_config, write_tiny

pytest.importorskip("gcsfs", reason="the extra gcs is not installed")
pytest.importorskip("gcp_storage_emulator", reason="the emulator is not installed")

from tests.support.loopback_gcs import serve_gcs


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    with serve_gcs("ice") as url:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", url)
        monkeypatch.setenv("GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT", "false")  # asks past the emulator
        fsspec.get_filesystem_class("gs").clear_instance_cache()
        yield "gs://ice"
    fsspec.get_filesystem_class("gs").clear_instance_cache()


def test_files_are_written_read_listed_moved_and_removed(bucket: str, tmp_path: Path) -> None:
    names = ["a b.json", "month/2014-05.tif", "month/more/x"]
    assert store.list_files(f"{bucket}/data") == [] and not store.exists(f"{bucket}/data")
    sums = {name: store.write_bytes(f"{bucket}/data/{name}", name.encode()) for name in names}
    assert store.list_files(f"{bucket}/data") == names
    for name in names:
        address = f"{bucket}/data/{name}"
        assert store.read_bytes(address, sums[name]) == name.encode()
        with store.local_copy(address, sums[name]) as path:
            assert path.read_bytes() == name.encode()
    ((folder, found),) = store.list_folders(f"{bucket}/data").items()
    assert folder == "month" and [info.size for info in found] == [17, 12]
    assert all(info.changed for info in found)
    (tmp_path / "large").write_bytes(b"x" * 100_000)
    assert store.write_file(f"{bucket}/data/large", tmp_path / "large") == store.checksum_file(
        tmp_path / "large"
    )
    store.move(f"{bucket}/data/large", f"{bucket}/data/aside/large")
    store.remove(f"{bucket}/data/a b.json")
    store.remove(f"{bucket}/data/a b.json")  # nothing there: no error
    store.remove_folder(f"{bucket}/data/month")
    assert store.list_files(f"{bucket}/data") == ["aside/large"]


def test_what_is_gone_or_another_is_refused(bucket: str) -> None:
    with pytest.raises(StoreError, match=r"cannot read gs://ice/nothing"):
        store.read_bytes(f"{bucket}/nothing")
    with pytest.raises(DamagedError, match="it is gone"):
        store.read_bytes(f"{bucket}/nothing", "0" * 64)
    store.write_bytes(f"{bucket}/x", b"glacier")
    with pytest.raises(DamagedError, match="sha256"):
        store.read_bytes(f"{bucket}/x", "0" * 64)


class Refusal(BaseHTTPRequestHandler):
    """Answers nothing, for a reason that is no error of the system."""

    def do_GET(self) -> None:
        self.send_response(400)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_POST = do_GET

    def log_message(self, *_: object) -> None:
        """Nothing."""


def test_what_google_refuses_is_said_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    with serve_handler(Refusal) as url:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", url)
        fsspec.get_filesystem_class("gs").clear_instance_cache()
        with pytest.raises(StoreError, match=r"cannot look for gs://ice/x"):
            store.exists("gs://ice/x")
        with pytest.raises(StoreError, match=r"cannot read gs://ice/x"):
            store.read_bytes("gs://ice/x")
        with pytest.raises(StoreError, match=r"cannot write gs://ice/x"):
            store.write_bytes("gs://ice/x", b"ice")
        with pytest.raises(StoreError, match=r"cannot write gs://ice/x"):
            create("gs://ice/x", Owner.of_this_process("first"))
    fsspec.get_filesystem_class("gs").clear_instance_cache()


def test_one_alone_makes_a_lock(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock_file.time, "sleep", lambda _: pytest.fail("it needs no settling"))
    address = f"{bucket}/data/{LOCK}"
    first, second = Owner.of_this_process("first"), Owner.of_this_process("second")
    assert create(address, first) and not create(address, second)
    assert read_owner(address) == first and not remove_lock(address, second, Watch())
    later = first.renew(heartbeat=first.taken.replace(year=2040))
    assert overwrite(address, later) == first and read_owner(address) == later
    assert remove_lock(address, later, Watch()) and store.list_files(f"{bucket}/data") == []


@pytest.mark.ray
@pytest.mark.slow
def test_an_archive_has_the_same_bytes_as_on_a_disk(
    bucket: str, tmp_path: Path, temp: Path
) -> None:
    """Workers take the address of the emulator from the environment, as they would a role."""
    places = {"storage": f"{bucket}/storage", "results": f"{bucket}/results"}
    for change in ({}, places):
        run = Run(write_tiny(tmp_path, **change), temp, "ingest")
        code, printed, said = run.finish()
        assert (code, said) == (0, ""), printed
    local = tiny_config(tmp_path)
    (here,), (there,) = read_records(local), read_records(local.model_copy(update=places))
    names = store.list_files(here)
    assert names == store.list_files(there) and len(names) >= 20
    for name in (name for name in names if not name.endswith((".json", ".parquet"))):  # with times
        assert store.read_bytes(f"{here}/{name}") == store.read_bytes(f"{there}/{name}")
    assert store.list_files(f"{bucket}/results") == store.list_files(str(tmp_path / "results"))
