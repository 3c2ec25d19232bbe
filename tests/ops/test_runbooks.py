"""docs/runbooks: every alert has a page that tells what to do."""

from __future__ import annotations

import re

import pytest

from services.executor.canary import PROBES
from services.executor.kubernetes_canary import PROBES as NETWORK_PROBES
from tests.ops.manifests import ROOT, SETTINGS, variables
from tests.ops.prometheus_server import rules
from tests.ops.promql import selectors

ALERTS = {rule["alert"]: rule["annotations"]["runbook_url"] for rule in rules() if "alert" in rule}
PARTS = ("**Means.**", "**Look.**", "**Do.**", "**Escalate.**")


def sections(page):
    """The text under each heading of the second level, by the anchor that it gets."""
    found = re.split(r"^## (.+)$", page, flags=re.MULTILINE)[1:]
    return {re.sub(r"[^\w-]", "", title.lower()): text for title, text in zip(found[::2], found[1::2], strict=True)}


@pytest.mark.parametrize("alert", sorted(ALERTS))
def test_an_alert_has_a_runbook(alert):
    path, _, anchor = ALERTS[alert].partition("#")
    assert anchor == alert.lower()
    text = sections((ROOT / path).read_text())[anchor]
    assert [part for part in PARTS if part not in text] == []


def test_the_canarys_runbook_tells_every_probe():
    text = sections((ROOT / "docs/runbooks/executor.md").read_text())["isolationcanaryfailed"]
    assert [probe for probe in (*PROBES, *NETWORK_PROBES) if f"`{probe}`" not in text] == []


def test_every_rule_of_one_alert_has_the_same_runbook():
    assert len({(rule["alert"], rule["annotations"]["runbook_url"]) for rule in rules() if "alert" in rule}) == len(
        ALERTS
    )


def test_no_runbook_is_of_an_alert_that_is_gone():
    pages = [path for path in (ROOT / "docs/runbooks").glob("*.md") if path.name != "README.md"]
    assert {anchor for path in pages for anchor in sections(path.read_text())} == {name.lower() for name in ALERTS}


def test_every_query_of_a_runbook_parses():
    found = [
        query
        for path in (ROOT / "docs/runbooks").glob("*.md")
        for query in re.findall(r"^```promql\n(.*?)^```", path.read_text(), re.MULTILINE | re.DOTALL)
    ]
    assert all(map(selectors, found))
    assert found


def test_every_setting_that_a_runbook_names_exists():
    text = "".join(path.read_text() for path in (ROOT / "docs/runbooks").glob("*.md"))
    known = set().union(*map(variables, SETTINGS))
    assert sorted(set(re.findall(r"CODEARENA_[A-Z_]+", text)) - known) == []
