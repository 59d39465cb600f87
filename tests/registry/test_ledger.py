"""A registry: append-only, whole or not at all, and the serving model is one of the two."""

import json
import os
import threading
from pathlib import Path

import pytest

from glacier import lock_file, seals, store
from glacier.errors import ConfigError, Occupied, StoreError
from glacier.lock_file import create
from glacier.locks import hold
from glacier.owner import Owner
from glacier.registry.ledger import Ledger, list_registries
from glacier.registry.records import Registry
from tests.support.versions import make_version

MOMENTS = 20


@pytest.fixture(params=["disk", "memory"])
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Ledger:
    storage = str(tmp_path) if request.param == "disk" else f"memory://{tmp_path.name}"
    found = Ledger(storage, "alps", "leave")
    found.begin(make_version(), "nothing served before")
    return found


def kinds(registry: Registry) -> list[tuple[str, int, int]]:
    return [(entry.kind, entry.version, entry.serving) for entry in registry.history]


def test_a_first_version_serves_and_is_not_written_over(ledger: Ledger) -> None:
    assert ledger.begin(make_version(model="sweeps/other"), "again") == ledger.read()
    assert ledger.read().serving == make_version()
    assert kinds(ledger.read()) == [("first", 1, 1)]
    assert list_registries(ledger.storage) == ["alps"]


def test_the_gate_promotes_refuses_or_lets_wait(ledger: Ledger) -> None:
    ledger.record(make_version(decision="refused"))
    assert ledger.read().serving.id == 1
    ledger.record(make_version(decision="waits"))
    assert ledger.read().serving.id == 1 and ledger.read().waiting == ledger.read().find(3)
    ledger.record(make_version(decision="promoted"))
    found = ledger.read()
    assert kinds(found)[1:] == [("refused", 2, 1), ("waits", 3, 1), ("promoted", 4, 4)]
    assert found.serving.id == 4 and found.waiting is None  # it follows what serves no longer
    with pytest.raises(ConfigError, match="no version waits for a person"):
        ledger.approve("Ada")


def test_a_person_promotes_what_waits_and_is_named_with_the_time(ledger: Ledger) -> None:
    ledger.record(make_version(decision="waits"))
    entry = ledger.approve("Ada").history[-1]
    assert (entry.by, entry.why, entry.serving) == ("Ada", "Ada agreed", 2)
    assert entry.at.tzinfo is not None and entry.at >= ledger.read().history[-2].at


def test_a_rollback_goes_one_step_further_each_time(ledger: Ledger) -> None:
    ledger.record(make_version(decision="promoted"))
    ledger.record(make_version(decision="promoted", follows=2))
    assert ledger.roll_back("Ada").serving.id == 2
    assert ledger.roll_back("Ada").serving.id == 1
    with pytest.raises(ConfigError, match="nothing served before version 1"):
        ledger.roll_back("Ada")
    assert ledger.roll_back("Ada", to=3).serving.id == 3
    assert ledger.roll_back("Ada").serving.id == 1
    for to, said in ((1, "serves already"), (9, "no version 9; it has 1, 2, 3")):
        with pytest.raises(ConfigError, match=said):
            ledger.roll_back("Ada", to)
    assert len(ledger.read().history) == 7


def test_what_never_served_cannot_come_back(ledger: Ledger) -> None:
    ledger.record(make_version(decision="refused"))
    with pytest.raises(ConfigError, match="version 2 has never served"):
        ledger.roll_back("Ada", to=2)


def test_a_candidate_of_what_serves_no_longer_is_refused(ledger: Ledger) -> None:
    ledger.record(make_version(decision="promoted"))
    found = ledger.record(make_version(decision="promoted"))
    assert found.serving.id == 2
    assert found.history[-1].kind == "refused" and "began to serve" in found.history[-1].why


def test_nothing_is_taken_away(ledger: Ledger) -> None:
    ledger.record(make_version(decision="promoted"))
    with pytest.raises(AssertionError, match="only added to"):
        ledger.change(lambda found: found.model_copy(update={"history": found.history[:-1]}))
    assert ledger.read().serving.id == 2


def test_another_format_is_refused_with_what_to_do(tmp_path: Path) -> None:
    ledger = Ledger(str(tmp_path), "alps")
    seals.write_json(ledger.address, {"format": 99, "name": "alps"})
    with pytest.raises(
        StoreError, match=r"has format 99, and this version of glacier reads 1: use"
    ):
        ledger.read()


def test_damage_is_told_and_nothing_is_put_aside(tmp_path: Path) -> None:
    ledger = Ledger(str(tmp_path), "alps")
    ledger.begin(make_version(), "first")
    path = Path(ledger.address)
    path.write_text(path.read_text().replace("resnet18", "resnet19"))
    with pytest.raises(StoreError, match="put back a copy") as caught:
        ledger.read()
    assert type(caught.value) is StoreError and path.exists()
    (path.parent / seals.ASIDE).mkdir()
    path.rename(path.parent / seals.ASIDE / path.name)
    with pytest.raises(StoreError, match="was set aside since it is damaged; no job can make"):
        ledger.begin(make_version(), "first")


def test_a_missing_registry_is_named(ledger: Ledger) -> None:
    with pytest.raises(ConfigError, match="there is no registry 'alp'; did you mean alps"):
        Ledger(ledger.storage, "alp").read()
    with pytest.raises(ConfigError, match="`glacier learn` begins one"):
        Ledger(ledger.storage + "x", "alp").read()


def test_of_two_learners_the_second_leaves(tmp_path: Path) -> None:
    ledger = Ledger(str(tmp_path), "alps", "leave")
    lock = store.join(ledger.learners, ".lock")
    assert create(lock, Owner.of_this_process("other"))
    with pytest.raises(Occupied), hold(ledger, ledger.learners):
        pass
    ledger.begin(make_version(), "first")  # a rollback need not wait for a training


def test_writers_at_once_lose_nothing(tmp_path: Path) -> None:
    ledger = Ledger(str(tmp_path), "alps", "wait")
    ledger.begin(make_version(), "first")
    writers = [
        threading.Thread(target=ledger.record, args=(make_version(decision="refused"),))
        for _ in range(4)
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [version.id for version in ledger.read().versions] == [1, 2, 3, 4, 5]


def promote(ledger: Ledger) -> None:
    """What a learn job writes, and what a person does then."""
    if ledger.read().waiting is None:
        ledger.record(make_version(decision="waits"))
    ledger.approve("Ada")


def run_until(ledger: Ledger, moment: int) -> int:
    """Promote in a process that is killed at its so manieth step; returns its exit code."""
    pid = os.fork()
    if pid:
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    steps = 0

    def reach(*_: str) -> None:
        nonlocal steps
        steps += 1
        if steps == moment:
            os._exit(9)  # as a kill: nothing is tidied up

    for module in (store, seals, lock_file):
        module.reach = reach  # type: ignore[attr-defined]
    promote(ledger)
    os._exit(0)


def test_a_kill_at_any_moment_leaves_a_whole_registry_and_one_of_the_two(tmp_path: Path) -> None:
    """20 moments of recording and promoting, one after the other; then the job is done anew."""
    served = set()
    for moment in range(1, MOMENTS + 1):
        ledger = Ledger(str(tmp_path / str(moment)), "alps", "leave")
        begun = ledger.begin(make_version(), "first")
        assert run_until(ledger, moment) == 9, moment
        found = ledger.read()
        assert found.extends(begun) and found.serving.id in (1, 2), moment
        served.add(found.serving.id)
        if found.serving.id == 1:
            promote(ledger)
        assert kinds(ledger.read()) == [("first", 1, 1), ("waits", 2, 1), ("promoted", 2, 2)]
        ledger.roll_back("Ada")  # takes the lock of the dead over
        left = [path.name for path in (tmp_path / str(moment)).rglob("*") if path.is_file()]
        assert left == ["alps.json"], moment
    assert served == {1, 2}


def test_the_file_can_be_read_by_people_and_programs(ledger: Ledger) -> None:
    found = json.loads(store.read_bytes(ledger.address))
    assert found["format"] == 1 and found["versions"][0]["model"] == "sweeps/tiny-00000001"


def test_a_model_below_the_storage_moves_with_it(ledger: Ledger) -> None:
    folder = store.join(ledger.storage, "sweeps", "tiny-1234abcd")
    name = ledger.name_model(folder)
    assert name == "sweeps/tiny-1234abcd"
    assert ledger.locate(make_version(model=name)) == folder
    assert ledger.name_model("/elsewhere/sweeps/x") == "/elsewhere/sweeps/x"
    assert ledger.locate(make_version(model="/elsewhere/sweeps/x")) == "/elsewhere/sweeps/x"
