"""A few sentences of advice for an agent's next attempt. Pure; built only from what the agent may see.

The advice follows the attempt's reward: first that the program runs, then that it is right, then that it is fast.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from codearena.v1 import core_pb2 as core
from services.env.complexity import Analysis
from services.env.excerpts import answered, said
from services.env.feedback import Feedback
from services.env.hint_texts import ADVICE, ANY_TECHNIQUE, NAMED_CASES, STOPPED, TECHNIQUES

LOADING_BELOW = 0.4
"""Under this reward a hint is first about syntax, loading and being stopped."""
LOGIC_BELOW = 0.7
"""Under this reward a hint is first about wrong answers and edge cases; from it on, about complexity."""
SHOWN_CHARACTERS = 160
"""Of each text of a test or an exception that a hint repeats."""
SHOWN_CASES = 4
"""Edge cases of the description that a hint names."""

_LINE = re.compile(r"line (\d+)")
_EXCEPTION = re.compile(r"^(?:[\w.]+\.)?(\w*(?:Error|Exception|Interrupt|Exit|Iteration))(?:: *(.*))?$")
_NOT_ANSWERED = {core.OUTCOME_TIMED_OUT, core.OUTCOME_COMPILE_ERROR, *STOPPED}


@dataclass(frozen=True, slots=True)
class Situation:
    """What a hint is made from.

    Attributes:
        function: Name of the function under repair.
        description: What it should do.
        outcome: What became of the fix.
        failing: Results of failed tests. Hidden ones are ignored.
        load_error: Why it did not load; empty if it did.
        passed: How many tests it passed, visible and hidden.
        total: How many there are.
        efficiency: Its cost against the reference's; None unless every test passed.
        analysis: What its source tells.
        reward: The attempt's reward; None for advice in the order of urgency, whatever the reward.
        feedback: How much the agent may see. Under COUNTS nothing of a test's call, expectation or answer is told.
    """

    function: str
    description: str
    outcome: core.Outcome.ValueType
    failing: Sequence[core.TestResult]
    load_error: str
    passed: int
    total: int
    efficiency: core.EfficiencyReport | None
    analysis: Analysis
    reward: float | None = None
    feedback: Feedback = Feedback.FULL


_Advice: TypeAlias = Callable[[Situation], str]


def hint(situation: Situation) -> str:
    """Returns advice for the next attempt; empty if there is nothing left to improve.

    What the reward calls for comes first. Where that has nothing to say, the most urgent of the rest is said.
    """
    urgent: tuple[_Advice, ...] = (_on_stop, _on_load, _on_visible, _on_failures, _on_cost)
    return next((text for step in (*_called_for(situation.reward), *urgent) if (text := step(situation))), "")


def _called_for(reward: float | None) -> tuple[_Advice, ...]:
    if reward is None:
        return ()
    if reward < LOADING_BELOW:
        return _on_stop, _on_load
    return (_on_logic,) if reward < LOGIC_BELOW else (_on_cost,)


def _on_load(situation: Situation) -> str:
    if not situation.load_error and situation.outcome != core.OUTCOME_COMPILE_ERROR:
        return ""
    error = said(situation.load_error)
    name, detail = _exception(error)
    lines = _LINE.findall(error)
    place = f" in line {lines[-1]}" if lines else ""
    what = f"{name}: {detail}" if detail else name or "an error"
    if name in {"SyntaxError", "IndentationError", "TabError"}:
        return f"The code does not compile{place} ({what}). Check colons, brackets, quotes and indentation there."
    advice = ADVICE.get(name, "")
    return f"The code stops while it is loaded{place} ({what}). {advice or 'Only definitions should run on import.'}"


def _on_stop(situation: Situation) -> str:
    if situation.outcome == core.OUTCOME_TIMED_OUT:
        cost = situation.analysis.time_complexity
        estimate = f" Its cost is estimated at {cost}." if cost else ""
        return f"The time limit stopped it: check that every loop and recursion moves towards its end.{estimate}"
    return STOPPED.get(situation.outcome, "")


def _on_logic(situation: Situation) -> str:
    """What is wrong, visible and hidden together; nothing if no wrong answer is known and something stopped it."""
    visible = _on_visible(situation)
    if not visible:
        return "" if situation.outcome in _NOT_ANSWERED else _on_failures(situation)
    shown = sum(not test.hidden and not test.passed for test in situation.failing)
    hidden = situation.total - situation.passed - shown
    if hidden <= 0:
        return visible
    tests = "1 hidden test fails" if hidden == 1 else f"{hidden} hidden tests fail"
    return f"{visible} {tests} too: think of {_named_cases(situation.description) or 'edge cases'}."


def _on_visible(situation: Situation) -> str:
    """The first wrong answer that the agent may see."""
    wrong = (test for test in situation.failing if not (test.hidden or test.passed or test.outcome in _NOT_ANSWERED))
    failing = None if situation.feedback == Feedback.COUNTS else next(wrong, None)
    return "" if failing is None else _explained(failing)


def _explained(failing: core.TestResult) -> str:
    call, expected, actual = _short(failing.call), _short(failing.expected), answered(failing.actual)
    name, detail = _exception(actual)
    if expected.startswith("raises "):
        got = f"raised {name}" if name else f"returned {_short(actual)}"
        return f"`{call}` should raise {expected.removeprefix('raises ')}, but it {got}."
    if name:
        what = f"{name}: {detail}" if detail else name
        return f"`{call}` raises {_short(what)}. {ADVICE.get(name, '')}".strip()
    difference = _difference(expected, actual)
    return f"`{call}` should give {expected}, not {_short(actual)}.{' ' if difference else ''}{difference}"


def _difference(expected: str, actual: str) -> str:
    if actual.strip() == "None":
        return "Check that every path returns a value."
    if actual.strip("'\"") == expected.strip("'\"") and actual != expected:
        return "The value is right and its type is not."
    return ""


def _on_failures(situation: Situation) -> str:
    """How many tests fail, and what the description says of edge cases."""
    if situation.passed >= situation.total:
        return ""
    told = f"{situation.passed} of {situation.total} tests pass"
    if situation.feedback != Feedback.COUNTS:
        told += "; those that fail are hidden"
    return f"{told}. Read the description again for {_named_cases(situation.description) or 'edge cases'}."


def _named_cases(description: str) -> str:
    """The edge cases that the description names itself."""
    found = [words for pattern, words in NAMED_CASES.items() if re.search(pattern, description)]
    return ", ".join(found[:SHOWN_CASES])


def _on_cost(situation: Situation) -> str:
    report = situation.efficiency
    if report is None or report.score >= 1.0:
        return ""
    analysis = situation.analysis
    cost = f"`{situation.function}` is correct but too slow"
    if analysis.time_complexity:
        cost += f": it is estimated at {analysis.time_complexity}"
        if analysis.best_complexity not in ("", analysis.time_complexity):
            cost += f", and {analysis.best_complexity} is possible for {analysis.problem_type}"
    return f"{cost}. {TECHNIQUES.get(analysis.problem_type, ANY_TECHNIQUE)}"


def _exception(text: str) -> tuple[str, str]:
    """Name and message of the exception that a traceback ends with; empty texts if it does not end with one."""
    lines = [line.strip() for line in text.strip().splitlines()] or [""]
    match = _EXCEPTION.match(lines[-1])
    return (_short(match[1]), _short(match[2] or "")) if match else ("", "")


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= SHOWN_CHARACTERS else line[: SHOWN_CHARACTERS - 1] + "…"
