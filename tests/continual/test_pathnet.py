"""PathNet: tournaments, mutants, and a winner that freezes."""

import numpy as np
import torch

from glacier.continual.learn import learn_task
from glacier.continual.pathnet import CHOSEN, MODULES, PATHS, PathNet, hold_tournament, mutate
from tests.support.streams import copy_weights, make_strategy, make_tasks


def make_path(value: int) -> np.ndarray:
    return np.full((3, CHOSEN), value)


def test_the_better_path_stays_and_the_worse_becomes_its_mutant() -> None:
    rivals = [make_path(value) for value in range(4)]
    for fitness, winner in (([0.2, 0.7], 0), ([0.7, 0.2], 1)):
        found = hold_tournament(rivals, fitness, np.random.default_rng(0))
        assert [path[0, 0] for path in found[:3]] == [winner, 2, 3] and len(found) == 4
        assert (np.abs(found[3] - winner) % MODULES <= MODULES - 1).all()


def test_a_mutant_differs_by_one_small_step_on_average() -> None:
    path, rng = make_path(3), np.random.default_rng(0)
    mutants = np.stack([mutate(path, rng) for _ in range(3000)])
    assert set(np.unique(mutants - 3)) == {-2, -1, 0, 1, 2}
    changed = (mutants != 3).sum(axis=(1, 2)).mean()
    assert abs(changed - 0.8) < 0.06  # a fifth of the moves is none
    assert (mutate(make_path(MODULES - 1), rng) >= 0).all()


def test_the_winning_path_freezes_and_all_else_is_new() -> None:
    strategy, tasks = make_strategy("pathnet", steps=30), make_tasks(3)
    assert isinstance(strategy, PathNet)
    learn_task(strategy, tasks[0])
    (path,) = strategy.found
    old = copy_weights(strategy.net)
    with torch.no_grad():
        said = strategy.predict(tasks[0].test.images, 0)
    for task in tasks[1:]:
        learn_task(strategy, task)
    new = strategy.net.state_dict()
    frozen = [
        f"stages.{place}.{at}." for place, chosen in enumerate(path) for at in np.unique(chosen)
    ]
    for name in old:
        if name.startswith(tuple(frozen)) or name.startswith("heads.0."):
            assert torch.equal(old[name], new[name]), name
    moved = [name for name in old if not torch.equal(old[name], new[name])]
    assert any(name.startswith("stages.") for name in moved)
    with torch.no_grad():
        assert torch.equal(strategy.predict(tasks[0].test.images, 0), said)


def test_paths_compete_in_the_first_half_of_a_task() -> None:
    strategy, task = make_strategy("pathnet", steps=48), make_tasks()[0]
    assert isinstance(strategy, PathNet)
    strategy.begin(0)
    strategy.before_task(task)
    seen = []
    for _ in range(48):
        seen.append(strategy.now.tobytes())
        strategy.loss(task.train)
        strategy.after_step(task.train)
    assert len(set(seen[:24])) > PATHS // 2 and len(set(seen[24:])) == 1
    assert seen[23] != seen[22] or seen[24] in seen[:24]
