"""From answers to outcomes: every state a sandbox can name, believed in form only."""

from __future__ import annotations

import json
from typing import get_args

import pytest

from codearena.v1 import core_pb2 as core
from codearena.v1 import executor_service_pb2 as wire
from services.executor.jobs import Answer, State
from services.executor.suites import CheckedCase, check_case
from services.executor.verdict import (
    describe,
    judge_case,
    judge_cases,
    load_error,
    load_outcome,
    program_outcome,
)
from tests.executor.conftest import outcome_name

FOUR = check_case(wire.Case(name="four", call="f()", expected_literal="4"), "case")
RAISES = check_case(wire.Case(name="raises", call="f()", raises="ValueError"), "case")


def answer(state: str, payload: str = "") -> Answer:
    return Answer(state=state, payload=payload, number=0, cpu=0, mark=0, wall=0, memory=0)


def raised(*types: str, text: str = "boom") -> Answer:
    return answer("raised", json.dumps({"types": types, "text": text}))


@pytest.mark.parametrize(
    ("case", "given", "outcome", "shown"),
    [
        (FOUR, answer("value", "4"), "PASSED", "4"),
        (FOUR, answer("value", '{"float":"0x1p+2"}'), "PASSED", "4.0"),
        (FOUR, answer("value", "5"), "TESTS_FAILED", "5"),
        (FOUR, answer("value", "not json"), "CRASHED", "a forged answer"),
        (FOUR, answer("value", '{"complex":[]}'), "CRASHED", "a forged answer"),
        (FOUR, raised("builtins.ValueError", text="Traceback: boom"), "TESTS_FAILED", "Traceback: boom"),
        (FOUR, raised("builtins.MemoryError"), "OUT_OF_MEMORY", "boom"),
        (FOUR, answer("raised", "[]"), "CRASHED", "a forged answer"),
        (FOUR, answer("raised", "[" * 100_000), "CRASHED", "a forged answer"),
        (FOUR, answer("raised", '{"types": 5, "text": ""}'), "CRASHED", "a forged answer"),
        (FOUR, answer("unfit", "of type Foo, not a plain builtin type"), "TESTS_FAILED", "a value of type Foo"),
        (FOUR, answer("unfit", "larger than 5 bytes"), "OUTPUT_LIMIT_EXCEEDED", "a value larger than 5 bytes"),
        (FOUR, answer("unfit", "more than 5 elements"), "OUTPUT_LIMIT_EXCEEDED", "a value more than 5 elements"),
        (FOUR, answer("unfit", "nested more than 100 deep"), "TESTS_FAILED", "a value nested"),
        (FOUR, answer("timeout"), "TIMED_OUT", "the time limit"),
        (FOUR, answer("skipped"), "TIMED_OUT", "the time limit"),
        (FOUR, answer("memory"), "OUT_OF_MEMORY", "the memory limit"),
        (FOUR, answer("output"), "OUTPUT_LIMIT_EXCEEDED", "too much output"),
        (FOUR, answer("crash", "signal SIGSEGV"), "CRASHED", "signal SIGSEGV"),
        (FOUR, answer("tamper"), "CRASHED", "ended without an answer"),
        (RAISES, raised("builtins.ValueError", "builtins.Exception"), "PASSED", "raised ValueError"),
        (RAISES, raised("fix.Own", "builtins.ValueError"), "PASSED", "raised ValueError"),
        (RAISES, raised("fix.ValueError", "builtins.Exception"), "TESTS_FAILED", "boom"),
        (RAISES, raised("builtins.KeyError"), "TESTS_FAILED", "boom"),
        (RAISES, raised(), "TESTS_FAILED", "boom"),
        (RAISES, answer("value", "4"), "TESTS_FAILED", "4"),
    ],
)
def test_one_case(case: CheckedCase, given: Answer, outcome: str, shown: str) -> None:
    verdict = judge_case(case, given)

    assert outcome_name(verdict.outcome) == outcome
    assert verdict.passed == (outcome == "PASSED")
    assert shown in verdict.actual
    assert len(verdict.actual) <= 2000


@pytest.mark.parametrize("state", get_args(State))
def test_no_state_is_a_mistake_of_ours(state: str) -> None:
    assert judge_case(FOUR, answer(state)).outcome != core.OUTCOME_PASSED
    assert (load_outcome(answer(state)) == core.OUTCOME_PASSED) == (state == "loaded")
    assert load_error(answer(state)) or state in {"loaded", "load_failed"}


@pytest.mark.parametrize(
    ("payload", "outcome"),
    [
        ("SyntaxError: invalid syntax", "COMPILE_ERROR"),
        ("Traceback (most recent call last):\n...\nMemoryError", "OUT_OF_MEMORY"),
        ("ValueError: MemoryError, not really", "COMPILE_ERROR"),
    ],
)
def test_a_program_that_does_not_load(payload: str, outcome: str) -> None:
    assert outcome_name(load_outcome(answer("load_failed", payload))) == outcome
    assert load_error(answer("load_failed", payload)) == payload


def test_cases_that_were_not_run_share_the_fate_of_the_last_one_stopped() -> None:
    answers = [answer("value", "4"), answer("memory"), answer("value", "5"), answer("skipped")]

    verdicts = judge_cases([FOUR] * 6, answers)

    assert [outcome_name(verdict.outcome) for verdict in verdicts] == [
        "PASSED",
        "OUT_OF_MEMORY",
        "TESTS_FAILED",
        "OUT_OF_MEMORY",
        "OUT_OF_MEMORY",
        "OUT_OF_MEMORY",
    ]
    assert verdicts[1].answer is not None
    assert verdicts[3].answer is None
    assert verdicts[3].actual == "not run after that: stopped: the memory limit"


def test_answers_that_are_missing_without_a_reason_are_a_crash() -> None:
    assert [verdict.outcome for verdict in judge_cases([FOUR, FOUR], [])] == [core.OUTCOME_CRASHED] * 2


@pytest.mark.parametrize(
    ("outcomes", "whole"),
    [
        ("", "PASSED"),
        ("PASSED PASSED", "PASSED"),
        ("PASSED TESTS_FAILED PASSED", "TESTS_FAILED"),
        ("TESTS_FAILED TIMED_OUT OUT_OF_MEMORY", "TIMED_OUT"),
        ("PASSED CRASHED TIMED_OUT", "CRASHED"),
        ("OUTPUT_LIMIT_EXCEEDED", "OUTPUT_LIMIT_EXCEEDED"),
    ],
)
def test_the_whole_program(outcomes: str, whole: str) -> None:
    numbers = [core.Outcome.Value(f"OUTCOME_{name}") for name in outcomes.split()]

    assert outcome_name(program_outcome(numbers)) == whole


def test_what_is_expected_is_said_in_words() -> None:
    assert (FOUR.result.expected, RAISES.result.expected) == ("4", "raises ValueError")


def test_an_answer_that_was_not_hoped_for_is_described() -> None:
    assert describe(answer("value", "[1,2]")) == "[1, 2]"
    assert describe(answer("memory")) == "stopped: the memory limit"
