"""Whose a lock is, and whether the owner is alive."""

import json
import os
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glacier import owner
from glacier.lock_file import parse_owner
from glacier.owner import DEAD_S, GONE, Owner, read_clock, read_start


def test_this_process_is_alive_and_reads_back_whole() -> None:
    me = Owner.of_this_process("tiny")
    assert me.is_near() and me.is_running() and me.may_live()
    assert parse_owner(me.encode()) == me
    assert f"run tiny (process {os.getpid()} on {me.host}, since 20" in str(me)


def test_every_heartbeat_is_as_long_as_the_one_before() -> None:
    """A local lock is written in place, so that nothing of a longer one may be left."""
    me = Owner.of_this_process("tiny")
    later = [
        me.renew(heartbeat=me.heartbeat + timedelta(seconds=k)) for k in range(0, 200_000, 977)
    ]
    assert {len(each.encode()) for each in later} == {len(me.encode())}


def test_a_process_that_has_ended_is_gone() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    started = read_start(child.pid)
    assert started not in (GONE, "")
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert read_start(child.pid) == GONE  # nobody has asked after it: a zombie
    child.communicate()
    assert read_start(child.pid) == GONE


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")
def test_a_number_that_another_process_has_now_is_not_the_owner() -> None:
    me = Owner.of_this_process("tiny")
    assert not me.model_copy(update={"started": str(int(me.started) - 1)}).is_running()


def test_where_the_system_tells_no_start_the_number_decides(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    me = Owner.of_this_process("tiny")
    monkeypatch.setattr(owner, "read_start", lambda pid: "")
    assert me.is_running()
    assert me.model_copy(update={"started": ""}).is_running()
    monkeypatch.setattr(owner, "read_start", lambda pid: GONE)
    assert not me.is_running()
    assert not me.model_copy(update={"started": ""}).is_running()


@pytest.mark.parametrize(("age_s", "lives"), [(-3600, True), (0, True), (DEAD_S / 2, True),
                                              (DEAD_S + 2, False)])  # fmt: skip
def test_elsewhere_the_heartbeat_decides(age_s: float, lives: bool) -> None:
    beat = read_clock() - timedelta(seconds=age_s)
    far = Owner.of_this_process("tiny").renew(heartbeat=beat)
    far = far.model_copy(update={"machine": "another", "pid": 2**31 - 1})
    assert not far.is_near() and far.may_live() == lives


def test_a_container_beside_this_one_is_another_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    me = Owner.of_this_process("tiny")
    monkeypatch.setattr(os, "readlink", lambda path: "pid:[1]")
    assert not me.is_near()


HOSTILE = {
    "id": "../../../etc/passwd", "run": "a\x1b[2Jb", "host": "\x1b]0;x\x07", "pid": 2**70,
    "heartbeat": "2026-01-01T00:00:00",
}  # fmt: skip


@pytest.mark.parametrize(("name", "value"), HOSTILE.items())
def test_a_lock_with_a_value_that_no_run_writes_is_unreadable(name: str, value: object) -> None:
    values = json.loads(Owner.of_this_process("tiny").encode()) | {name: value}
    found = parse_owner(json.dumps(values).encode())
    assert str(found) == "a run whose lock cannot be read"
    assert not found.is_near() and not found.may_live()


@given(data=st.binary(max_size=300))
def test_any_bytes_are_somebodys_lock(data: bytes) -> None:
    found = parse_owner(data)
    assert found == parse_owner(data) and not found.is_near() and str(found)


@given(at=st.integers(0, 10_000), bit=st.integers(0, 7))
def test_a_flipped_bit_makes_no_lock_that_cannot_be_judged(at: int, bit: int) -> None:
    data = bytearray(Owner.of_this_process("tiny").encode())
    data[at % len(data)] ^= 1 << bit
    found = parse_owner(bytes(data))
    assert isinstance(found.may_live(), bool) and str(found).isprintable()


def test_signals_are_only_asked_about(monkeypatch: pytest.MonkeyPatch) -> None:
    sent = []
    monkeypatch.setattr(Path, "read_text", lambda *a, **k: (_ for _ in ()).throw(OSError()))
    monkeypatch.setattr(os, "kill", lambda pid, number: sent.append((pid, number)))
    assert read_start(4242) == ""
    assert sent == [(4242, 0)] and signal.SIGTERM not in sent[0]
