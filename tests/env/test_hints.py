"""Hints: advice that follows from what the agent may see, and from nothing else."""

import dataclasses

import pytest

from codearena.v1 import core_pb2 as core
from services.env.complexity import Analysis, analyse
from services.env.hints import Situation, hint

CUBIC = """
def max_subarray_sum(arr):
    best = arr[0]
    for i in range(len(arr)):
        for j in range(i, len(arr)):
            best = max(best, sum(arr[i:j + 1]))
    return best
"""
SOLVED = Situation(
    function="max_subarray_sum",
    description="Returns the largest sum. For an empty list it returns 0.",
    outcome=core.OUTCOME_PASSED,
    failing=(),
    load_error="",
    passed=5,
    total=5,
    efficiency=core.EfficiencyReport(score=1.0),
    analysis=Analysis(),
)


def failed(actual, expected="3", call="f(1)", hidden=False):
    test = core.TestResult(name="t", call=call, expected=expected, actual=actual, hidden=hidden)
    return dataclasses.replace(SOLVED, outcome=core.OUTCOME_TESTS_FAILED, failing=(test,), passed=4, efficiency=None)


def test_says_nothing_when_all_is_done():
    assert hint(SOLVED) == ""


def test_a_correct_but_slow_fix_is_told_the_estimate_the_best_and_the_technique():
    slow = dataclasses.replace(SOLVED, efficiency=core.EfficiencyReport(score=0.2), analysis=analyse(CUBIC))
    text = hint(slow)
    assert "O(n^3)" in text
    assert "O(n)" in text
    assert "Kadane" in text


def test_a_slow_fix_of_an_unknown_problem_gets_general_advice():
    analysis = analyse("def f(words):\n    for a in words:\n        for b in words:\n            print(a, b)\n")
    text = hint(dataclasses.replace(SOLVED, efficiency=core.EfficiencyReport(score=0.6), analysis=analysis))
    assert "O(n^2)" in text
    assert "dictionary" in text


@pytest.mark.parametrize(
    ("source", "technique"),
    [
        ("def two_sum(a, t):\n    return [(x, t - x) for x in a if t - x in list(a)]\n", "complement"),
        ("def binary_search(arr, t):\n    return arr.index(t)\n", "Halve"),
        ("def fib(n):\n    return n if n < 2 else fib(n - 1) + fib(n - 2)\n", "last two values"),
    ],
)
def test_the_technique_fits_the_problem(source, technique):
    slow = dataclasses.replace(SOLVED, efficiency=core.EfficiencyReport(score=0.6), analysis=analyse(source))
    assert technique in hint(slow)


@pytest.mark.parametrize(
    ("load_error", "expected"),
    [
        ("  File \"fix.py\", line 3\n    def f(x)\nSyntaxError: expected ':'", ["line 3", "expected ':'", "compile"]),
        ("  File \"fix.py\", line 2, in <module>\nNameError: name 'np' is not defined", ["line 2", "NameError"]),
        ("ModuleNotFoundError: No module named 'numpy'", ["numpy", "standard library"]),
        ("", ["stops while it is loaded"]),
    ],
)
def test_a_fix_that_does_not_load_is_told_where_and_why(load_error, expected):
    text = hint(
        dataclasses.replace(
            SOLVED, outcome=core.OUTCOME_COMPILE_ERROR, load_error=load_error, passed=0, efficiency=None
        )
    )
    assert [part for part in expected if part not in text] == []


@pytest.mark.parametrize(
    ("actual", "advice"),
    [
        ("ZeroDivisionError: division by zero", "before dividing"),
        ('Traceback …\nTypeError: can only concatenate str (not "int") to str', "convert"),
        ("IndexError: list index out of range", "bounds"),
        ("json.decoder.JSONDecodeError: Expecting value", "JSONDecodeError"),
        ("None", "every path returns"),
        ("'3'", "type"),
        ("2", "should give 3, not 2"),
    ],
)
def test_a_failing_visible_test_is_explained(actual, advice):
    text = hint(failed(actual))
    assert "`f(1)`" in text
    assert advice in text


def test_a_missing_exception_is_named():
    assert hint(failed("[]", "raises ValueError")) == "`f(1)` should raise ValueError, but it returned []."
    assert "raised KeyError" in hint(failed("KeyError: 'x'", "raises ValueError"))


def test_hidden_values_are_never_shown():
    text = hint(failed("secret-actual", "secret-expected", "secret_call()", hidden=True))
    assert "secret" not in text
    assert "4 of 5 tests pass" in text
    assert "empty input" in text


@pytest.mark.parametrize(
    ("outcome", "word"),
    [
        (core.OUTCOME_TIMED_OUT, "time limit"),
        (core.OUTCOME_OUT_OF_MEMORY, "memory"),
        (core.OUTCOME_OUTPUT_LIMIT_EXCEEDED, "printed"),
        (core.OUTCOME_CRASHED, "exit"),
    ],
)
def test_a_stopped_fix_is_told_what_stopped_it(outcome, word):
    assert word in hint(dataclasses.replace(SOLVED, outcome=outcome, passed=2, efficiency=None))


def test_a_timeout_names_the_estimated_cost():
    stopped = dataclasses.replace(
        SOLVED, outcome=core.OUTCOME_TIMED_OUT, passed=2, efficiency=None, analysis=analyse(CUBIC)
    )
    assert "O(n^3)" in hint(stopped)


def test_long_texts_are_cut_to_one_short_line():
    text = hint(failed("x\n" * 5000, expected="y" * 5000, call="z" * 5000))
    assert len(text) < 700
    assert "\n" not in text


def test_a_fix_that_is_stopped_while_it_loads_is_told_so():
    stopped = dataclasses.replace(
        SOLVED, outcome=core.OUTCOME_TIMED_OUT, load_error="stopped: the time limit", passed=0, efficiency=None
    )
    assert "time limit" in hint(stopped)


def test_a_hint_names_no_path_of_the_host():
    text = hint(failed("ImportError: cannot import name 'x' from 'json' (/usr/lib/python3.11/json/__init__.py)"))
    assert "…/__init__.py" in text
    assert "/usr" not in text
    error = "OSError: no such file: '/home/somebody/in.csv'"
    assert "somebody" not in hint(dataclasses.replace(SOLVED, outcome=core.OUTCOME_COMPILE_ERROR, load_error=error))
