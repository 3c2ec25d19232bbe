"""What an agent may see of a grading, by policy: results of tests, and an error log. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import StrEnum

from codearena.v1 import core_pb2 as core
from codearena.v1 import executor_service_pb2 as executor
from services.env.excerpts import answered, cut, said

SHOWN_FAILURES = 5
"""Failed visible tests shown in one log."""
MAX_VALUE_CHARACTERS = 600
"""Of a test's call, and of its expectation."""
MAX_ANSWER_CHARACTERS = 1200
"""Of what came back from one call: a value, or an exception with its frames."""
MAX_ANSWER_LINES = 16
"""The same in lines."""
MAX_LOAD_ERROR_CHARACTERS = 2000
"""Of why a program did not load."""
MAX_LOAD_ERROR_LINES = 24
"""The same in lines."""
MAX_OUTPUT_CHARACTERS = 2000
"""Of what a program printed."""
MAX_OUTPUT_LINES = 40
"""The same in lines."""
MAX_LOG_CHARACTERS = 8000
"""Of a whole log, its note included."""
MAX_LOG_LINES = 160
"""The same in lines."""

_FULL_EFFICIENCY = 1.0
_STOPPED = {
    core.OUTCOME_TIMED_OUT: "The time limit stopped it.",
    core.OUTCOME_OUT_OF_MEMORY: "The memory limit stopped it.",
    core.OUTCOME_OUTPUT_LIMIT_EXCEEDED: "It printed or returned more than is allowed.",
    core.OUTCOME_CRASHED: "The process ended before it had answered.",
}


class Feedback(StrEnum):
    """How much of a grading is shown. No policy shows a hidden test's name, call, expectation or answer."""

    FULL = "full"
    """Visible tests in full, hidden ones each as passed or failed."""
    VISIBLE = "visible"
    """Visible tests in full, of hidden ones only how many failed."""
    COUNTS = "counts"
    """Only how many visible and how many hidden tests passed; no test, and nothing that the program printed."""


def visible_results(tests: Iterable[core.TestResult], policy: Feedback = Feedback.FULL) -> list[core.TestResult]:
    """Returns the test results that a policy shows, in order, without anything that tells a hidden test."""
    if policy == Feedback.COUNTS:
        return []
    shown = (test for test in tests if policy == Feedback.FULL or not test.hidden)
    return [_without_secrets(test) if test.hidden else _presentable(test) for test in shown]


def _without_secrets(test: core.TestResult) -> core.TestResult:
    return core.TestResult(name="hidden test", passed=test.passed, hidden=True, outcome=test.outcome)


def _presentable(test: core.TestResult) -> core.TestResult:
    result = core.TestResult()
    result.CopyFrom(test)
    result.actual = answered(test.actual)
    return result


def error_log(response: executor.ExecuteResponse, policy: Feedback = Feedback.FULL, note: str = "") -> str:
    """Returns what went wrong as text; empty if every test passed with full efficiency and there is no note.

    Args:
        response: What the executor found.
        policy: How much of it is shown. A program that does not load is told why under every policy: no test has
            run by then.
        note: Stands first; see `services.env.regressions`.

    Returns:
        At most `MAX_LOG_CHARACTERS` and `MAX_LOG_LINES`. What is too long is cut in its middle, where a marker tells
        how much is missing.
    """
    return cut(_joined(note, *_parts(response, policy)), MAX_LOG_CHARACTERS, MAX_LOG_LINES)


def _parts(response: executor.ExecuteResponse, policy: Feedback) -> Sequence[str]:
    output = "" if policy == Feedback.COUNTS else _output(response)
    if not response.loaded and response.load_error:
        error = cut(said(response.load_error), MAX_LOAD_ERROR_CHARACTERS, MAX_LOAD_ERROR_LINES)
        return "The program does not load.", error, output
    failed = [test for test in response.tests if not test.passed]
    if not failed:
        return (_slow(response),)
    stopped = _STOPPED.get(response.outcome, "")
    if policy == Feedback.COUNTS:
        return stopped, _counts(response.tests)
    shown = [_failure(test) for test in [test for test in failed if not test.hidden][:SHOWN_FAILURES]]
    return stopped, *shown, _hidden_count(response.tests), output


def _slow(response: executor.ExecuteResponse) -> str:
    report = response.efficiency
    return "" if report.score >= _FULL_EFFICIENCY else f"All tests pass, but {report.reason}."


def _failure(test: core.TestResult) -> str:
    call, expected = (cut(text, MAX_VALUE_CHARACTERS, MAX_ANSWER_LINES) for text in (test.call, test.expected))
    actual = cut(answered(test.actual), MAX_ANSWER_CHARACTERS, MAX_ANSWER_LINES)
    return f"FAILED {test.name}: {_indented(call)}\n  expected {_indented(expected)}\n  got {_indented(actual)}"


def _indented(text: str) -> str:
    return text.replace("\n", "\n  ")


def _hidden_count(tests: Sequence[core.TestResult]) -> str:
    hidden = [test for test in tests if test.hidden]
    failed = sum(not test.passed for test in hidden)
    return f"{failed} of {len(hidden)} hidden tests failed" if failed else ""


def _counts(tests: Sequence[core.TestResult]) -> str:
    """How many tests of each kind passed, e.g. "1 of 3 visible tests passed, 2 of 9 hidden tests passed"."""
    kinds = {
        "visible": [test.passed for test in tests if not test.hidden],
        "hidden": [test.passed for test in tests if test.hidden],
    }
    return ", ".join(f"{sum(passed)} of {len(passed)} {kind} tests passed" for kind, passed in kinds.items() if passed)


def _output(response: executor.ExecuteResponse) -> str:
    text = said(response.output.strip())
    return f"Output:\n{cut(text, MAX_OUTPUT_CHARACTERS, MAX_OUTPUT_LINES)}" if text else ""


def _joined(*parts: str) -> str:
    return "\n".join(part for part in parts if part)
