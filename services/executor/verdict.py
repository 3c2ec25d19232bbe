"""From what a sandbox answered to what became of a program. Pure; the expected values live here, outside."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from codearena.v1 import core_pb2 as core
from services.executor import values
from services.executor.jobs import Answer
from services.executor.suites import CheckedCase
from services.executor.values import Wanted

Outcome: TypeAlias = "core.Outcome.ValueType"

_STATES: dict[str, Outcome] = {
    "timeout": core.OUTCOME_TIMED_OUT,
    "skipped": core.OUTCOME_TIMED_OUT,
    "memory": core.OUTCOME_OUT_OF_MEMORY,
    "output": core.OUTCOME_OUTPUT_LIMIT_EXCEEDED,
    "crash": core.OUTCOME_CRASHED,
    "tamper": core.OUTCOME_CRASHED,
    "load_failed": core.OUTCOME_CRASHED,
    "ended": core.OUTCOME_CRASHED,
    "loaded": core.OUTCOME_CRASHED,
}
STOPS = {
    core.OUTCOME_TIMED_OUT: "stopped: the time limit",
    core.OUTCOME_OUT_OF_MEMORY: "stopped: the memory limit",
    core.OUTCOME_OUTPUT_LIMIT_EXCEEDED: "stopped: too much output",
    core.OUTCOME_CRASHED: "the process ended without an answer",
}
"""How each stop is told to people."""
_TOO_LARGE = ("larger than", "more than", "too much")


@dataclass(frozen=True, slots=True)
class CaseVerdict:
    """What became of one case.

    Attributes:
        outcome: OUTCOME_PASSED, OUTCOME_TESTS_FAILED or how it was stopped.
        actual: What came back, for people; at most 500 characters.
        answer: What the kernel saw; None if the case was not run.
    """

    outcome: Outcome
    actual: str
    answer: Answer | None = None

    @property
    def passed(self) -> bool:
        """Whether the answer is the expected one."""
        return self.outcome == core.OUTCOME_PASSED


def judge_cases(cases: Sequence[CheckedCase], answers: Sequence[Answer]) -> list[CaseVerdict]:
    """Compares answers with what is expected. Cases without an answer share the fate of the last one stopped."""
    verdicts: list[CaseVerdict] = []
    fate: Outcome = core.OUTCOME_CRASHED
    for number, case in enumerate(cases):
        answer = answers[number] if number < len(answers) else None
        if answer is None or answer.state == "skipped":
            verdicts.append(CaseVerdict(fate, f"not run after that: {STOPS[fate]}"))
            continue
        verdict = judge_case(case, answer)
        verdicts.append(verdict)
        fate = verdict.outcome if verdict.outcome in STOPS else fate
    return verdicts


def judge_case(case: CheckedCase, answer: Answer) -> CaseVerdict:
    """Compares one answer with what is expected."""
    return _judge(case.wanted, case.raises, answer)


def judge_value(wanted: Wanted, answer: Answer) -> CaseVerdict:
    """Compares one answer with a value."""
    return _judge(wanted, "", answer)


def describe(answer: Answer) -> str:
    """Returns what came back, for people, when it is not what was hoped for."""
    return _judge(None, "", answer).actual


def _judge(wanted: Wanted | None, raises: str, answer: Answer) -> CaseVerdict:
    if answer.state == "value":
        return _judge_value(wanted, answer)
    if answer.state == "raised":
        return _judge_exception(raises, answer)
    if answer.state == "unfit":
        too_large = answer.payload.startswith(_TOO_LARGE)
        outcome = core.OUTCOME_OUTPUT_LIMIT_EXCEEDED if too_large else core.OUTCOME_TESTS_FAILED
        return CaseVerdict(outcome, values.clean(f"a value {answer.payload}", 300), answer)
    outcome = _STATES[answer.state]
    detail = f" ({_named(answer.payload)})" if answer.state == "crash" and answer.payload else ""
    return CaseVerdict(outcome, STOPS[outcome] + detail, answer)


def _named(ending: str) -> str:
    """Returns how a process ended with its signal's name instead of the number."""
    number = ending.removeprefix("signal ")
    if number != ending and number.isdecimal() and int(number) in signal.valid_signals():
        return f"signal {signal.Signals(int(number)).name}"
    return values.clean(ending, 100)


def _judge_value(wanted: Wanted | None, answer: Answer) -> CaseVerdict:
    if wanted is not None and answer.payload and answer.payload == wanted.payload:
        return CaseVerdict(core.OUTCOME_PASSED, wanted.shown, answer)
    try:
        got = values.decode(answer.payload)
    except values.BadValue:
        return CaseVerdict(core.OUTCOME_CRASHED, "a forged answer", answer)
    passed = wanted is not None and wanted.accepts(got)
    return CaseVerdict(core.OUTCOME_PASSED if passed else core.OUTCOME_TESTS_FAILED, values.show(got), answer)


def _judge_exception(raises: str, answer: Answer) -> CaseVerdict:
    try:
        content = json.loads(answer.payload)
        types = [str(name) for name in content["types"]]
        text = values.clean(str(content["text"]), 2000)
    except (ValueError, TypeError, KeyError, RecursionError):
        return CaseVerdict(core.OUTCOME_CRASHED, "a forged answer", answer)
    if raises and f"builtins.{raises}" in types:
        return CaseVerdict(core.OUTCOME_PASSED, f"raised {raises}", answer)
    out_of_memory = types[:1] == ["builtins.MemoryError"]
    outcome = core.OUTCOME_OUT_OF_MEMORY if out_of_memory else core.OUTCOME_TESTS_FAILED
    return CaseVerdict(outcome, text, answer)


def load_outcome(load: Answer) -> Outcome:
    """Returns how loading ended; OUTCOME_PASSED if the program loaded."""
    if load.state == "loaded":
        return core.OUTCOME_PASSED
    if load.state == "load_failed":
        out_of_memory = load.payload.rstrip().endswith("MemoryError")
        return core.OUTCOME_OUT_OF_MEMORY if out_of_memory else core.OUTCOME_COMPILE_ERROR
    return _STATES.get(load.state, core.OUTCOME_CRASHED)  # an answer before there was a question is forged


def load_error(load: Answer) -> str:
    """Returns why a program did not load, for people; empty if it did."""
    outcome = load_outcome(load)
    if outcome == core.OUTCOME_PASSED:
        return ""
    return values.clean(load.payload, 4000) if load.state == "load_failed" else STOPS[outcome]


def program_outcome(outcomes: Iterable[Outcome]) -> Outcome:
    """Returns the outcome of a whole program from those of its cases, in order."""
    result: Outcome = core.OUTCOME_PASSED
    for outcome in outcomes:
        if outcome in STOPS:
            return outcome
        if outcome != core.OUTCOME_PASSED:
            result = core.OUTCOME_TESTS_FAILED
    return result
