"""Tasks of a stream and their orders."""

from datetime import date

import pytest

from glacier.continual.stream import draw_orders, list_tasks
from glacier.errors import ConfigError
from glacier.settings.continual import Continual

IMAGES = [(name, date(year, 7, 1)) for name in ("a", "b", "c") for year in (2014, 2015)]


def test_regions_come_one_after_the_other() -> None:
    tasks = list_tasks(Continual(), IMAGES)
    assert [task.name for task in tasks] == ["a", "b", "c"]
    assert tasks[0].images == {("a", date(2014, 7, 1)), ("a", date(2015, 7, 1))}


def test_years_come_by_time_in_all_regions() -> None:
    tasks = list_tasks(Continual(stream="years"), IMAGES[::-1])
    assert [task.name for task in tasks] == ["2014", "2015"]
    assert {region for region, _ in tasks[1].images} == {"a", "b", "c"}


def test_tasks_are_lists_of_regions_and_spans_of_years() -> None:
    given = [
        {"name": "clean", "regions": ["a", "b"], "last_year": 2014},
        {"name": "debris", "regions": ["c"]},
    ]
    clean, debris = list_tasks(Continual(stream="tasks", tasks=given), IMAGES)
    assert clean.images == {("a", date(2014, 7, 1)), ("b", date(2014, 7, 1))}
    assert len(debris.images) == 2


def test_a_task_without_images_is_refused() -> None:
    given = [{"name": "all"}, {"name": "none", "regions": ["x"]}]
    with pytest.raises(ConfigError, match="no usable month is in none"):
        list_tasks(Continual(stream="tasks", tasks=given), IMAGES)


def test_a_stream_of_one_task_is_refused() -> None:
    with pytest.raises(ConfigError, match="nothing can be forgotten with fewer than 2"):
        list_tasks(Continual(), IMAGES[:2])


def test_orders_differ_and_those_there_stay_when_more_are_asked_for() -> None:
    orders = draw_orders(5, 6, seed=3)
    assert orders[0] == (0, 1, 2, 3, 4) and len(set(orders)) == 6
    assert all(sorted(order) == [0, 1, 2, 3, 4] for order in orders)
    assert draw_orders(5, 3, seed=3) == orders[:3]


def test_more_orders_than_there_are_are_refused() -> None:
    assert len(draw_orders(2, 2, seed=0)) == 2
    with pytest.raises(ConfigError, match="2 tasks have 2 orders"):
        draw_orders(2, 3, seed=0)


def test_tasks_go_with_their_stream_alone() -> None:
    with pytest.raises(ValueError, match="give tasks with stream tasks"):
        Continual(stream="tasks")
    with pytest.raises(ValueError, match="wanted none twice"):
        Continual(learning_rates=(1e-3, 1e-3))
