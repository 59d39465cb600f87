"""The samples for Prometheus and Grafana: only metrics that this Ray exports are asked for."""

import json
import re
from pathlib import Path

import ray
import yaml

ROOT = Path(__file__).parents[1]
METRICS = Path(ray.__file__).parent / "dashboard/modules/metrics"
DASHBOARD = json.loads((ROOT / "docs/samples/grafana-glacier.json").read_text())


def test_every_panel_asks_for_metrics_that_rays_own_dashboards_ask_for() -> None:
    own = "".join(path.read_text() for path in (METRICS / "dashboards").glob("*panels.py"))
    known = set(re.findall(r"(?:ray|autoscaler)_[a-z_]+", own))
    for panel in DASHBOARD["panels"]:
        expressions = [target["expr"] for target in panel["targets"]]
        for expression in expressions:
            asked = set(re.findall(r"(?:ray|autoscaler)_[a-z_]+", expression))
            assert asked and asked <= known, (panel["title"], asked - known)
            assert expression.count("(") == expression.count(")")
            assert expression.count("{") == expression.count("}")


def test_panels_have_a_place_and_a_source_of_their_own() -> None:
    panels = DASHBOARD["panels"]
    places = {(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels}
    assert len(places) == len(panels) == len({panel["id"] for panel in panels})
    assert {panel["datasource"]["uid"] for panel in panels} == {"${datasource}"}
    assert {each["name"] for each in DASHBOARD["templating"]["list"]} == {"datasource", "instance"}


def test_what_is_scraped_is_the_list_of_nodes_that_ray_writes() -> None:
    mine = yaml.safe_load((ROOT / "docs/samples/prometheus.yml").read_text())
    (job,) = mine["scrape_configs"]
    rays = yaml.safe_load((METRICS / "export/prometheus/prometheus.yml").read_text())
    assert job["file_sd_configs"] == rays["scrape_configs"][0]["file_sd_configs"]
