"""Hints follow the reward and the feedback policy."""

import dataclasses
import itertools
from random import Random

import pytest

from codearena.v1 import core_pb2 as core
from services.env.complexity import Analysis, analyse
from services.env.feedback import Feedback
from services.env.hints import LOADING_BELOW, LOGIC_BELOW, hint
from tests.env.test_hints import CUBIC, SOLVED


def wrong(call="f([])", expected="0", actual="1", **fields):
    return core.TestResult(name="t", call=call, expected=expected, actual=actual, **fields)


LOW, MIDDLE, HIGH = 0.2, 0.5, 0.9
SLOW = dataclasses.replace(SOLVED, efficiency=core.EfficiencyReport(score=0.2), analysis=analyse(CUBIC))
WRONG = dataclasses.replace(
    SOLVED, outcome=core.OUTCOME_TESTS_FAILED, failing=(wrong(),), passed=2, efficiency=None, analysis=analyse(CUBIC)
)
STOPPED = dataclasses.replace(WRONG, outcome=core.OUTCOME_TIMED_OUT)
BROKEN = dataclasses.replace(
    SOLVED,
    outcome=core.OUTCOME_COMPILE_ERROR,
    failing=(wrong(outcome=core.OUTCOME_COMPILE_ERROR, actual="not run: the program did not load"),),
    load_error="NameError: name 'np' is not defined",
    passed=0,
    efficiency=None,
)


def at(reward, situation, **changes):
    return hint(dataclasses.replace(situation, reward=reward, **changes))


def test_a_low_reward_asks_for_a_program_that_ends_before_one_that_is_right():
    assert "time limit" in at(LOW, STOPPED)
    assert "np" in at(LOW, BROKEN)


def test_a_middling_reward_asks_for_right_answers_and_the_edge_cases_of_the_description():
    assert at(MIDDLE, WRONG) == "`f([])` should give 0, not 1. 2 hidden tests fail too: think of empty input."
    assert at(MIDDLE, STOPPED) == at(MIDDLE, WRONG)


@pytest.mark.parametrize(
    ("passed", "description", "words"),
    [
        (4, SOLVED.description, ""),
        (3, SOLVED.description, " 1 hidden test fails too: think of empty input."),
        (3, "Doubles.", " 1 hidden test fails too: think of edge cases."),
    ],
)
def test_a_middling_reward_counts_what_is_hidden(passed, description, words):
    text = at(MIDDLE, WRONG, passed=passed, description=description)
    assert text == f"`f([])` should give 0, not 1.{words}"


def test_a_middling_reward_with_hidden_failures_alone_names_the_edge_cases():
    text = at(MIDDLE, WRONG, failing=())
    assert text == ("2 of 5 tests pass; those that fail are hidden. Read the description again for empty input.")


def test_a_stopped_test_is_no_wrong_answer():
    cut_short = wrong(outcome=core.OUTCOME_TIMED_OUT, actual="stopped: the time limit")
    assert at(MIDDLE, STOPPED, failing=(cut_short,)) == hint(STOPPED)
    assert "should give 0, not 1" in at(MIDDLE, STOPPED, failing=(cut_short, wrong()))


def test_a_high_reward_asks_for_less_complexity():
    text = at(HIGH, SLOW)
    assert "O(n^3)" in text
    assert "Kadane" in text


@pytest.mark.parametrize("reward", [None, LOW, MIDDLE, HIGH])
@pytest.mark.parametrize(
    ("situation", "word"), [(BROKEN, "np"), (dataclasses.replace(STOPPED, failing=()), "time limit"), (SLOW, "Kadane")]
)
def test_where_the_reward_calls_for_nothing_the_most_urgent_is_said(reward, situation, word):
    assert word in at(reward, situation)


@pytest.mark.parametrize("reward", [LOW, HIGH])
def test_wrong_answers_are_told_at_any_reward(reward):
    assert at(reward, WRONG) == "`f([])` should give 0, not 1."


def test_the_bands_begin_where_they_say():
    both = dataclasses.replace(STOPPED, efficiency=core.EfficiencyReport(score=0.2))
    below, logic, complexity = (at(reward, both) for reward in (LOADING_BELOW - 0.001, LOADING_BELOW, LOGIC_BELOW))
    assert "time limit" in below
    assert "should give" in logic
    assert at(LOGIC_BELOW - 0.001, both) == logic
    assert "Kadane" in complexity


@pytest.mark.parametrize("reward", [None, 0.001, LOW, MIDDLE, HIGH, 0.999])
def test_nothing_is_said_of_a_solved_task_at_any_reward(reward):
    assert at(reward, SOLVED) == ""


HIDDEN, SEEN = "h1dden", "s33n"
OUTCOMES = core.Outcome.values()
REWARDS = [None, 0.001, LOW, MIDDLE, HIGH, 0.999]
EXPECTATIONS = ["{}", "raises {}", "'{}'", "{}\n{}", "None", ""]
ANSWERS = [
    "{}",
    "'{}'",
    "ValueError: {}",
    "{}Error: {}",
    'Traceback (most recent call last):\n  File "{}.py", line 1, in {}\n    {}\nKeyError: {}',
    "stopped: {}",
    "\x1b[1m{}\x00\u202e{}",
    "",
]


def filled(pattern, word):
    return pattern.replace("{}", word)


def situations():
    """Every outcome with hostile results, hidden ones first; seeded, so the same each time."""
    random = Random(5)
    for outcome, expected, actual in itertools.product(OUTCOMES, EXPECTATIONS, ANSWERS):
        texts = {True: HIDDEN, False: SEEN}
        tests = [
            core.TestResult(
                name=f"{texts[hidden]} name",
                call=f"f({texts[hidden]})",
                expected=filled(expected, texts[hidden]),
                actual=filled(actual, texts[hidden]),
                hidden=hidden,
                outcome=random.choice(OUTCOMES),
            )
            for hidden in (True, False, True)
        ]
        yield dataclasses.replace(
            SOLVED,
            outcome=outcome,
            failing=random.choice([tests, tests[:1], tests[::2], []]),
            passed=random.randrange(5),
            load_error=random.choice(["", "NameError: no such name"]),
            efficiency=None,
            analysis=random.choice([Analysis(), analyse(CUBIC)]),
            reward=random.choice(REWARDS),
        )


def test_no_hint_holds_a_hidden_value_and_under_counts_no_visible_one():
    told = {policy: [] for policy in Feedback}
    for situation in situations():
        for policy in Feedback:
            text = hint(dataclasses.replace(situation, feedback=policy))
            assert text, "five tests, of which at most four pass"
            assert HIDDEN not in text
            told[policy].append(text)
    assert SEEN not in "".join(told[Feedback.COUNTS])
    assert SEEN in "".join(told[Feedback.VISIBLE])
    assert told[Feedback.VISIBLE] == told[Feedback.FULL]


@pytest.mark.parametrize("reward", REWARDS)
def test_under_counts_a_hint_says_how_many_fail_and_not_that_they_are_hidden(reward):
    text = at(reward, WRONG, feedback=Feedback.COUNTS)
    assert text == "2 of 5 tests pass. Read the description again for empty input."
