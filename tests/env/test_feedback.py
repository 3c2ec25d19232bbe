"""What an agent is told, by policy: never anything of a hidden test but whether it passed."""

import itertools

import pytest

from codearena.v1 import core_pb2 as core
from codearena.v1 import executor_service_pb2 as executor
from services.env.feedback import MAX_LOG_CHARACTERS, MAX_LOG_LINES, Feedback, error_log, visible_results

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
    log = error_log(response(visible(), output="a" * 3000 + "z" * 3000))
    _, printed = log.split("Output:\n")
    assert printed.startswith("aaa")
    assert printed.endswith("zzz")
    assert "characters left out" in printed
    assert len(printed) <= 2000


def test_a_correct_and_efficient_fix_has_an_empty_log():
    report = core.EfficiencyReport(score=1.0, reason="as cheap as the reference")
    assert error_log(response(visible(passed=True), outcome=core.OUTCOME_PASSED, efficiency=report)) == ""


def test_a_slow_fix_is_told_how_its_cost_grows():
    report = core.EfficiencyReport(score=0.2, reason="the cost grows like n^2.9")
    log = error_log(response(visible(passed=True), outcome=core.OUTCOME_PASSED, efficiency=report))
    assert log == "All tests pass, but the cost grows like n^2.9."


MIXED = response(
    visible("one", passed=True),
    visible("two", actual="seen raised"),
    hidden(),
    hidden(outcome=core.OUTCOME_CRASHED),
    hidden(passed=True),
    output="seen printed",
)
ENDINGS = [value for value in core.Outcome.values() if value != core.OUTCOME_UNSPECIFIED]


def test_full_is_the_default():
    assert visible_results(MIXED.tests) == visible_results(MIXED.tests, Feedback.FULL)
    assert [test.hidden for test in visible_results(MIXED.tests)] == [False, False, True, True, True]
    assert error_log(MIXED) == error_log(MIXED, Feedback.FULL)


def test_visible_shows_no_entry_of_a_hidden_test_and_the_same_log():
    assert visible_results(MIXED.tests, Feedback.VISIBLE) == list(MIXED.tests[:2])
    log = error_log(MIXED, Feedback.VISIBLE)
    assert log.splitlines()[0] == "FAILED two: double(two)"
    assert "2 of 3 hidden tests failed" in log


def test_counts_show_two_numbers_and_nothing_else():
    assert visible_results(MIXED.tests, Feedback.COUNTS) == []
    assert error_log(MIXED, Feedback.COUNTS) == "1 of 2 visible tests passed, 1 of 3 hidden tests passed"


@pytest.mark.parametrize(
    ("tests", "log"),
    [
        ([visible(), visible("three")], "0 of 2 visible tests passed"),
        ([hidden(), hidden(passed=True)], "1 of 2 hidden tests passed"),
    ],
)
def test_counts_leave_out_a_kind_that_is_not_there(tests, log):
    assert error_log(response(*tests), Feedback.COUNTS) == log


def test_counts_say_what_stopped_the_program():
    stopped = response(visible(), hidden(), outcome=core.OUTCOME_TIMED_OUT)
    assert error_log(stopped, Feedback.COUNTS).splitlines()[0] == "The time limit stopped it."


def test_counts_tell_why_a_program_does_not_load_and_not_what_it_printed():
    broken = executor.ExecuteResponse(loaded=False, load_error="NameError: name 'np'", output="seen", tests=[visible()])
    assert error_log(broken, Feedback.COUNTS) == "The program does not load.\nNameError: name 'np'"


@pytest.mark.parametrize("policy", Feedback)
def test_a_solved_task_has_an_empty_log_under_every_policy(policy):
    report = core.EfficiencyReport(score=1.0)
    solved = response(visible(passed=True), hidden(True), outcome=core.OUTCOME_PASSED, efficiency=report, output="seen")
    assert error_log(solved, policy) == ""


@pytest.mark.parametrize("policy", Feedback)
@pytest.mark.parametrize("outcome", ENDINGS)
@pytest.mark.parametrize("loaded", [True, False])
def test_no_policy_shows_a_hidden_value(policy, outcome, loaded):
    tests = [hidden(passed, ending) for passed, ending in itertools.product([True, False], ENDINGS)]
    tests[1:1] = [visible(actual=f"{number}: seen") for number in range(3)]
    graded = executor.ExecuteResponse(
        outcome=outcome, loaded=loaded, tests=tests, load_error="" if loaded else "seen", output="seen"
    )
    told = error_log(graded, policy, note="a note") + repr(visible_results(graded.tests, policy))
    assert SECRET not in told
    assert ("seen" in told) == (policy is not Feedback.COUNTS or not loaded)


@pytest.mark.parametrize("policy", Feedback)
def test_a_note_stands_first(policy):
    assert error_log(MIXED, policy, note="1 test fails now.") == "1 test fails now.\n" + error_log(MIXED, policy)


HOSTILE = [
    "x" * 60_000,
    "\n" * 60_000,
    "x\n" * 30_000,
    "\r\n\x0b\x0c\x85\u2028" * 10_000,
    "".join(f'  File "fix.py", line {number}, in f\n    f()\n' for number in range(2000)) + "RecursionError: deep",
    "RecursionError: " + "deep " * 10_000,
]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_a_log_is_bounded_whatever_the_program_says(text):
    failed = [visible(name=str(number), actual=text) for number in range(20)]
    for graded in (
        response(*failed, output=text),
        executor.ExecuteResponse(loaded=False, load_error=text, tests=failed, output=text),
    ):
        log = error_log(graded, note="The note.")
        assert log.startswith("The note.\n")
        assert len(log) <= MAX_LOG_CHARACTERS
        assert len(log.splitlines()) <= MAX_LOG_LINES


def test_a_long_answer_keeps_its_beginning_and_its_end():
    log = error_log(response(visible(actual="ValueError: begins " + "x" * 5000 + " ends"), hidden()))
    assert "got ValueError: begins" in log
    assert "characters left out" in log
    assert " ends\n1 of 1 hidden tests failed" in log


def test_every_shown_failure_is_whole_where_answers_are_long():
    log = error_log(response(*(visible(f"t{number}", actual="'" + "x" * 498 + "'") for number in range(5))))
    assert [f"FAILED t{number}: double(t{number})\n  expected 4\n  got 'xx" in log for number in range(5)] == [True] * 5


HARNESS = """Traceback (most recent call last):
  File "/home/ci/arena/services/executor/harness/child.py", line 116, in _answer
    value = eval(compile(case["call"], "call", "eval"), namespace)
  File "fix.py", line 3, in double
    return json.loads(x)
  File "/usr/lib/python3.11/json/__init__.py", line 339, in loads
    raise TypeError(f'the JSON object must be str')
TypeError: the JSON object must be str"""


def test_neither_host_paths_nor_foreign_frames_are_shown():
    graded = response(visible(actual=HARNESS), output=HARNESS)
    broken = executor.ExecuteResponse(loaded=False, load_error=HARNESS, tests=[visible(actual=HARNESS)], output=HARNESS)
    for told in (error_log(graded), error_log(broken), visible_results(graded.tests)[0].actual):
        assert 'File "fix.py", line 3, in double' in told
        assert "TypeError: the JSON object must be str" in told
        for foreign in ("/home", "/usr", "child.py", "_answer", "json/__init__"):
            assert foreign not in told
