"""The note on tests that an earlier attempt passed."""

import itertools

import pytest

from codearena.v1 import core_pb2 as core
from services.env.feedback import Feedback
from services.env.regressions import regressions

SECRET = "s3cret"  # pragma: allowlist secret


def results(visible, hidden=()):
    """Visible tests by name, and hidden ones; each with whether it passes."""
    shown = [core.TestResult(name=name, passed=passed) for name, passed in visible.items()]
    return shown + [core.TestResult(name=SECRET, call=SECRET, passed=passed, hidden=True) for passed in hidden]


NOW = results({"two": True, "empty list": False, "nothing": False}, [False, False, True])


def test_without_an_earlier_attempt_there_is_nothing_to_say():
    assert regressions(NOW, []) == ""
    assert regressions([], [(1, ())]) == ""


def test_what_never_passed_is_no_regression():
    assert regressions(NOW, [(1, (False,) * 6), (2, (True, False, False, False, False, True))]) == ""


@pytest.mark.parametrize(
    ("passed", "note"),
    [
        ("011110", "4 tests that step 2 passed fail now: 'empty list', 'nothing' and 2 hidden ones."),
        ("010110", "3 tests that step 2 passed fail now: 'empty list' and 2 hidden ones."),
        ("010100", "2 tests that step 2 passed fail now: 'empty list' and 1 hidden one."),
        ("111000", "2 tests that step 2 passed fail now: 'empty list' and 'nothing'."),
        ("110001", "1 test that step 2 passed fails now: 'empty list'."),
        ("100110", "2 hidden tests that step 2 passed fail now."),
        ("100100", "1 hidden test that step 2 passed fails now."),
    ],
)
def test_visible_tests_are_named_and_hidden_ones_counted(passed, note):
    attempt = (2, tuple(digit == "1" for digit in passed))
    assert regressions(NOW, [attempt]) == note
    assert regressions(NOW, [attempt], Feedback.VISIBLE) == regressions(NOW, [attempt])


@pytest.mark.parametrize(
    ("passed", "note"),
    [
        ("010110", "3 tests that step 2 passed fail now, 2 of them hidden."),
        ("011000", "2 visible tests that step 2 passed fail now."),
        ("100100", "1 hidden test that step 2 passed fails now."),
    ],
)
def test_counts_name_no_test(passed, note):
    assert regressions(NOW, [(2, tuple(digit == "1" for digit in passed))], Feedback.COUNTS) == note


def test_the_best_attempt_counts_and_of_equals_the_latest():
    now = results({"a": False, "b": False, "c": False})
    best = [(1, (True, True, False)), (2, (False, True, True)), (3, (True, False, False))]
    for earlier in itertools.permutations(best):
        assert regressions(now, earlier) == "2 tests that step 2 passed fail now: 'b' and 'c'."


def test_an_attempt_at_another_number_of_tests_is_ignored():
    now = results({"a": False, "b": True})
    assert regressions(now, [(1, (True, True, True))]) == ""
    assert "step 1" in regressions(now, [(1, (True, False)), (2, (True, True, True))])


def test_only_three_names_are_shown():
    now = results(dict.fromkeys("abcde", False), [False])
    note = "6 tests that step 1 passed fail now: 'a', 'b', 'c', 2 more of the visible ones and 1 hidden one."
    assert regressions(now, [(1, (True,) * 6)]) == note


def test_a_name_is_one_short_line():
    now = results({"a\nb " + "x" * 500: False})
    note = regressions(now, [(1, (True,))])
    assert "'a b xxx" in note
    assert "\n" not in note
    assert len(note) < 120


@pytest.mark.parametrize("policy", Feedback)
@pytest.mark.parametrize("passed", list(itertools.product([True, False], repeat=6)))
def test_a_hidden_test_is_never_named(policy, passed):
    note = regressions(NOW, [(1, passed)], policy)
    assert SECRET not in note
    lost = sum(then and not test.passed for then, test in zip(passed, NOW, strict=True))
    assert (f"{lost} " in note) == (lost > 0)
    assert bool(note) == (lost > 0)
