"""What a watch says of its months: rows, sentences, and a page that asks nobody."""

from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np

from glacier.config import Config
from glacier.monitoring.findings import MonitorSummary, describe_months, describe_region
from glacier.monitoring.months import judge_months
from glacier.monitoring.network import Looker
from glacier.monitoring.page import render_page
from tests.support.sketches import make_sketch, make_years
from tests.support.tiny import tiny_config

LOOKER = Looker(region="ridge", encoder="resnet34", fold=2, sha256="a" * 64)


def watch(config: Config, *new: object) -> MonitorSummary:
    """The findings of nine years and some months after them."""
    sketches = [*make_years(range(2011, 2020)), *new]
    found, reference = judge_months(config, sketches)  # type: ignore[arg-type]
    rows = describe_months(config, sketches, found, reference)  # type: ignore[arg-type]
    region = describe_region(config, rows, reference, LOOKER)
    return MonitorSummary(regions=(region,), months=tuple(rows))


def make_config(folder: Path, **monitor: object) -> Config:
    span = {"first": "2011-01", "last": "2019-12"}
    return tiny_config(folder, monitor={"reference": span} | monitor)


def test_an_alarm_is_said_first_and_whoever_looked_at_it(tmp_path: Path) -> None:
    august = make_sketch(date(2020, 8, 1))
    bad = replace(august, values=august.values + np.float32(0.1), platforms=("landsat-9",))
    summary = watch(make_config(tmp_path), make_sketch(date(2020, 7, 1)), bad)
    (region,) = summary.regions
    assert region.says.startswith(
        "Synthetic Ridge: 1 of 2 new months is unlike its season in other years"
    )
    assert "should be looked at: 2020-08." in region.says
    row = summary.months[-1]
    assert (row.status, row.new_platforms, row.looked) == ("alarm", ("landsat-9",), "")
    assert (
        row.says.startswith("the image is unlike its season: ")
        and "brighter in reflectance" in row.says
    )
    looked = watch(make_config(tmp_path, looked={"ridge/2020-08": "Ann"}), bad)
    assert looked.months[-1].looked == "Ann" and "none is an alarm" in looked.regions[0].says


def test_ground_that_only_a_network_finds_strange_is_said_in_plain_words(tmp_path: Path) -> None:
    august = make_sketch(date(2020, 8, 1))
    strange = replace(august, features=august.features + np.float32(3))
    row = watch(make_config(tmp_path), strange).months[-1]
    assert row.status == "alarm" and row.traits[0] == "features"
    assert row.says.startswith(
        "the image is unlike its season: to the network the ground looks less like its season than "
        "usual (squared discrepancy "
    )


def test_the_page_shows_every_region_and_loads_nothing(tmp_path: Path) -> None:
    august = make_sketch(date(2020, 8, 1))
    config = make_config(tmp_path, hold=True)
    bad = replace(august, values=august.values + np.float32(0.1), platforms=("<script>",))
    page = render_page(config, watch(config, bad))
    assert page.count("data:image/png;base64,") == 1
    assert "http:" not in page and "https:" not in page
    assert "<script>" not in page and "&lt;script&gt;" in page
    assert "has looked at all of them: resnet34, fold 2" in page
    assert "2020-08" in page and "until then it is not published" in page


def test_without_reference_months_nothing_is_judged_and_the_page_says_why(tmp_path: Path) -> None:
    config = tiny_config(tmp_path, monitor={"reference": {"first": "1990-01", "last": "1990-12"}})
    sketches = [make_sketch(date(2020, 8, 1))]
    found, reference = judge_months(config, sketches)
    rows = describe_months(config, sketches, found, reference)
    region = describe_region(config, rows, reference, Looker(region="ridge", why_none="a test"))
    assert reference is None and rows[0].says == "there is no reference month"
    assert "1 could not be judged" in region.says
    page = render_page(config, MonitorSummary(regions=(region,), months=tuple(rows)))
    assert "there is no reference month" in page
    assert "No network has looked at them: a test" in page
