"""One or two sentences of advice for an agent's next attempt. Pure; built only from what the agent may see."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from codearena.v1 import core_pb2 as core
from services.env.complexity import Analysis

_SHOWN_CHARACTERS = 160
_LINE = re.compile(r"line (\d+)")
_EXCEPTION = re.compile(r"^(?:[\w.]+\.)?(\w*(?:Error|Exception|Interrupt|Exit|Iteration))(?:: *(.*))?$")

_TECHNIQUES = {
    "maximum subarray (Kadane)": "Keep the best sum that ends at the current element and the best one seen so far "
    "(Kadane's algorithm): one pass is enough.",
    "two-sum": "Remember in a dictionary what you have seen and look the complement up in it.",
    "three-sum": "Sort once, then move two pointers towards each other for each first element.",
    "binary search": "Halve the range that is left in each round; do not scan, slice or use `in` or `index`.",
    "sliding window": "Move the two ends of one window forward and update what it holds, instead of starting anew.",
    "sorting": "Use the built-in sort, or divide and merge.",
    "prefix sum": "Add up once and take differences of the running totals.",
    "graph traversal": "Visit each node once: keep the visited ones in a set and the waiting ones in a deque.",
    "shortest path": "Take the closest node from a heap instead of searching for it.",
    "tree traversal": "Visit each node once, and pass results up instead of copying lists.",
    "Fibonacci numbers": "Carry the last two values along instead of computing them again.",
    "string matching": "Use the built-in search, or a table of prefixes (Knuth-Morris-Pratt).",
    "counting and duplicates": "Count in a dictionary or a set instead of searching the list again.",
    "aggregation (sum, mean)": "One pass over the input is enough.",
    "prime sieve": "Cross out multiples in one table (sieve of Eratosthenes).",
    "palindrome": "Compare the two ends moving inwards, or with the reversed text, once.",
}
_ANY_TECHNIQUE = (
    "Look for work that is repeated in a loop: searching a list, slicing, adding up again. "
    "A running value, a dictionary or a cache does it once."
)
_ADVICE = {
    "TypeError": "Values of different types meet there: convert them explicitly, and treat None before using it.",
    "ZeroDivisionError": "Treat the empty or zero case before dividing.",
    "IndexError": "Check the bounds: the first and last index, and the empty input.",
    "KeyError": "Check that the key is there before using it.",
    "NameError": "A name is used that is not defined: check its spelling and imports.",
    "UnboundLocalError": "A variable is read before every path has set it.",
    "AttributeError": "The object does not have that attribute: check its type, and whether it is None.",
    "RecursionError": "The recursion does not end: check its base case, or use a loop.",
    "ValueError": "A conversion or call was given a value that it does not accept: check or convert it first.",
    "ModuleNotFoundError": "Only the standard library is there.",
    "ImportError": "Only the standard library is there.",
    "PermissionError": "The sandbox has no network, and starts no programs.",
    "BlockingIOError": "The sandbox has no network, and starts no programs.",
}
_STOPPED = {
    core.OUTCOME_OUT_OF_MEMORY: "It ran out of memory: do not build what you do not need, and check that loops end.",
    core.OUTCOME_OUTPUT_LIMIT_EXCEEDED: "It printed or returned too much: remove debugging output.",
    core.OUTCOME_CRASHED: "The process ended before it had answered: return a value, do not exit.",
}


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


def hint(situation: Situation) -> str:
    """Returns advice for the next attempt; empty if there is nothing left to improve."""
    steps: tuple[Callable[[Situation], str], ...] = (_on_stop, _on_load, _on_visible, _on_hidden, _on_cost)
    return next((text for step in steps if (text := step(situation))), "")


def _on_load(situation: Situation) -> str:
    if not situation.load_error and situation.outcome != core.OUTCOME_COMPILE_ERROR:
        return ""
    name, detail = _exception(situation.load_error)
    lines = _LINE.findall(situation.load_error)
    place = f" in line {lines[-1]}" if lines else ""
    what = f"{name}: {detail}" if detail else name or "an error"
    if name in {"SyntaxError", "IndentationError", "TabError"}:
        return f"The code does not compile{place} ({what}). Check colons, brackets, quotes and indentation there."
    advice = _ADVICE.get(name, "")
    return f"The code stops while it is loaded{place} ({what}). {advice or 'Only definitions should run on import.'}"


def _on_stop(situation: Situation) -> str:
    if situation.outcome == core.OUTCOME_TIMED_OUT:
        cost = situation.analysis.time_complexity
        estimate = f" Its cost is estimated at {cost}." if cost else ""
        return f"The time limit stopped it: check that every loop and recursion moves towards its end.{estimate}"
    return _STOPPED.get(situation.outcome, "")


def _on_visible(situation: Situation) -> str:
    failing = next((test for test in situation.failing if not test.hidden and not test.passed), None)
    if failing is None:
        return ""
    call, expected, actual = _short(failing.call), _short(failing.expected), failing.actual
    name, detail = _exception(actual)
    if expected.startswith("raises "):
        got = f"raised {name}" if name else f"returned {_short(actual)}"
        return f"`{call}` should raise {expected.removeprefix('raises ')}, but it {got}."
    if name:
        what = f"{name}: {detail}" if detail else name
        return f"`{call}` raises {_short(what)}. {_ADVICE.get(name, '')}".strip()
    difference = _difference(expected, actual)
    return f"`{call}` should give {expected}, not {_short(actual)}.{' ' if difference else ''}{difference}"


def _difference(expected: str, actual: str) -> str:
    if actual.strip() == "None":
        return "Check that every path returns a value."
    if actual.strip("'\"") == expected.strip("'\"") and actual != expected:
        return "The value is right and its type is not."
    return ""


def _on_hidden(situation: Situation) -> str:
    failed = situation.total - situation.passed
    if failed <= 0:
        return ""
    cases = _named_cases(situation.description)
    advice = f"Read the description again for {cases}." if cases else "Read the description again for edge cases."
    return f"{situation.passed} of {situation.total} tests pass; those that fail are hidden. {advice}"


def _named_cases(description: str) -> str:
    """The edge cases that the description names itself."""
    known = {
        r"\bempty\b": "empty input",
        r"\bNone\b|\bnull\b": "missing values",
        r"\bnegative\b": "negative numbers",
        r"\brais(?:e|es|ed)\b": "what must raise an exception",
        r"\bnot changed\b": "input that must not be changed",
        r"\bvalid\b|\bconsists\b": "input that is not valid",
        r"\btext\b": "the texts it allows",
    }
    found = [words for pattern, words in known.items() if re.search(pattern, description)]
    return ", ".join(found[:4])


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
    return f"{cost}. {_TECHNIQUES.get(analysis.problem_type, _ANY_TECHNIQUE)}"


def _exception(text: str) -> tuple[str, str]:
    """Name and message of the exception that a traceback ends with; empty texts if it does not end with one."""
    lines = [line.strip() for line in text.strip().splitlines()] or [""]
    match = _EXCEPTION.match(lines[-1])
    return (match[1], _short(match[2] or "")) if match else ("", "")


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _SHOWN_CHARACTERS else line[: _SHOWN_CHARACTERS - 1] + "…"
