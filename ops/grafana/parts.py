"""What the dashboards are made of: panels of a few kinds, all of them asking the Prometheus that is chosen on top."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from grafana_foundation_sdk.builders import common, heatmap, prometheus, stat, statetimeline, table, timeseries
from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import common as shapes
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

TAG = "codearena"
COUNT, SHARE, SECONDS, PER_SECOND, DOLLARS = "short", "percentunit", "s", "ops", "currencyUSD"
GREEN, ORANGE, RED = "green", "orange", "red"
WIDE, HALF, THIRD, QUARTER = 24, 12, 8, 6
_PROMETHEUS = model.DataSourceRef(type_val="prometheus", uid="${datasource}")
_STACKED = common.StackingConfig().mode(shapes.StackingMode.NORMAL)
_LEGEND = (
    common.VizLegendOptions()
    .show_legend(True)
    .placement(shapes.LegendPlacement.BOTTOM)
    .display_mode(shapes.LegendDisplayMode.LIST)
)
_TOOLTIP = common.VizTooltipOptions().mode(shapes.TooltipDisplayMode.MULTI).sort(shapes.SortOrder.DESCENDING)

Panel = Builder[model.Panel]
Steps = Sequence[tuple[float | None, str]]
"""Colours with the value from which each counts; None: from the lowest."""


@dataclass(frozen=True, slots=True)
class Query:
    """A question to Prometheus.

    Attributes:
        expr: In PromQL, with Grafana's variables.
        legend: What each series is called, e.g. "{{stage}}".
        exemplars: Whether traces of single requests are shown beside.
    """

    expr: str
    legend: str = ""
    exemplars: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """Panels under a heading."""

    title: str
    panels: Sequence[Panel]


def number(title: str, description: str, expr: str, unit: str, steps: Steps = ((None, GREEN),)) -> Panel:
    """Returns a panel of one value as it is now, coloured by the step that it reached."""
    return (
        stat.Panel()
        .title(title)
        .description(description)
        .datasource(_PROMETHEUS)
        .with_target(_target(Query(expr), "A").instant())
        .unit(unit)
        .thresholds(_thresholds(steps))
        .span(4)
        .height(4)
    )


def lines(
    title: str, description: str, *queries: Query, unit: str = COUNT, width: int = HALF, stacked: bool = False
) -> Panel:
    """Returns a panel of values over time, from zero."""
    panel = (
        timeseries.Panel()
        .title(title)
        .description(description)
        .datasource(_PROMETHEUS)
        .targets([_target(query, chr(ord("A") + number)) for number, query in enumerate(queries)])
        .unit(unit)
        .min(0)
        .line_width(1)
        .fill_opacity(30 if stacked else 8)
        .legend(_LEGEND)
        .tooltip(_TOOLTIP)
        .span(width)
        .height(8)
    )
    return panel.stacking(_STACKED) if stacked else panel


def distribution(title: str, description: str, buckets: str, unit: str = COUNT, width: int = HALF) -> Panel:
    """Returns a heat map of a histogram's buckets, which `buckets` yields by `le`."""
    return (
        heatmap.Panel()
        .title(title)
        .description(description)
        .datasource(_PROMETHEUS)
        .with_target(_target(Query(buckets, "{{le}}"), "A").format(PromQueryFormat.HEATMAP))
        .y_axis(heatmap.YAxisConfig().unit(unit))
        .span(width)
        .height(8)
    )


def states(title: str, description: str, query: Query, names: Sequence[tuple[str, str, str]], width: int) -> Panel:
    """Returns a panel of states over time; `names` are a value, what it means and its colour."""
    texts = {
        value: model.ValueMappingResult(text=text, color=color, index=index)
        for index, (value, text, color) in enumerate(names)
    }
    return (
        statetimeline.Panel()
        .title(title)
        .description(description)
        .datasource(_PROMETHEUS)
        .with_target(_target(query, "A"))
        .mappings([model.ValueMap(options=texts)])
        .span(width)
        .height(8)
    )


def listing(title: str, description: str, expr: str, width: int) -> Panel:
    """Returns a table of the series that there are now, a row each."""
    return (
        table.Panel()
        .title(title)
        .description(description)
        .datasource(_PROMETHEUS)
        .with_target(_target(Query(expr), "A").instant().format(PromQueryFormat.TABLE))
        .with_transformation(
            model.DataTransformerConfig(
                id_val="organize", options={"excludeByName": {"Time": True, "Value": True, "__name__": True}}
            )
        )
        .span(width)
        .height(8)
    )


def choice(name: str, label: str, metric: str) -> Builder[model.VariableModel]:
    """Returns a variable of one or more values of a metric's label; all of them at first."""
    return (
        build.QueryVariable(name)
        .label(name.capitalize())
        .datasource(_PROMETHEUS)
        .query(f"label_values({metric}, {label})")
        .refresh(model.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(model.VariableSort.ALPHABETICAL_ASC)
        .multi(True)
        .include_all(True)
        .all_value(".*")
        .current(model.VariableOption(selected=True, text="All", value="$__all"))
    )


def board(
    title: str, description: str, rows: Sequence[Row], choices: Sequence[Builder[model.VariableModel]] = ()
) -> model.Dashboard:
    """Returns a dashboard `codearena-<title>` with links to its sisters, and alerts as annotations."""
    result = (
        build.Dashboard(f"CodeArena / {title}")
        .uid(f"{TAG}-{title.lower()}")
        .description(description)
        .tags([TAG])
        .timezone("browser")
        .time("now-6h", "now")
        .refresh("30s")
        .tooltip(model.DashboardCursorSync.CROSSHAIR)
        .link(
            build.DashboardLink("CodeArena")
            .type(model.DashboardLinkType.DASHBOARDS)
            .tags([TAG])
            .as_dropdown(False)
            .include_vars(False)
            .keep_time(True)
        )
        .annotation(
            build.AnnotationQuery()
            .name("Alerts")
            .datasource(_PROMETHEUS)
            .enable(True)
            .icon_color(RED)
            .expr('ALERTS{alertstate="firing", alertname!="Watchdog"}')
        )
        .with_variable(build.DatasourceVariable("datasource").label("Prometheus").type("prometheus"))
    )
    for variable in choices:
        result = result.with_variable(variable)
    for row in rows:
        result = result.with_row(build.Row(row.title))
        for panel in row.panels:
            result = result.with_panel(panel)
    built = result.build()
    for number, panel_or_row in enumerate(built.panels or (), start=1):
        panel_or_row.id_val = number
    return built


def _target(query: Query, ref_id: str) -> prometheus.Dataquery:
    target = prometheus.Dataquery().expr(query.expr).ref_id(ref_id).datasource(_PROMETHEUS)
    if query.legend:
        target = target.legend_format(query.legend)
    return target.exemplar(True) if query.exemplars else target


def _thresholds(steps: Steps) -> build.ThresholdsConfig:
    return (
        build.ThresholdsConfig()
        .mode(model.ThresholdsMode.ABSOLUTE)
        .steps([model.Threshold(value=value, color=color) for value, color in steps])
    )
