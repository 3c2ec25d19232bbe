"""What an agent may see of a grading: visible tests in full, hidden ones only as passed or failed. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from codearena.v1 import core_pb2 as core
from codearena.v1 import executor_service_pb2 as executor

_SHOWN_FAILURES = 5
_MAX_OUTPUT = 2000
_FULL_EFFICIENCY = 1.0
_STOPPED = {
    core.OUTCOME_TIMED_OUT: "The time limit stopped it.",
    core.OUTCOME_OUT_OF_MEMORY: "The memory limit stopped it.",
    core.OUTCOME_OUTPUT_LIMIT_EXCEEDED: "It printed or returned more than is allowed.",
    core.OUTCOME_CRASHED: "The process ended before it had answered.",
}


def visible_results(tests: Iterable[core.TestResult]) -> list[core.TestResult]:
    """Returns test results without anything that tells a hidden test's input, expectation or answer."""
    return [_without_secrets(test) if test.hidden else test for test in tests]


def _without_secrets(test: core.TestResult) -> core.TestResult:
    return core.TestResult(name="hidden test", passed=test.passed, hidden=True, outcome=test.outcome)


def error_log(response: executor.ExecuteResponse) -> str:
    """Returns what went wrong as text; empty if every test passed with full efficiency."""
    if not response.loaded and response.load_error:
        return _joined("The program does not load.", response.load_error, _output(response))
    failed = [test for test in response.tests if not test.passed]
    if not failed:
        return _slow(response)
    shown = [_failure(test) for test in failed if not test.hidden][:_SHOWN_FAILURES]
    return _joined(_STOPPED.get(response.outcome, ""), *shown, _hidden_count(response.tests), _output(response))


def _slow(response: executor.ExecuteResponse) -> str:
    report = response.efficiency
    return "" if report.score >= _FULL_EFFICIENCY else f"All tests pass, but {report.reason}."


def _failure(test: core.TestResult) -> str:
    return f"FAILED {test.name}: {test.call}\n  expected {test.expected}\n  got {_indented(test.actual)}"


def _indented(text: str) -> str:
    return text.replace("\n", "\n  ")


def _hidden_count(tests: Sequence[core.TestResult]) -> str:
    hidden = [test for test in tests if test.hidden]
    failed = sum(not test.passed for test in hidden)
    return f"{failed} of {len(hidden)} hidden tests failed" if failed else ""


def _output(response: executor.ExecuteResponse) -> str:
    text = response.output.strip()
    if not text:
        return ""
    return "Output:\n" + (text if len(text) <= _MAX_OUTPUT else text[:_MAX_OUTPUT] + "…")


def _joined(*parts: str) -> str:
    return "\n".join(part for part in parts if part)
