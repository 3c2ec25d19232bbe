"""ops/grafana: the committed dashboards are the generated ones, and hang together."""

from __future__ import annotations

import json

import pytest
import yaml

from ops.grafana.__main__ import documents
from ops.grafana.panels import FOLDER, dashboards
from tests.ops.manifests import ROOT
from tests.ops.promql import selectors

GENERATED = dict(documents())
each = pytest.mark.parametrize("dashboard", dashboards(), ids=lambda found: found.name)


def test_the_committed_dashboards_are_the_generated_ones():
    assert {path.name: path.read_text() for path in FOLDER.iterdir()} == GENERATED, "run python -m ops.grafana"


def test_there_are_the_four():
    assert [found.title.removeprefix("CodeArena / ") for found in dashboards()] == [
        "Executor",
        "Judge",
        "Service",
        "Training",
    ]


@each
def test_every_panel_says_what_it_shows_and_asks_something_that_parses(dashboard):
    document = json.loads((FOLDER / f"{dashboard.name}.json").read_text())
    panels = [panel for panel in document["panels"] if panel["type"] != "row"]
    assert [panel["title"] for panel in panels if not panel["description"].endswith(".")] == []
    for panel in dashboard.panels:
        assert panel.queries, panel.title
        for query in panel.queries:
            assert selectors(query.filled(dashboard.variables, "1m", "1h")), panel.title


@each
def test_ids_are_unique_and_nothing_overlaps(dashboard):
    panels = json.loads((FOLDER / f"{dashboard.name}.json").read_text())["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    cells = [
        (x, y)
        for place in (panel["gridPos"] for panel in panels)
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24


@each
def test_every_query_asks_the_chosen_prometheus(dashboard):
    document = json.loads((FOLDER / f"{dashboard.name}.json").read_text())
    asked = [
        *(panel["datasource"] for panel in document["panels"] if panel["type"] != "row"),
        *(target["datasource"] for panel in document["panels"] for target in panel.get("targets") or []),
        *(found["datasource"] for found in document["templating"]["list"] if found["type"] == "query"),
        *(found["datasource"] for found in document["annotations"]["list"]),
    ]
    assert {found["uid"] for found in asked} == {"${datasource}"}
    assert document["templating"]["list"][0]["name"] == "datasource"


def test_grafana_is_given_prometheus_and_the_folder_of_the_dashboards():
    folder = ROOT / "ops/grafana/provisioning"
    (source,) = yaml.safe_load((folder / "datasources/prometheus.yaml").read_text())["datasources"]
    scraped = yaml.safe_load((ROOT / "ops/prometheus/prometheus.yaml").read_text())["global"]["scrape_interval"]
    assert (source["type"], source["jsonData"]["timeInterval"]) == ("prometheus", scraped)
    (provider,) = yaml.safe_load((folder / "dashboards/codearena.yaml").read_text())["providers"]
    assert provider["options"]["path"] == "/var/lib/grafana/dashboards"
