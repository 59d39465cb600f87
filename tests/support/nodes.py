"""A Ray cluster of some nodes on one machine, of which a run loses one, its driver or its head.

A worker of the run stands still at a step of its writing (``glacier.kill_points``), so that it is
known what was under way when its node went.
"""

import json
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import torch
from ray._common.utils import reset_ray_address
from ray._private.node import Node
from ray.cluster_utils import Cluster

from glacier.kill_points import FOLDER, ORDER, TAKEN
from tests.support.driver import Run
from tests.support.trees import read_tree

NODE = {"object_store_memory": 100_000_000}

REACH_S = 200.0
"""Longest wait for a point, seconds."""


GO_S = 5.0
"""Longest wait for the end of a worker that has lost what it cannot be without, seconds."""


class Nodes:
    """A head without cores, on which the drivers are, and nodes of one core each."""

    def __init__(self, temp: Path, signs: Path, workers: int = 2) -> None:
        """Start them.

        Args:
            temp: For the files of Ray; its name is short, since sockets lie in it.
            signs: Where steps are waited for.
            workers: Nodes beside the head.
        """
        self.temp, self.signs = temp, signs
        temp.mkdir()
        signs.mkdir()
        with in_environment(**{FOLDER: str(signs)}):  # workers have that of their node
            self.cluster = Cluster(
                initialize_head=True,
                head_node_args={"num_cpus": 0, "temp_dir": str(temp), **NODE},
            )
        self.fill(workers)

    def fill(self, workers: int = 2) -> None:
        """Have so many nodes beside the head."""
        with in_environment(**{FOLDER: str(self.signs)}):
            while len(self.cluster.worker_nodes) < workers:
                self.cluster.add_node(num_cpus=1, **NODE)

    def start(self, config: Path, verb: str) -> Run:
        """Run a verb on them, with its driver on the head."""
        address = {"RAY_ADDRESS": self.cluster.address, FOLDER: str(self.signs)}
        return Run(config, self.temp, verb, **address)

    @contextmanager
    def stand_still(self, run: Run, point: str) -> Iterator[int]:
        """Have a worker of a run stand at a point, for the length of the block: its number.

        Args:
            run: That has just been started.
            point: Step and pattern of the address.
        """
        order = self.signs / f"{ORDER}.new"
        order.write_text(point)
        order.rename(self.signs / ORDER)
        number = self.await_taken(run)
        yield number
        with suppress(psutil.Error):  # it ends with its node, but not with a head elsewhere
            psutil.Process(number).wait(GO_S)
        (self.signs / f"{TAKEN}{number}").unlink()

    def await_taken(self, run: Run) -> int:
        """The number of the process that stands at the point."""
        until = time.monotonic() + REACH_S
        while time.monotonic() < until and run.process.poll() is None:
            for path in self.signs.glob(f"{TAKEN}*"):
                return int(path.name.removeprefix(TAKEN))
            time.sleep(0.02)
        run.process.kill()
        raise AssertionError(f"not reached: {run.process.communicate()}")

    def lose(self, worker: int) -> None:
        """Lose the node on which a worker runs, with all its processes at once."""
        (node,) = (
            node
            for node in self.cluster.worker_nodes
            if find_raylet(node) == psutil.Process(worker).ppid()
        )
        self.cluster.remove_node(node, allow_graceful=False)

    def find_actors(self, kind: str) -> list[int]:
        """The numbers of the processes of a class of actors, on any node but the head."""
        raylets = [psutil.Process(find_raylet(node)) for node in self.cluster.worker_nodes]
        found = (child for raylet in raylets for child in raylet.children())
        titles = {child.pid: "".join(child.cmdline()[:1]) for child in found}
        # One that is at work has the method in its title, too.
        return [pid for pid, title in titles.items() if title.split(".")[0] == f"ray::{kind}"]

    def lose_head(self) -> None:
        """Lose the head; the nodes stay and know nothing of it yet."""
        self.cluster.head_node.kill_all_processes(check_alive=False, allow_graceful=False)
        self.cluster.head_node = None

    def close(self) -> None:
        """End what is left."""
        for node in [*self.cluster.worker_nodes, self.cluster.head_node]:
            if node is not None:
                node.kill_all_processes(check_alive=False, allow_graceful=False)
        reset_ray_address()
        shutil.rmtree(self.temp, ignore_errors=True)
        shutil.rmtree(self.signs)


def find_raylet(node: Node) -> int:
    """The number of the process from which all workers of a node come."""
    (info,) = node.all_processes["raylet"]
    number: int = info.process.pid
    return number


@contextmanager
def in_environment(**values: str) -> Iterator[None]:
    """Have variables in the environment for the length of the block."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    yield
    for name, value in before.items():
        if value is None:
            del os.environ[name]
        else:
            os.environ[name] = value


@dataclass
class Stages:
    """What undisturbed runs of verbs leave, one after the other, in one folder.

    Disturbed runs are in the same folder, so that all paths in files are the same, too.
    """

    nodes: Nodes
    config: Path
    folder: Path
    """Storage and results; none of it is there at first."""
    verbs: tuple[str, ...]
    trees: dict[str, dict[str, object]] = field(default_factory=dict)
    """Verb to what is there once it has ended, of those that have been run."""

    def prepare(self, verb: str) -> dict[str, object]:
        """Have what is there before a verb; returns what it has to leave."""
        for each in self.verbs[: self.verbs.index(verb) + 1]:
            if each not in self.trees:
                self.restore(each)
                code, printed, said = self.nodes.start(self.config, each).finish()
                assert code == 0, printed + said
                self.trees[each] = self.read()
                shutil.copytree(self.folder, self.kept(each))
        self.restore(verb)
        return self.trees[verb]

    def restore(self, verb: str) -> None:
        """Have what the verb before has left."""
        shutil.rmtree(self.folder, ignore_errors=True)
        if before := self.verbs[: self.verbs.index(verb)]:
            shutil.copytree(self.kept(before[-1]), self.folder)

    def kept(self, verb: str) -> Path:
        """Where a copy of what a verb left lies."""
        return self.folder.with_name(f"after-{verb}")

    def read(self) -> dict[str, object]:
        """What is there now."""
        return read_tree(self.folder)


def read_epochs(trial: Path) -> list[dict[str, Any]]:
    """The epochs of a trial's last checkpoint, or of the whole trial where it has ended."""
    if (done := trial / "done.json").exists():
        found: list[dict[str, Any]] = json.loads(done.read_text())["epochs"]
        return found
    seal = trial / "checkpoint.json"
    if not seal.exists():
        return []
    (name,) = json.loads(seal.read_text())["files"]
    return list(torch.load(trial / name, weights_only=True)["epochs"])
