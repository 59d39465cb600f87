"""One run at a time works in a folder; who finds another waits or leaves; the dead are followed."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from glacier import interrupts, locks, store
from glacier.command import run_command
from glacier.config import Config, config_digest
from glacier.errors import Occupied, StoreError
from glacier.lock_file import create, discard, read_owner
from glacier.locks import LOCK, Watch, find_living, hold, remove_dead, remove_leftovers, remove_lock
from glacier.owner import DEAD_S, Owner, read_clock
from tests.support.occupied import impatient
from tests.support.racer import REGION
from tests.support.tiny import tiny_config, write_tiny

ROOT = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look often."""
    monkeypatch.setattr(locks, "FIRST_POLL_S", 0.001)
    monkeypatch.setattr(locks, "POLL_S", 0.005)


@pytest.fixture(params=["local", "memory"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A folder on disk and in an object store."""
    place = str(tmp_path) if request.param == "local" else f"memory://{uuid.uuid4().hex}"
    return store.join(place, "archive", "mendenhall-12345678")


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return tiny_config(tmp_path)


def owner_at(folder: str) -> Owner | None:
    return read_owner(store.join(folder, LOCK))


def someone(**changes: object) -> Owner:
    """A run in another process, which has ended, unless something is changed."""
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    other = Owner.of_this_process("other").model_copy(update={"pid": child.pid})
    return other.model_copy(update=changes)


def far(silent_s: float) -> Owner:
    """A run on another machine, heard of last some seconds ago by its own clock."""
    beat = read_clock() - timedelta(seconds=silent_s)
    return someone(machine="far", host="far", heartbeat=beat)


def put(folder: str, owner: Owner) -> None:
    assert create(store.join(folder, LOCK), owner)


def test_a_held_folder_says_who_works_there(folder: str, config: Config) -> None:
    with hold(config, folder):
        found = owner_at(folder)
        assert found is not None and (found.run, found.pid) == ("tiny", os.getpid())
        assert find_living(folder) == found
    assert owner_at(folder) is None and find_living(folder) is None
    assert not store.list_folders(folder.rpartition("/")[0])


def test_it_is_given_back_after_an_error_too(folder: str, config: Config) -> None:
    with pytest.raises(StoreError, match="mine"), hold(config, folder):
        raise StoreError("mine")
    assert owner_at(folder) is None


def test_the_setting_changes_no_hash(config: Config) -> None:
    assert config_digest(config) == config_digest(impatient(config))


def test_what_this_run_holds_it_holds_on(folder: str, config: Config) -> None:
    with hold(config, folder):
        mine = owner_at(folder)
        with hold(impatient(config), folder, f"{folder}/inner"):
            assert owner_at(folder) == mine and owner_at(f"{folder}/inner") is not None
        assert owner_at(folder) == mine and owner_at(f"{folder}/inner") is None


def test_another_run_waits_and_says_for_whom(
    folder: str, config: Config, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks, "SAY_S", 0.05)
    order = []

    def work() -> None:
        with hold(config, folder):
            order.append("second")

    with hold(config, folder):
        owner = str(owner_at(folder))
        second = threading.Thread(target=work)
        second.start()
        time.sleep(0.3)
        order.append("first")
    second.join()
    assert order == ["first", "second"]
    first, again, *more, last = capsys.readouterr().out.splitlines()
    assert first == f"lock: {folder} is worked on by {owner}; waiting for it"
    assert again.startswith(f"lock: waiting for {owner} for ") and folder in again
    assert last == f"lock: {folder} is free after 0 s; looking at what is still missing"
    assert len(more) <= 6


def test_another_run_leaves_where_it_is_told_to(folder: str, config: Config) -> None:
    me = Owner.of_this_process("other")
    put(folder, me)
    with pytest.raises(Occupied, match=r"is worked on by run other \(process \d+ on"):
        with hold(impatient(config), f"{folder}-a", folder, f"{folder}-z"):
            pytest.fail("two own it")
    assert owner_at(folder) == me
    assert owner_at(f"{folder}-a") is None and owner_at(f"{folder}-z") is None
    put(f"{folder}-far", far(DEAD_S / 2))
    with pytest.raises(Occupied), hold(impatient(config), f"{folder}-far"):
        pytest.fail("two own it")


def test_leaving_is_no_failure_of_a_command(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    def stage(config: Config) -> int:
        put(str(tmp_path / "x"), Owner.of_this_process("other"))
        with hold(config, str(tmp_path / "x")):
            return 1

    assert run_command([str(write_tiny(tmp_path)), "--when_locked", "leave"], "", stage) == 0
    assert "is worked on by run other" in capsys.readouterr().out


# Owners that are dead


@pytest.mark.parametrize(
    "make", [someone, lambda: Owner.of_this_process("other").model_copy(update={"started": "1"})],
    ids=["dead process", "another process of its number"],
)  # fmt: skip
@pytest.mark.parametrize("when", ["wait", "leave"])
def test_a_dead_owner_is_followed_at_once(
    folder: str, config: Config, capsys: pytest.CaptureFixture, make: Callable[[], Owner], when: str
) -> None:
    other = make()
    put(folder, other)
    assert find_living(folder) is None
    with hold(config.model_copy(update={"when_locked": when}), folder):
        found = owner_at(folder)
        assert found is not None and found.run == "tiny"
    said = f"lock: {other} ended without giving {folder} back; it is taken over\n"
    assert capsys.readouterr().out == said
    assert not store.list_folders(folder.rpartition("/")[0])


class Clock:
    """A clock that goes on while a run sleeps."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now, self.at_tick = 1000.0, lambda: None
        monkeypatch.setattr(locks.time, "monotonic", lambda: self.now)
        monkeypatch.setattr(locks.time, "sleep", self.sleep)

    def sleep(self, _: float) -> None:
        self.now += 1.0
        self.at_tick()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    monkeypatch.setattr(locks, "beat", lambda held, done: None)
    return Clock(monkeypatch)


def test_an_old_heartbeat_from_elsewhere_is_confirmed(
    folder: str, config: Config, clock: Clock
) -> None:
    """The other machine's clock may be slow: three heartbeats are waited for."""
    put(folder, far(DEAD_S + 5))
    with hold(impatient(config), folder):
        assert locks.CONFIRM_BEATS * locks.BEAT_S <= clock.now - 1000 <= DEAD_S / 2


@pytest.mark.parametrize("silent_s", [0, -86400], ids=["right clock", "clock a day ahead"])
def test_a_silent_owner_elsewhere_is_followed_in_the_end(
    folder: str, config: Config, clock: Clock, silent_s: float
) -> None:
    put(folder, far(silent_s))
    with hold(config, folder):
        assert DEAD_S <= clock.now - 1000 <= DEAD_S + 5


@pytest.mark.parametrize("late_s", [0, 86400], ids=["right clock", "clock a day late"])
def test_an_owner_elsewhere_whose_heart_beats_is_waited_for(
    folder: str, config: Config, clock: Clock, late_s: float
) -> None:
    other = far(late_s)
    put(folder, other)
    address, beats = store.join(folder, LOCK), 0

    def tick() -> None:
        nonlocal beats
        beats += 1
        if beats == 4 * DEAD_S:
            remove_lock(address, other, Watch())
        elif beats < 4 * DEAD_S and beats % locks.BEAT_S == 0:
            beat = other.heartbeat + timedelta(seconds=beats)
            store.write_bytes(address, other.renew(heartbeat=beat).encode())

    clock.at_tick = tick
    with hold(config, folder):
        assert beats >= 4 * DEAD_S


@pytest.mark.parametrize("data", [b"", b"{", b'{"id": 1}'])
def test_a_damaged_lock_is_followed_when_nobody_renews_it(
    folder: str, config: Config, clock: Clock, data: bytes
) -> None:
    store.write_bytes(store.join(folder, LOCK), data)
    with hold(config, folder):
        assert clock.now - 1000 >= locks.CONFIRM_BEATS * locks.BEAT_S
        assert owner_at(folder).run == "tiny"
    assert owner_at(folder) is None


def test_two_that_find_it_dead_cannot_both_have_it(folder: str) -> None:
    """The second acts on what it saw before the first took over: the new lock stays."""
    dead, winner = someone(), Owner.of_this_process("winner")
    address = store.join(folder, LOCK)
    put(folder, dead)
    assert remove_lock(address, dead, Watch())
    put(folder, winner)
    assert not remove_lock(address, dead, Watch())
    assert owner_at(folder) == winner


def test_while_one_removes_a_lock_no_other_does(folder: str) -> None:
    dead, busy = someone(), Owner.of_this_process("busy")
    address = store.join(folder, LOCK)
    put(folder, dead)
    claim = store.join(folder, f"{LOCK}-{dead.id}")
    assert create(claim, busy)
    assert not remove_lock(address, dead, Watch())
    assert owner_at(folder) == dead and read_owner(claim) == busy


def test_who_died_while_removing_a_lock_stands_in_nobodys_way(folder: str, config: Config) -> None:
    dead = someone()
    put(folder, dead)
    assert create(store.join(folder, f"{LOCK}-{dead.id}"), someone())
    with hold(config, folder):
        assert owner_at(folder).run == "tiny"
    assert not store.list_folders(folder.rpartition("/")[0])


def test_a_claim_of_a_living_run_outlasts_the_lock_that_it_is_for(
    tmp_path: Path, config: Config
) -> None:
    """Whose lock was taken for dead, and who gives it back meanwhile, leaves that to the other."""
    busy = Owner.of_this_process("busy")
    with hold(config, str(tmp_path)):
        mine = owner_at(str(tmp_path))
        claim = str(tmp_path / f"{LOCK}-{mine.id}")
        assert create(claim, busy)
    assert read_owner(claim) == busy and owner_at(str(tmp_path)).id == mine.id


def test_only_ones_own_lock_is_given_back(folder: str, config: Config) -> None:
    other = Owner.of_this_process("other")
    with hold(config, folder):
        store.write_bytes(store.join(folder, LOCK), other.encode())
    assert owner_at(folder) == other


def test_nothing_missing_a_dead_lock_goes_and_a_living_one_stays(
    folder: str, config: Config
) -> None:
    put(folder, someone())
    put(f"{folder}-2", living := Owner.of_this_process("other"))
    remove_dead(config, folder, f"{folder}-2", f"{folder}-3")
    assert owner_at(folder) is None and owner_at(f"{folder}-2") == living
    assert owner_at(f"{folder}-3") is None


def test_who_dies_between_removing_its_lock_and_the_claim_to_it_leaves_nothing(
    tmp_path: Path, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = store.join(str(tmp_path), LOCK)
    put(str(tmp_path), dead := someone())
    monkeypatch.setattr(locks, "discard", lambda address: address == lock and discard(address))
    assert remove_lock(lock, dead, Watch())
    (claim,) = tmp_path.glob(".lock*")
    assert claim.name == f".lock-{dead.id}"
    claim.write_bytes(someone().encode())
    monkeypatch.undo()
    remove_dead(config, str(tmp_path))
    assert list(tmp_path.glob(".*")) == []


def test_where_nothing_may_be_written_a_dead_lock_stays(
    tmp_path: Path, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(str(tmp_path / "a"), dead := someone())

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "write_bytes", refuse)
    remove_dead(config, str(tmp_path / "a"))
    assert owner_at(str(tmp_path / "a")) == dead


# Heartbeats


@pytest.fixture
def quick_heart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "BEAT_S", 0.01)


def await_owner(folder: str, is_awaited: Callable[[Owner | None], bool]) -> Owner | None:
    """The owner of a folder once it is such a one, or after half a minute whoever it is."""
    deadline = time.monotonic() + 30
    while not is_awaited(found := owner_at(folder)) and time.monotonic() < deadline:
        time.sleep(0.01)
    return found


def test_the_heart_beats_while_it_is_held(folder: str, config: Config, quick_heart: None) -> None:
    with hold(config, folder):
        first = owner_at(folder)
        last = await_owner(folder, lambda owner: owner.heartbeat > first.heartbeat)
        assert last.heartbeat > first.heartbeat
        assert last == first.model_copy(update={"heartbeat": last.heartbeat})
    assert not [thread for thread in threading.enumerate() if thread.name == "lock"]


def test_a_lock_removed_by_hand_comes_back(folder: str, config: Config, quick_heart: None) -> None:
    with hold(config, folder):
        mine = owner_at(folder)
        store.remove(store.join(folder, LOCK))
        assert await_owner(folder, lambda owner: owner is not None).id == mine.id


def test_a_removed_folder_does_not_come_back(
    tmp_path: Path, config: Config, quick_heart: None
) -> None:
    with hold(config, str(tmp_path / "a")):
        store.remove_folder(str(tmp_path / "a"))
        time.sleep(0.1)
        assert not (tmp_path / "a").exists()


def test_who_was_followed_stops(
    folder: str, config: Config, quick_heart: None, capsys: pytest.CaptureFixture
) -> None:
    other = Owner.of_this_process("other")
    usual = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt), hold(config, folder):
            store.write_bytes(store.join(folder, LOCK), other.encode())
            time.sleep(30)
    finally:
        signal.signal(signal.SIGINT, usual)
    assert owner_at(folder).id == other.id
    assert f"{folder} was taken over by another run" in capsys.readouterr().out


FOLLOWED = """
import sys, time
from glacier import interrupts, locks, store
from glacier.config import Config
from glacier.owner import Owner

def work():
    locks.BEAT_S = 0.01
    config = Config.model_validate({"name": "a", "regions": [%s]})
    with locks.hold(config, sys.argv[1]):
        store.write_bytes(f"{sys.argv[1]}/.lock", Owner.of_this_process("other").encode())
        time.sleep(30)
    return 0

sys.exit(interrupts.run_program(work))
"""


def test_who_was_followed_stops_also_in_the_background(tmp_path: Path) -> None:
    """A shell starts what runs in its background deaf to Ctrl-C."""
    done = subprocess.run(
        [sys.executable, "-c", FOLLOWED % REGION, str(tmp_path / "a")],
        cwd=ROOT, capture_output=True, text=True, timeout=60,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),
    )  # fmt: skip
    assert done.returncode == 130, done.stderr
    assert "was taken over by another run" in done.stdout and interrupts.GO_ON in done.stderr


# What killed writers left


def test_the_owner_removes_all_that_is_unfinished_at_once(tmp_path: Path, config: Config) -> None:
    left = ("a/.x.tif.1f.tmp", "a/figures/.y.png.2f.tmp", "a/b/c/.epoch-3.pt.3f.tmp",
            f"a/{LOCK}-{'0' * 32}")  # fmt: skip
    whole = ("a/x.tif", "a/figures/y.tmp", "a/.hidden", "beside/.z.tif.4f.tmp")
    for name in left + whole:
        store.write_bytes(str(tmp_path / name), b"ice")
    with hold(config, str(tmp_path / "a")):
        found = {str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if p.is_file()}
        assert found == {*whole, f"a/{LOCK}"}
        store.write_bytes(str(tmp_path / left[0]), b"of a worker that was lost")
    found = {str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if p.is_file()}
    assert found == set(whole)


def test_what_another_run_writes_below_is_left_alone(tmp_path: Path, config: Config) -> None:
    store.write_bytes(str(tmp_path / "study/plain/.report.html.1f.tmp"), b"half")
    put(str(tmp_path / "study/plain"), Owner.of_this_process("other"))
    with hold(config, str(tmp_path / "study")):
        pass
    assert (tmp_path / "study/plain/.report.html.1f.tmp").exists()


def test_without_an_owner_age_tells(tmp_path: Path) -> None:
    old, young = tmp_path / ".a.1.tmp", tmp_path / ".b.2.tmp"
    for path in (old, young):
        path.write_bytes(b"ice")
    os.utime(old, (time.time() - 2 * locks.SHARED_S,) * 2)
    remove_leftovers(str(tmp_path), locks.SHARED_S)
    assert list(tmp_path.iterdir()) == [young]
    remove_leftovers("memory://nowhere")
    remove_leftovers(str(tmp_path / "nowhere"))


# Races of real processes

TIMES = 50


def start_racers(folder: Path, count: int) -> list[subprocess.Popen]:
    command = [sys.executable, "tests/support/racer.py", str(folder), str(TIMES),
               str(folder.parent / "diary")]  # fmt: skip
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    pipe = subprocess.PIPE
    racers = [
        subprocess.Popen(command, cwd=ROOT, env=env, stdin=pipe, stdout=pipe, stderr=pipe)
        for _ in range(count)
    ]
    for racer in racers:
        assert racer.stdout.readline() == b"ready\n"
    for racer in racers:
        racer.stdin.write(b"\n")
        racer.stdin.flush()
    return racers


def read_turns(diary: Path) -> list[str]:
    """Who was inside, in order; fails where one came in before another was out."""
    words = [line.split() for line in diary.read_text().splitlines()]
    turns = []
    for (came, way_in), (left, way_out) in zip(words[::2], words[1::2], strict=True):
        assert (came, way_in, way_out) == (left, "in", "out")
        turns.append(came)
    return turns


def test_of_two_processes_one_is_inside_at_a_time(tmp_path: Path) -> None:
    racers = start_racers(tmp_path / "a", 2)
    for racer in racers:
        _, told = racer.communicate(timeout=120)
        assert racer.returncode == 0, told.decode()
    turns = read_turns(tmp_path / "diary")
    assert sorted(turns) == sorted([str(racer.pid) for racer in racers] * TIMES)
    assert os.listdir(tmp_path / "a") == []


def test_killed_inside_or_at_the_door_it_is_followed_by_one_alone(tmp_path: Path) -> None:
    """Six race, three are killed at some moment: the others never meet, and all come through."""
    rng = random.Random(4)
    racers = start_racers(tmp_path / "a", 6)
    for racer in racers[:3]:
        time.sleep(rng.uniform(0.05, 0.3))
        racer.kill()
    told = [racer.communicate(timeout=200)[1].decode() for racer in racers]
    assert [racer.returncode for racer in racers] == [-signal.SIGKILL] * 3 + [0] * 3, told
    assert os.listdir(tmp_path / "a") == []
