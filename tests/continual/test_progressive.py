"""Progressive networks: what is learned stays to the last bit."""

import torch

from glacier.continual.learn import learn_task
from glacier.continual.progressive import Columns
from tests.support.streams import copy_weights, make_strategy, make_tasks


def test_old_columns_do_not_move_by_a_bit() -> None:
    strategy, tasks = make_strategy("progressive", steps=5), make_tasks(3)
    learn_task(strategy, tasks[0])
    old = copy_weights(strategy.net)
    with torch.no_grad():
        said = strategy.predict(tasks[0].test.images, 0)
    for task in tasks[1:]:
        learn_task(strategy, task)
    new = strategy.net.state_dict()
    assert len(new) > 2 * len(old) and all(torch.equal(old[name], new[name]) for name in old)
    with torch.no_grad():
        assert torch.equal(strategy.predict(tasks[0].test.images, 0), said)


def test_a_later_column_sees_the_earlier_ones() -> None:
    torch.manual_seed(0)
    net, image = Columns(2, 2, 4), torch.randn(1, 2, 8, 8)
    net.grow()
    with torch.no_grad():
        first, second = net(image, 0), net(image)
        for value in net.columns[0].parameters():
            value += 0.3
        assert not torch.equal(net(image, 0), first) and not torch.equal(net(image), second)
        for value in net.sides.parameters():
            value.zero_()
        blind = net(image)
        for value in net.columns[0].parameters():
            value += 0.3
        assert torch.equal(net(image), blind)


def test_an_image_of_a_task_without_a_column_goes_through_the_latest() -> None:
    strategy, tasks = make_strategy("progressive"), make_tasks(3)
    learn_task(strategy, tasks[0])
    with torch.no_grad():
        images = tasks[2].test.images
        assert torch.equal(strategy.predict(images, 2), strategy.predict(images, 0))
