"""The static judge: deterministic scores from a program's syntax tree. Never runs the program.

Reads hostile text, so a service calls `analyse` in a limited worker. Formulas: see `security` and `quality`.
Whether code is correct is left to the tests: no score is given for it.
"""

from __future__ import annotations

import ast
from typing import TypedDict

from services.judge import quality, security
from services.judge.sinks import kinds_in
from services.judge.source import Unreadable, parse

_DIGITS = 4


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
        tree = parse(code)
        nodes = list(ast.walk(tree))
        reference = _tree(reference_code)
        own = [known for known in (reference, _tree(buggy_code)) if known is not None]
        findings = security.find(code, tree, nodes, frozenset().union(*map(kinds_in, own)))
        measured = quality.measure(tree, nodes, reference)
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


def _tree(code: str) -> ast.Module | None:
    try:
        return parse(code) if code.strip() else None
    except Unreadable:
        return None


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
