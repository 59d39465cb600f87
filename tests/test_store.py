import json
import os
import random
import signal
import stat
import subprocess
import sys
import time
import uuid
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glacier import seals, store
from glacier.errors import DamagedError, StoreError

ROOT = Path(__file__).parents[1]


@pytest.fixture(params=["local", "memory"])
def base(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty place, on disk and in an object store."""
    return str(tmp_path) if request.param == "local" else f"memory://{uuid.uuid4().hex}"


@pytest.mark.parametrize("data", [b"", b"ice", bytes(range(256)) * 5000], ids=len)
def test_what_is_written_is_read(base: str, data: bytes) -> None:
    address = store.join(base, "a", "b.bin")
    assert not store.exists(address)
    sha256 = store.write_bytes(address, data)
    assert sha256 == store.checksum(data)
    assert store.exists(address)
    assert store.read_bytes(address) == store.read_bytes(address, sha256) == data
    with store.local_copy(address, sha256) as path:
        assert path.read_bytes() == data and path.name == "b.bin"
    store.write_bytes(address, b"newer")
    assert store.read_bytes(address) == b"newer"
    store.remove(address)
    assert not store.exists(address)
    store.remove(address)  # nothing there: no error


def test_a_file_that_differs_from_its_checksum_is_refused(base: str) -> None:
    address = store.join(base, "x")
    sha256 = store.write_bytes(address, b"glacier")
    store.write_bytes(address, b"glacies")
    with pytest.raises(DamagedError, match=rf"{sha256[:12]}.*the same command makes it") as found:
        store.read_bytes(address, sha256)
    assert found.value.address == address
    with pytest.raises(StoreError, match="damaged"), store.local_copy(address, sha256):
        pytest.fail("a damaged file was handed out")
    with pytest.raises(StoreError, match="damaged"):
        seals.read_json(address, sha256)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.7, 0.999])
def test_a_truncated_file_is_refused(tmp_path: Path, share: float) -> None:
    data = random.Random(1).randbytes(10_000)
    address = str(tmp_path / "scene.tif")
    sha256 = store.write_bytes(address, data)
    os.truncate(address, int(share * len(data)))
    with pytest.raises(StoreError, match="damaged"):
        store.read_bytes(address, sha256)


@settings(derandomize=True, deadline=None, max_examples=50)
@given(data=st.binary(min_size=1, max_size=200), bit=st.integers(0, 7), where=st.floats(0, 0.999))
def test_any_flipped_bit_is_refused(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, bit: int, where: float
) -> None:
    address = str(tmp_path_factory.getbasetemp() / "flipped.bin")
    sha256 = store.checksum(data)
    damaged = bytearray(data)
    damaged[int(where * len(data))] ^= 1 << bit
    Path(address).write_bytes(damaged)
    with pytest.raises(StoreError, match="damaged"):
        store.read_bytes(address, sha256)


def test_a_missing_file_is_named(base: str) -> None:
    address = store.join(base, "nowhere.json")
    with pytest.raises(StoreError, match=r"cannot read .*nowhere\.json"):
        store.read_bytes(address)
    with pytest.raises(StoreError, match=r"nowhere\.json"):
        seals.read_json(address)


def test_json_is_written_whole_and_in_one_way(base: str) -> None:
    address = store.join(base, "a.json")
    value = {"b": [1, 2.5, None, True], "a": {"é": "½"}}
    sha256 = seals.write_json(address, value)
    assert seals.read_json(address, sha256) == value
    assert seals.write_json(address, dict(reversed(value.items()))) == sha256


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf")])
def test_json_refuses_numbers_without_a_word(base: str, number: float) -> None:
    address = store.join(base, "a.json")
    with pytest.raises(ValueError, match="JSON"):
        seals.write_json(address, {"dice": [0.5, number]})
    assert not store.exists(address)


@pytest.mark.parametrize("data", [b"", b"{", b"\xff\xfe", b"{'a': 1}", b'{"a": 1}\n'])
def test_what_is_not_sealed_json_is_named(base: str, data: bytes) -> None:
    address = store.join(base, "a.json")
    store.write_bytes(address, data)
    with pytest.raises(DamagedError, match=r"a\.json is damaged: (it is empty|no seal)"):
        seals.read_json(address)


@given(st.dictionaries(st.text(), st.integers() | st.floats(allow_nan=False, allow_infinity=False)
                       | st.text() | st.lists(st.text()), min_size=1), st.data())  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_any_change_of_a_sealed_file_is_found(value: dict, data: st.DataObject) -> None:
    address = f"memory://{uuid.uuid4().hex}/a.json"
    seals.write_json(address, value)
    assert seals.read_json(address) == value
    whole = store.read_bytes(address)
    at, bit = data.draw(st.integers(0, len(whole) - 1)), data.draw(st.integers(0, 7))
    flipped = bytearray(whole)
    flipped[at] ^= 1 << bit
    for changed in (bytes(flipped), whole[:at], whole + b" ", whole + whole):
        store.write_bytes(address, changed)
        with pytest.raises(DamagedError):
            seals.read_json(address)


def test_an_empty_object_has_nothing_to_seal(base: str) -> None:
    with pytest.raises(ValueError, match="nothing to seal"):
        seals.write_json(store.join(base, "a.json"), {})


def test_a_manifest_vouches_for_files_and_what_is_damaged_is_set_aside(
    base: str, capsys: pytest.CaptureFixture
) -> None:
    address = store.join(base, "unit", "done.json")
    contents = {"a.bin": b"a", "below/b.bin": b"b"}
    made = seals.write_whole(address, seals.Manifest(), contents)
    assert seals.read_whole(address, seals.Manifest, owned=True) == made
    assert made.files == {name: store.checksum(data) for name, data in contents.items()}
    store.write_bytes(store.join(base, "unit/below/b.bin"), b"B")
    store.remove(store.join(base, "unit/a.bin"))
    assert seals.read_whole(address, seals.Manifest, owned=True) is None
    said = capsys.readouterr().out
    assert "a.bin is damaged: it is gone" in said and "b.bin is damaged: sha256" in said
    assert not store.exists(store.join(base, "unit/below/b.bin"))
    assert store.read_bytes(store.join(base, "unit/below/.damaged/b.bin")) == b"B"
    store.write_bytes(address, b"{}")
    assert seals.read_whole(address, seals.Manifest, owned=True) is None and not store.exists(
        address
    )
    assert (
        seals.read_whole(address, seals.Manifest, owned=True) is None
    )  # not there: nothing is said
    assert capsys.readouterr().out.count("damaged") == 1


@pytest.mark.parametrize("name", ["../a", "/a", "a/../b", ".a", "a//b", "a\\b", "a\0", ""])
def test_a_manifest_names_only_what_lies_below_its_folder(base: str, name: str) -> None:
    address = store.join(base, "done.json")
    seals.write_json(address, {"files": {name: "0"}})
    with pytest.raises(DamagedError, match="no Manifest of this version"):
        seals.read_model(address, seals.Manifest)


def test_nothing_is_left_beside_a_written_file(tmp_path: Path) -> None:
    for k in range(3):
        store.write_bytes(str(tmp_path / "a.bin"), bytes([k]) * 1000)
    seals.write_json(str(tmp_path / "b.json"), {"a": 1})
    assert sorted(os.listdir(tmp_path)) == ["a.bin", "b.json"]
    seal = store.checksum(b'{\n "a": 1\n}')
    assert json.loads((tmp_path / "b.json").read_text()) == {"seal": seal, "a": 1}
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE(os.stat(tmp_path / "a.bin").st_mode) == 0o666 & ~umask


def test_a_place_that_cannot_be_written_is_named_and_left_clean(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"in the way")
    with pytest.raises(StoreError, match=r"cannot write .*file/x \(3 bytes\)"):
        store.write_bytes(str(tmp_path / "file" / "x"), b"abc")
    (tmp_path / "folder").mkdir()
    with pytest.raises(StoreError, match="cannot write"):
        store.write_bytes(str(tmp_path / "folder"), b"abc")
    assert sorted(os.listdir(tmp_path)) == ["file", "folder"]
    assert os.listdir(tmp_path / "folder") == []


@pytest.mark.parametrize("address", ["nosuch://bucket/a.json", "/vsicurl/http://127.0.0.1/a"])
def test_an_unknown_kind_of_address_is_a_store_error(address: str) -> None:
    for act in (store.read_bytes, store.exists, store.remove):
        with pytest.raises(StoreError, match=address):
            act(address)
    with pytest.raises(StoreError, match=address):
        store.write_bytes(address, b"abc")


def test_addresses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert store.absolute("./data") == str(tmp_path / "data")
    assert store.absolute("s3://bucket/x") == "s3://bucket/x"
    assert store.join("s3://bucket/", "a", "b.tif") == "s3://bucket/a/b.tif"


# Killed while writing: the name holds the old content or the new, never a part.

WRITER = """
import os, signal, sys
from glacier import store

path, armed = sys.argv[1:]
if armed != "never":
    setattr(os, armed, lambda *a: os.kill(os.getpid(), signal.SIGKILL))
print("ready", flush=True)
k = 0
while True:
    k += 1
    store.write_bytes(path, bytes([k % 256]) * 3_000_000)
"""


def is_whole(path: Path) -> bool:
    """Whether a file is one that the writer meant to write."""
    data = path.read_bytes()
    return len(data) == 3_000_000 and data == data[:1] * len(data)


@pytest.mark.parametrize("armed", ["fsync", "replace"])
@pytest.mark.parametrize("before", [None, b"old"])
def test_killed_before_the_rename_the_old_content_stays(
    tmp_path: Path, armed: str, before: bytes | None
) -> None:
    path = tmp_path / "out" / "a.bin"
    if before is not None:
        store.write_bytes(str(path), before)
    done = subprocess.run(
        [sys.executable, "-c", WRITER, str(path), armed], cwd=ROOT, capture_output=True, timeout=60
    )
    assert done.returncode == -signal.SIGKILL and done.stdout == b"ready\n"
    assert (path.read_bytes() if path.exists() else None) == before
    store.write_bytes(str(path), b"again")  # what the dead writer left does not stand in the way
    assert path.read_bytes() == b"again"


@pytest.mark.parametrize("seed", range(4))
def test_killed_at_any_time_the_file_is_whole(tmp_path: Path, seed: int) -> None:
    path = tmp_path / "a.bin"
    child = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path), "never"], cwd=ROOT, stdout=subprocess.PIPE
    )
    assert child.stdout is not None and child.stdout.readline() == b"ready\n"
    deadline = time.monotonic() + 60
    while not path.exists() and time.monotonic() < deadline:
        time.sleep(0.001)
    time.sleep(random.Random(seed).uniform(0, 0.1))  # it is being replaced again and again
    child.kill()
    child.wait(timeout=60)
    child.stdout.close()
    assert is_whole(path)


def test_the_state_of_a_file_tells_whether_it_was_written_since(base: str) -> None:
    for name in ("a.bin", "b.bin", "below/c.bin"):
        store.write_bytes(store.join(base, name), b"x")
    before = store.list_states(base)
    assert set(before) == {"a.bin", "b.bin"} and before["a.bin"].size == 1
    assert store.list_states(base) == before
    time.sleep(0.01)  # a clock of file systems ticks every few milliseconds
    store.write_bytes(store.join(base, "a.bin"), b"y")
    after = store.list_states(base)
    assert after["a.bin"] != before["a.bin"] and after["b.bin"] == before["b.bin"]
    walked = dict(store.walk_states(base, ["a", "b", "below/"]))
    assert walked.pop("below/c.bin").size == 1 and walked == after
    assert store.list_states(store.join(base, "no")) == {}
    assert list(store.walk_states(store.join(base, "no"), [""])) == []


def test_no_name_is_asked_for_twice() -> None:
    assert store.drop_covered(["g1_", "g10_", "g1_x_", "a", "g1_x_"]) == ["a", "g10_", "g1_"]
    assert store.drop_covered([]) == []


@pytest.mark.parametrize(
    ("facts", "version"),
    [
        ({"size": 3, "ETag": '"a"', "LastModified": 5}, '"a"'),  # S3
        ({"size": 3, "etag": "b", "generation": "7"}, "b"),  # Google
        ({"size": 3, "mtime": 1.5}, "1.5"),
        ({"size": 3}, ""),
    ],
)
def test_a_store_says_in_its_own_way_what_has_changed(facts: dict, version: str) -> None:
    assert store.state_of_object(facts) == store.FileState(3, version)


@pytest.mark.parametrize("place", ["memory://matched[1]/store", "{tmp}/store [1]"])
def test_files_are_found_by_a_pattern_of_so_many_levels(place: str, tmp_path: Path) -> None:
    address = place.format(tmp=tmp_path)
    assert store.match_files(address, "*/*/.lock") == []
    for name in ("a/x/.lock", "a/.lock", "b/y/.lock", "b/y/z/.lock", "b/y/.lock-1", "b/y/file"):
        store.write_bytes(f"{address}/{name}", b"x")
    assert store.match_files(address, "*/*/.lock") == ["a/x/.lock", "b/y/.lock"]
