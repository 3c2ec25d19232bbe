"""Reads the committed dashboards: which panels there are, and what each asks."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).with_name("dashboards")


@dataclass(frozen=True, slots=True)
class Asked:
    """One query of a panel.

    Attributes:
        expr: In PromQL, with Grafana's variables.
        legend: What each series is called, with labels in double braces; "" for Prometheus' own name.
        instant: Whether it is asked for now alone, not for a range of time.
    """

    expr: str
    legend: str
    instant: bool

    def filled(self, variables: tuple[str, ...], rate_interval: str, time_range: str) -> str:
        """Returns the query as Grafana would send it, with everything chosen."""
        expr = self.expr.replace("$__rate_interval", rate_interval).replace("$__range", time_range)
        for name in variables:
            expr = expr.replace(f"${name}", ".*")
        return expr


@dataclass(frozen=True, slots=True)
class PanelRead:
    """One panel.

    Attributes:
        title: Its title.
        kind: Grafana's name of its type.
        unit: Grafana's name of the unit; "" for none.
        place: Left, top, width and height, in cells of which a dashboard is 24 wide.
        queries: What it asks.
    """

    title: str
    kind: str
    unit: str
    place: tuple[int, int, int, int]
    queries: tuple[Asked, ...]


@dataclass(frozen=True, slots=True)
class Read:
    """One dashboard.

    Attributes:
        name: Of its file.
        title: Its title.
        variables: The variables that its queries may hold, the data source apart.
        panels: Its panels, in order.
    """

    name: str
    title: str
    variables: tuple[str, ...]
    panels: tuple[PanelRead, ...]


def dashboards() -> list[Read]:
    """Returns every dashboard, by the name of its file."""
    return [_read(path) for path in sorted(FOLDER.glob("*.json"))]


def _read(path: Path) -> Read:
    document = json.loads(path.read_text(encoding="utf-8"))
    variables = tuple(found["name"] for found in document["templating"]["list"] if found["type"] == "query")
    panels = tuple(_panel(found) for found in document["panels"] if found["type"] != "row")
    return Read(path.stem, document["title"], variables, panels)


def _panel(panel: dict[str, Any]) -> PanelRead:
    queries = tuple(
        Asked(target["expr"], target.get("legendFormat", ""), target.get("instant", False))
        for target in panel["targets"]
    )
    field = panel.get("fieldConfig", {}).get("defaults", {}).get("unit", "")
    axis = panel.get("options", {}).get("yAxis", {}).get("unit", "")
    x, y, width, height = (panel["gridPos"][name] for name in "xywh")
    return PanelRead(panel["title"], panel["type"], field or axis, (x, y, width, height), queries)
