"""`python -m ops.grafana.render URL FOLDER`: draws the dashboards with what a Prometheus answers, where no Grafana is.

These are not Grafana's pictures: they show that the panels have data, and what it looks like.
"""

from __future__ import annotations

import argparse
import math
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ops.grafana.panels import Asked, PanelRead, Read, dashboards

_CELL_INCHES = (0.72, 0.34)
_POINTS = 200
_MAX_ROWS = 9
_GREEN, _RED = "#73bf69", "#f2495c"
_UNITS: Mapping[str, Callable[[float], str]] = {
    "s": lambda value: f"{value:.3g} s",
    "percentunit": lambda value: f"{100 * value:.3g} %",
    "ops": lambda value: f"{value:.3g}/s",
    "currencyUSD": lambda value: f"${value:.4g}",
}


@dataclass(frozen=True, slots=True)
class Series:
    """What a query returned for one set of labels.

    Attributes:
        labels: The labels.
        legend: What it is called.
        times: Of the values, in minutes from now.
        values: The values.
    """

    labels: Mapping[str, str]
    legend: str
    times: tuple[float, ...]
    values: tuple[float, ...]


class Source:
    """Asks a Prometheus.

    Args:
        url: Its address.
        minutes: How far back panels look.
    """

    def __init__(self, url: str, minutes: float) -> None:
        self._client = httpx2.Client(base_url=url, timeout=30, trust_env=False)
        self._seconds = 60 * minutes

    def ask(self, query: Asked, variables: tuple[str, ...]) -> list[Series]:
        """Returns what a query of a panel yields."""
        minutes = max(1, round(self._seconds / 60))
        expr = query.filled(variables, "1m", f"{minutes}m")
        now = time.time()
        if query.instant:
            found = self._get("query", query=expr, time=now)
            return [_series(one["metric"], query.legend, [one["value"]], now) for one in found]
        step = max(1.0, self._seconds / _POINTS)
        found = self._get("query_range", query=expr, start=now - self._seconds, end=now, step=step)
        return [_series(one["metric"], query.legend, one["values"], now) for one in found]

    def _get(self, path: str, **parameters: str | float) -> list[dict[str, Any]]:
        answer = self._client.get(f"/api/v1/{path}", params=parameters)
        answer.raise_for_status()
        result: list[dict[str, Any]] = answer.json()["data"]["result"]
        return result


def _series(labels: dict[str, str], legend: str, samples: list[tuple[float, str]], now: float) -> Series:
    times = tuple((at - now) / 60 for at, _ in samples)
    name = re.sub(r"\{\{(\w+)\}\}", lambda found: labels.get(found.group(1), ""), legend)
    return Series(labels, name, times, tuple(float(value) for _, value in samples))


def draw(dashboard: Read, source: Source) -> Figure:
    """Returns a picture of a dashboard."""
    rows = max(y + height for _, y, _, height in (panel.place for panel in dashboard.panels))
    figure = Figure(figsize=(24 * _CELL_INCHES[0], rows * _CELL_INCHES[1]), facecolor="white")
    figure.suptitle(dashboard.title, x=0.01, y=1 - 0.25 / rows, ha="left", va="top", fontsize=15, weight="bold")
    for panel in dashboard.panels:
        x, y, width, height = panel.place
        axes = figure.add_axes(
            ((x + 0.9) / 24.5, 1 - (y + height - 0.9) / rows, (width - 1.1) / 24.5, (height - 2.2) / rows)
        )
        axes.set_title(panel.title, loc="left", fontsize=9)
        found = [one for query in panel.queries for one in source.ask(query, dashboard.variables)]
        _KINDS[panel.kind](axes, panel, found)
    return figure


def _number(axes: Axes, panel: PanelRead, found: list[Series]) -> None:
    axes.axis("off")
    text = _text(panel.unit, found[0].values[-1]) if found else "no data"
    axes.text(0.02, 0.45, text, fontsize=17, color="#1f60c4", va="center", transform=axes.transAxes)


def _lines(axes: Axes, panel: PanelRead, found: list[Series]) -> None:
    shown = [one for one in found if any(not math.isnan(value) for value in one.values)]
    for one in shown:
        named = one.legend if len(shown) < _MAX_ROWS or any(one.values) else None
        axes.plot(one.times, one.values, linewidth=1.2, label=named)
    axes.set_ylim(bottom=0)
    _over_time(axes)
    axes.yaxis.set_major_formatter(lambda value, _: _text(panel.unit, value))
    if shown:
        axes.legend(fontsize=6, ncols=4 if panel.place[2] > 10 else 2, loc="upper left", framealpha=0.6)


def _distribution(axes: Axes, _panel: PanelRead, found: list[Series]) -> None:
    buckets = sorted(found, key=lambda one: float(one.labels["le"]))
    below: Mapping[float, float] = {}
    for number, one in enumerate(buckets):
        counts = dict(zip(one.times, one.values, strict=True))
        inside = [max(0.0, count - below.get(at, 0.0)) for at, count in counts.items()]
        axes.scatter(one.times, [number] * len(inside), c=inside, cmap="Blues", vmin=0, marker="s", s=9)
        below = counts
    axes.set_yticks(range(len(buckets)), [one.labels["le"] for one in buckets], fontsize=6)
    _over_time(axes)


def _states(axes: Axes, _panel: PanelRead, found: list[Series]) -> None:
    for number, one in enumerate(found):
        colors = [_GREEN if value else _RED for value in one.values]
        axes.scatter(one.times, [number] * len(colors), c=colors, marker="s", s=30)
        axes.text(0.01, number + 0.2, one.legend, fontsize=7, transform=axes.get_yaxis_transform())
    axes.set_yticks([])
    axes.set_ylim(-0.6, len(found) - 0.4)
    _over_time(axes)


def _listing(axes: Axes, _panel: PanelRead, found: list[Series]) -> None:
    axes.axis("off")
    hidden = {"__name__", "alertstate"}
    lines = ["  ".join(f"{k}={v}" for k, v in sorted(one.labels.items()) if k not in hidden) for one in found]
    text = "\n".join(lines[:_MAX_ROWS]) or "no data"
    axes.text(0.02, 0.95, text, fontsize=7, va="top", transform=axes.transAxes)


def _over_time(axes: Axes) -> None:
    axes.set_xlim(right=0.1)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g} min")
    axes.tick_params(labelsize=7)
    axes.grid(alpha=0.25)


def _text(unit: str, value: float) -> str:
    return _UNITS[unit](value) if unit in _UNITS else f"{value:.4g}"


_KINDS: Mapping[str, Callable[[Axes, PanelRead, list[Series]], None]] = {
    "stat": _number,
    "timeseries": _lines,
    "heatmap": _distribution,
    "state-timeline": _states,
    "table": _listing,
}


def main() -> None:
    """Writes ops-<dashboard>.png for each dashboard."""
    parser = argparse.ArgumentParser(prog="python -m ops.grafana.render", description=__doc__)
    parser.add_argument("url", help="of Prometheus, e.g. http://127.0.0.1:9090")
    parser.add_argument("folder", type=Path, help="where the pictures go")
    parser.add_argument("--minutes", type=float, default=10.0, help="how far back the panels look")
    arguments = parser.parse_args()
    mpl.use("agg")
    source = Source(arguments.url, arguments.minutes)
    for dashboard in dashboards():
        draw(dashboard, source).savefig(arguments.folder / f"ops-{dashboard.name}.png", dpi=80)


if __name__ == "__main__":
    main()
