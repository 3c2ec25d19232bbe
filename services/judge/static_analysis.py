"""The static judge: deterministic scores from a program's syntax tree. Never runs the program.

Reads hostile text, so a service calls `analyse` in a limited worker. Formulas: see `security` and `quality`.
Whether code is correct is left to the tests: no score is given for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TypedDict

from services.judge import quality, security
from services.judge.sinks import Kind, kinds_in
from services.judge.source import Unreadable, parse_nodes

_DIGITS = 4
_MAX_KNOWN = 256


class Analysis(TypedDict):
    """Scores in [0, 1], each with one sentence why; JSON, as it crosses a process boundary."""

    readable: bool
    security: float
    quality: float
    security_reason: str
    quality_reason: str


def analyse(code: str, reference_code: str = "", buggy_code: str = "") -> Analysis:
    """Scores a program.

    Args:
        code: The source. One that does not parse scores 0: nothing good can be said of it.
        reference_code: A good solution whose length is taken as usual; "" or one that does not parse for none.
        buggy_code: What the code was made of. The sinks that it or the reference has are the task's own.
    """
    try:
        tree, nodes = parse_nodes(code)
        reference, buggy = _own(reference_code), _own(buggy_code)
        findings = security.find(code, tree, nodes, reference.sinks | buggy.sinks)
        measured = quality.measure(tree, nodes, reference.lines)
        secure = security.score(findings)
    except Unreadable as error:
        return unreadable(error.reason)
    except RecursionError:
        return unreadable("it is nested too deeply")
    return Analysis(
        readable=True,
        security=round(secure, _DIGITS),
        quality=round(measured.score * (0.5 + 0.5 * secure), _DIGITS),
        security_reason=_security_reason(findings),
        quality_reason=measured.reason,
    )


@dataclass(frozen=True)
class _Own:
    """What counts of a task's own code.

    Attributes:
        sinks: Kinds of sinks that it has.
        lines: Logical lines.
    """

    sinks: frozenset[Kind] = frozenset()
    lines: int = 0


@lru_cache(maxsize=_MAX_KNOWN)  # a task's own code comes again with each fix of it
def _own(code: str) -> _Own:
    try:
        _, nodes = parse_nodes(code)
    except Unreadable:
        return _Own()
    return _Own(kinds_in(nodes), quality.logical_lines(nodes))


def unreadable(reason: str) -> Analysis:
    """Returns the scores of a program that cannot be analysed.

    Args:
        reason: Why, as a clause without its full stop.
    """
    sentence = f"The source cannot be analysed: {reason}."
    return Analysis(readable=False, security=0.0, quality=0.0, security_reason=sentence, quality_reason=sentence)


def _security_reason(findings: list[security.Finding]) -> str:
    if not findings:
        return "Static analysis finds no weakness."
    worst = findings[0]
    count = "1 weakness" if len(findings) == 1 else f"{len(findings)} weaknesses, the worst"
    return f"Static analysis finds {count}: {worst.test_id} on line {worst.line}, {worst.text}."
