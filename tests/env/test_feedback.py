"""What an agent is told: all of visible tests, of hidden ones only how many failed."""

import pytest

from codearena.v1 import core_pb2 as core
from codearena.v1 import executor_service_pb2 as executor
from services.env.feedback import error_log, visible_results

SECRET = "s3cret"  # pragma: allowlist secret


def visible(name="two", passed=False, actual="5", **fields):
    outcome = core.OUTCOME_PASSED if passed else core.OUTCOME_TESTS_FAILED
    return core.TestResult(
        name=name, passed=passed, call=f"double({name})", expected="4", actual=actual, outcome=outcome, **fields
    )


def hidden(passed=False, outcome=core.OUTCOME_TESTS_FAILED):
    test = core.TestResult(
        name=f"{SECRET} name",
        passed=passed,
        hidden=True,
        call=f"double('{SECRET}')",
        expected=f"'{SECRET}{SECRET}'",
        actual=f"{SECRET} raised",
        outcome=core.OUTCOME_PASSED if passed else outcome,
        peak_memory_bytes=123,
    )
    test.cpu_time.FromMilliseconds(7)
    return test


def response(*tests, outcome=core.OUTCOME_TESTS_FAILED, **fields):
    return executor.ExecuteResponse(outcome=outcome, loaded=True, tests=tests, **fields)


@pytest.mark.parametrize("passed", [True, False])
def test_a_hidden_test_tells_only_whether_and_how_it_ended(passed):
    (shown,) = visible_results([hidden(passed, core.OUTCOME_TIMED_OUT)])
    expected = core.OUTCOME_PASSED if passed else core.OUTCOME_TIMED_OUT
    assert shown == core.TestResult(name="hidden test", passed=passed, hidden=True, outcome=expected)


def test_a_visible_test_is_shown_in_full():
    test = visible(peak_memory_bytes=5)
    assert visible_results([test]) == [test]


def test_the_log_shows_call_expectation_and_answer_of_visible_failures():
    log = error_log(response(visible(actual="5"), visible("three", passed=True)))
    assert log == "FAILED two: double(two)\n  expected 4\n  got 5"


def test_the_log_counts_hidden_failures_and_nothing_more():
    log = error_log(response(visible(passed=True), hidden(), hidden(), hidden(passed=True)))
    assert log == "2 of 3 hidden tests failed"


def test_an_answer_of_several_lines_stays_indented():
    assert error_log(response(visible(actual="a\nb"))).endswith("got a\n  b")


def test_at_most_five_failures_are_shown():
    log = error_log(response(*(visible(str(number)) for number in range(8))))
    assert log.count("FAILED") == 5


@pytest.mark.parametrize(
    ("outcome", "words"),
    [
        (core.OUTCOME_TIMED_OUT, "time limit"),
        (core.OUTCOME_OUT_OF_MEMORY, "memory limit"),
        (core.OUTCOME_OUTPUT_LIMIT_EXCEEDED, "more than is allowed"),
        (core.OUTCOME_CRASHED, "before it had answered"),
    ],
)
def test_the_log_says_what_stopped_it(outcome, words):
    log = error_log(response(visible(), hidden(outcome=outcome), outcome=outcome))
    assert words in log.splitlines()[0]
    assert SECRET not in log


def test_a_program_that_does_not_load_is_told_why():
    broken = executor.ExecuteResponse(
        outcome=core.OUTCOME_COMPILE_ERROR,
        loaded=False,
        load_error="SyntaxError: expected ':' (line 1)",
        tests=[visible(), hidden()],
        output="before",
    )
    assert error_log(broken) == ("The program does not load.\nSyntaxError: expected ':' (line 1)\nOutput:\nbefore")


def test_printed_text_is_shown_and_cut():
    log = error_log(response(visible(), output="x" * 5000))
    assert "Output:\n" + "x" * 2000 + "…" in log
    assert "x" * 2001 not in log


def test_a_correct_and_efficient_fix_has_an_empty_log():
    report = core.EfficiencyReport(score=1.0, reason="as cheap as the reference")
    assert error_log(response(visible(passed=True), outcome=core.OUTCOME_PASSED, efficiency=report)) == ""


def test_a_slow_fix_is_told_how_its_cost_grows():
    report = core.EfficiencyReport(score=0.2, reason="the cost grows like n^2.9")
    log = error_log(response(visible(passed=True), outcome=core.OUTCOME_PASSED, efficiency=report))
    assert log == "All tests pass, but the cost grows like n^2.9."
