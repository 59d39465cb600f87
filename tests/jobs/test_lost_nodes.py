"""A node, the driver or the head lost in each stage: the same bytes, at most a checkpoint again."""

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.fake_earthengine import (
    COARSE,
    FakeEarthEngine,
    ask_fake,
    serve,
    synthetic_scenes,
)
from tests.support.nodes import Nodes, Stages, read_epochs
from tests.support.tiny import tiny_config, write_tiny
from tests.support.trees import list_differences, read_tree

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(600)]

EPOCHS, LAST_SAVED = 6, 2
POINTS = {
    "ingest": "written */archive/*/2014-07.tif",
    "prepare": "written */samples/*/mendenhall_2014-07.parquet",
    "sweep": f"renamed */trials/*/epoch-{LAST_SAVED + 1}.pt",
    "predict": "written */maps/*/2014-07.probability.tif",
}
"""Where a worker of each verb stands when it is disturbed."""

CHANGES = {
    "sweep": {"epochs": EPOCHS, "checkpoint_s": 0, "random_forest": False, "max_retries": 1},
    "prepare": {"quick_looks": False},
}


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    nodes = Nodes(Path(f"/tmp/gn{os.getpid()}"), tmp_path_factory.mktemp("signs") / "signs")
    yield nodes
    nodes.close()


@pytest.fixture(scope="module")
def stages(nodes: Nodes, tmp_path_factory: pytest.TempPathFactory) -> Stages:
    folder = tmp_path_factory.mktemp("stages")
    config = write_tiny(folder / "work", **CHANGES).rename(folder / "tiny.yaml")
    return Stages(nodes, config, folder / "work", tuple(POINTS))


@pytest.mark.parametrize("verb", POINTS)
def test_what_a_lost_node_was_doing_is_done_on_the_others(
    nodes: Nodes, stages: Stages, verb: str
) -> None:
    nodes.fill()
    wanted = stages.prepare(verb)
    run = nodes.start(stages.config, verb)
    with nodes.stand_still(run, POINTS[verb]) as worker:
        saved = read_trials(stages)
        nodes.lose(worker)
    code, printed, said = run.finish()
    assert code == 0, printed + said
    assert list_differences(stages.read(), wanted) == []
    if verb == "sweep":
        check_epochs(stages, saved)


def test_a_service_is_asked_from_the_nodes_that_are_there(
    tmp_path: Path, fake: FakeEarthEngine
) -> None:
    """A head without cores, a node, a second one, and the first is lost.

    The service answers so late that much is still to be asked when the second node is there. What
    the lost node had asked counts as under way until its deadline.
    """
    config = write_tiny(tmp_path, **ask_fake(tmp_path, fake, "2016-12", deadline_s=10.0))
    fake.latency_s = 1.0
    few = Nodes(Path(f"/tmp/gf{os.getpid()}"), tmp_path / "signs", workers=0)
    try:
        run = few.start(config, "ingest")
        run.await_line("ingest: 0/36; begun")
        assert not fake.asked, "there is no core to ask from"
        few.fill(1)
        first = await_actors(few, 1)
        few.fill(2)
        await_actors(few, 2)
        few.lose(*first)
        fake.latency_s = 0.3
        code, printed, said = run.finish()
        assert code == 0 and "ingest: 36 months:" in printed, printed + said
        disturbed = read_tree(tmp_path / "data")
        shutil.rmtree(tmp_path / "data")
        fake.latency_s = 0.0
        assert few.start(config, "ingest").finish()[0] == 0
        assert list_differences(disturbed, read_tree(tmp_path / "data")) == []
    finally:
        few.close()


@pytest.fixture
def fake(tmp_path: Path) -> Iterator[FakeEarthEngine]:
    scenes_of = synthetic_scenes(tiny_config(tmp_path / "scenes", regions=[COARSE]))
    with serve(FakeEarthEngine(scenes_of)) as fake:
        yield fake


def await_actors(nodes: Nodes, count: int) -> list[int]:
    """The numbers of all processes that ask a service, once there are so many."""
    until = time.monotonic() + 60
    while len(found := nodes.find_actors("Fetcher")) < count:
        assert time.monotonic() < until
        time.sleep(0.1)
    return found


def read_trials(stages: Stages) -> dict[Path, list[dict[str, object]]]:
    """The epochs of each trial that are saved, none where they are of another verb."""
    trials = (path for path in stages.folder.glob("data/trials/*/*/fold-*"))
    return {path: read_epochs(path) for path in trials}


def check_epochs(stages: Stages, saved: dict[Path, list[dict[str, object]]]) -> None:
    """What was saved was not trained again: the times of its epochs are still the same."""
    assert max(map(len, saved.values())) >= LAST_SAVED + 1
    for path, epochs in read_trials(stages).items():
        assert len(epochs) == EPOCHS
        before = saved.get(path, [])
        assert epochs[: len(before)] == before


def test_a_lost_driver_is_followed_by_one_that_goes_on(nodes: Nodes, stages: Stages) -> None:
    nodes.fill()
    wanted = stages.prepare("sweep")
    run = nodes.start(stages.config, "sweep")
    with nodes.stand_still(run, POINTS["sweep"]):
        saved = read_trials(stages)
        run.process.kill()
        run.process.communicate()
    code, printed, said = nodes.start(stages.config, "sweep").finish()
    assert code == 0, printed + said
    assert list_differences(stages.read(), wanted) == []
    check_epochs(stages, saved)


def test_a_lost_head_is_followed_by_a_cluster_that_goes_on(
    nodes: Nodes, stages: Stages, tmp_path: Path
) -> None:
    """The driver is on the head, so it goes with it; the other nodes have not noticed yet."""
    nodes.fill()
    wanted = stages.prepare("sweep")
    run = nodes.start(stages.config, "sweep")
    with nodes.stand_still(run, POINTS["sweep"]):
        saved = read_trials(stages)
        run.process.kill()
        nodes.lose_head()
        run.process.communicate()
    other = Nodes(Path(f"/tmp/go{os.getpid()}"), tmp_path / "signs")
    try:
        code, printed, said = other.start(stages.config, "sweep").finish()
    finally:
        other.close()
    assert code == 0, printed + said
    assert list_differences(stages.read(), wanted) == []
    check_epochs(stages, saved)
