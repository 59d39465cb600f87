"""The page of a watch over a run's months."""

from __future__ import annotations

from datetime import date

from glacier.config import Config
from glacier.monitoring.findings import MonitorSummary, MonthRow
from glacier.plots.drift import ScoredMonth, draw_drift
from glacier.plots.figures import Picture
from glacier.reports.templating import open_templates


def render_page(config: Config, summary: MonitorSummary) -> str:
    """The page as HTML, with its pictures in it."""
    template = open_templates().get_template("monitor.html.j2")
    return template.render(
        name=config.name,
        regions=[
            {
                "title": config.place(row.region),
                "says": row.says,
                "network": row.network,
                "picture": draw_region(config, row.region, summary),
                "alarms": [m for m in list_months(row.region, summary) if m.status == "alarm"],
                "unjudged": [
                    m for m in list_months(row.region, summary)
                    if m.status == "not judged" and not m.is_reference
                ],
                "strange": [m for m in list_months(row.region, summary) if m.new_platforms],
            }
            for row in summary.regions
        ],
        false_alarms=config.monitor.false_alarms,
        holds=config.monitor.hold,
    )  # fmt: skip


def list_months(region: str, summary: MonitorSummary) -> list[MonthRow]:
    """The rows of a region."""
    return [row for row in summary.months if row.region == region]


def draw_region(config: Config, region: str, summary: MonitorSummary) -> Picture | None:
    """Scores of a region's months; None where none has one."""
    months = [
        ScoredMonth(date.fromisoformat(f"{row.month}-01"), row.score, row.level, row.is_reference)
        for row in list_months(region, summary)
        if row.score is not None
    ]
    return draw_drift(config.place(region), months) if months else None
