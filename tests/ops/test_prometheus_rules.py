"""ops/prometheus and ops/alertmanager, by the tools of Prometheus itself."""

from __future__ import annotations

import re
import subprocess

import pytest
import yaml

from services.judge.failure import OURS, FailureReason
from services.judge.proposal import Declined
from tests.conftest import require
from tests.ops.manifests import ROOT
from tests.ops.prometheus_server import FOLDER, RULES, installed, rules

TESTS = sorted((FOLDER / "tests").glob("*.test.yaml"))
ALERTS = [rule for rule in rules() if "alert" in rule]
LISTED = {
    *("AvailabilityErrorBudgetBurn", "StepOverheadErrorBudgetBurn"),
    *("RewardCollapse", "RewardSpike", "RewardConstant", "NoRewardsWhileActive"),
    *("PoolExhausted", "QueueWaitHigh", "ColdStartRatioHigh", "AutoscalerAtMax"),
    *("OutOfMemoryRatio", "TimeoutRatio", "InfraErrorRatio", "OrphansGrowing"),
    *("IsolationCanaryFailed", "ViolationBurst"),
    *("JudgeErrorRatio", "JudgeFallbackRatio", "JudgeLatencyHigh", "JudgeCostBurn"),
    *("TargetDown", "EpisodesLeaking", "Watchdog", "CertificateExpiring", "CertificateRefused"),
}
ALWAYS = {"Watchdog"}
"""What is never silent."""


def tool(*command):
    require("prometheus", installed(), "Prometheus is not installed (Debian's package `prometheus`)")
    done = subprocess.run(command, capture_output=True, text=True, timeout=110)
    assert done.returncode == 0, done.stdout + done.stderr


def tried():
    """Every case of the rules' tests: the alert's name, and the labels of those that it expects to fire."""
    for path in TESTS:
        for test in yaml.safe_load(path.read_text())["tests"]:
            for case in test["alert_rule_test"]:
                yield case["alertname"], [alert["exp_labels"] for alert in case["exp_alerts"]]


TRIED = list(tried())


def test_the_rules_are_valid():
    tool("promtool", "check", "rules", *RULES)


def test_the_configuration_is_valid():
    tool("promtool", "check", "config", "--syntax-only", FOLDER / "prometheus.yaml")


@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.name)
def test_the_rules_do_what_their_tests_say(path):
    tool("promtool", "test", "rules", path)


def test_every_alert_that_was_agreed_upon_is_there():
    assert {alert["alert"] for alert in ALERTS} == LISTED


@pytest.mark.parametrize("alert", ALERTS, ids=lambda rule: "-".join([rule["alert"], *rule["labels"].values()]))
def test_every_alert_is_tried_firing_and_silent(alert):
    cases = [fired for name, fired in TRIED if name == alert["alert"]]
    assert any(alert["labels"].items() <= labels.items() for fired in cases for labels in fired)
    assert ([] in cases) == (alert["alert"] not in ALWAYS)


@pytest.mark.parametrize("alert", ALERTS, ids=lambda rule: "-".join([rule["alert"], *rule["labels"].values()]))
def test_every_alert_says_who_is_to_look_and_when(alert):
    assert alert["labels"]["severity"] in {"page", "ticket", "none"}
    assert (alert["labels"]["severity"] == "none") == (alert["alert"] == "Watchdog")
    assert alert["for"]
    assert set(alert["annotations"]) == {"summary", "description", "runbook_url"}


def test_every_recorded_series_is_named_by_level_metric_and_operation():
    recorded = [rule["record"] for rule in rules() if "record" in rule]
    assert len(recorded) == len(set(recorded))
    assert [name for name in recorded if name.count(":") != 2] == []


def test_a_fallback_counts_that_no_fix_can_provoke():
    (rule,) = (rule for rule in rules() if rule.get("record") == "codearena:judge_fallbacks:ratio_rate15m")
    pattern = rule["expr"].partition('reason=~"')[2].partition('"')[0]
    counted = {reason for reason in (*FailureReason, *Declined) if re.fullmatch(pattern, reason.value)}
    assert counted == OURS


def test_every_severity_has_a_route():
    config = yaml.safe_load((ROOT / "ops/alertmanager/alertmanager.yaml").read_text())
    matched = [matcher for route in config["route"]["routes"] for matcher in route["matchers"]]
    assert matched == ['alertname = "Watchdog"', 'severity = "page"', 'severity = "ticket"']
    assert {route["receiver"] for route in config["route"]["routes"]} == {
        found["name"] for found in config["receivers"]
    }
