"""The built-in fixer on the shipped tasks, as an agent that sees what an episode shows."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest
import yaml

from services.judge.fixer.engine import propose
from services.judge.static_analysis import analyse
from tests.judge.evaluation import answers, is_right

TASKS = Path(__file__).parents[2] / "tasks"
REPAIRABLE = (
    *("easy-1", "medium-1", "hard-1"),
    *("type_errors-1", "type_errors-2", "type_errors-3"),
    *("security_bugs-1", "security_bugs-2", "security_bugs-3"),
)
MAX_STEPS = 5


def load(task_id: str) -> dict[str, Any]:
    (path,) = TASKS.glob(f"*/{task_id}.yaml")
    return yaml.safe_load(path.read_text())


def expected_of(case: dict[str, Any]) -> object:
    if "raises" in case:
        return f"raises {case['raises']}"
    return ast.literal_eval(case["expected_literal"]) if "expected_literal" in case else case["expected"]


def error_log(task: dict[str, Any], code: str) -> str:
    """Returns what an episode would show of a fix; "" if every test passes."""
    cases = task["cases"]
    given = answers(code, [(case.get("setup", ""), case["call"]) for case in cases])
    lines, hidden = [], 0
    for case, answer in zip(cases, given, strict=True):
        expected = expected_of(case)
        if is_right(answer, expected, 1e-6 if case.get("checker") == "approx" else 0.0):
            continue
        hidden += bool(case.get("hidden"))
        if not case.get("hidden"):
            shown = expected if "raises" in case else repr(expected)
            lines.append(f"FAILED {case['name']}: {case['call']}\n  expected {shown}\n  got {answer[-1]}")
    if hidden:
        lines.append(f"{hidden} of {sum(bool(case.get('hidden')) for case in cases)} hidden tests failed")
    return "\n".join(lines)


@pytest.mark.parametrize("task_id", REPAIRABLE)
def test_a_shipped_task_is_repaired_within_an_episode(task_id):
    task = load(task_id)
    code, log, attempts = task["buggy_code"], "", []
    for _ in range(MAX_STEPS):
        code, explanations = propose(code, log, task["description"], attempts)
        assert explanations, f"nothing was found for\n{code}\n{log}"
        attempts.append(code)
        log = error_log(task, code)
        if not log:
            break
    assert log == ""
    analysis = analyse(code, task["reference"])
    assert analysis["security"] == 1.0
    assert analysis["quality"] >= 0.8


@pytest.mark.parametrize("task_id", ["hard-1", "medium-1"])
def test_a_repaired_task_copes_with_its_largest_input(task_id):
    task = load(task_id)
    code, log = task["buggy_code"], "All tests pass, but the cost grows like n^2.9; the reference's like n^1.0"
    code, _ = propose(code, log if task_id == "hard-1" else "", task["description"])
    growth = task["growth"]
    setup = f"n, seed = {growth['sizes'][-1]}, 1\n{growth['setup']}"
    assert answers(code, [(setup, growth["call"])])[0] == answers(task["reference"], [(setup, growth["call"])])[0]


@pytest.mark.parametrize("task_id", REPAIRABLE)
def test_the_reference_solution_is_left_alone(task_id):
    task = load(task_id)
    assert propose(task["reference"], "", task["description"]) == (task["reference"], [])


@pytest.mark.parametrize("task_id", REPAIRABLE)
def test_a_reference_solution_is_judged_well(task_id):
    analysis = analyse(load(task_id)["reference"], load(task_id)["reference"])
    assert analysis["security"] == 1.0
    assert analysis["quality"] >= 0.9


@pytest.mark.parametrize("task_id", ["security_bugs-1", "security_bugs-2", "security_bugs-3"])
def test_a_weakness_of_a_shipped_task_is_seen(task_id):
    task = load(task_id)
    assert analyse(task["buggy_code"], task["reference"])["security"] <= 0.6
