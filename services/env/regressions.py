"""What a fix broke that an earlier one of its episode had right. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeAlias

from codearena.v1 import core_pb2 as core
from services.env.feedback import Feedback

SHOWN_NAMES = 3
"""Visible tests called by name in one note."""
MAX_NAME_CHARACTERS = 60
"""Of such a name."""

Attempt: TypeAlias = tuple[int, tuple[bool, ...]]
"""An earlier step: its number, and whether each test passed, in the tests' order."""


def regressions(tests: Sequence[core.TestResult], earlier: Iterable[Attempt], policy: Feedback = Feedback.FULL) -> str:
    """Returns which tests fail now that the best earlier attempt passed; empty if there is none.

    The best attempt is the one that passed most tests, the latest of equals. One with another number of tests is
    ignored: its task was another.

    Args:
        tests: The present results, hidden ones included.
        earlier: The attempts before this one.
        policy: Under COUNTS no test is named. Hidden ones never are.
    """
    comparable = [attempt for attempt in earlier if len(attempt[1]) == len(tests)]
    if not comparable:
        return ""
    step, passed_then = max(comparable, key=lambda attempt: (sum(attempt[1]), attempt[0]))
    lost = [test for test, passed in zip(tests, passed_then, strict=True) if passed and not test.passed]
    if not lost:
        return ""
    return f"{_told(lost, step, policy)}."


def _told(lost: Sequence[core.TestResult], step: int, policy: Feedback) -> str:
    visible = [_name(test) for test in lost if not test.hidden]
    hidden = len(lost) - len(visible)
    if not visible:
        return _sentence(hidden, "hidden ", step)
    if policy == Feedback.COUNTS:
        if not hidden:
            return _sentence(len(lost), "visible ", step)
        return f"{_sentence(len(lost), '', step)}, {hidden} of them hidden"
    more = len(visible) - SHOWN_NAMES
    parts = visible[:SHOWN_NAMES]
    if more > 0:
        parts.append(f"{more} more of the visible ones")
    if hidden:
        parts.append(f"{hidden} hidden {'one' if hidden == 1 else 'ones'}")
    return f"{_sentence(len(lost), '', step)}: {_listed(parts)}"


def _sentence(count: int, kind: str, step: int) -> str:
    tests, fail = ("test", "fails") if count == 1 else ("tests", "fail")
    return f"{count} {kind}{tests} that step {step} passed {fail} now"


def _name(test: core.TestResult) -> str:
    name = " ".join(test.name.split())
    return f"'{name if len(name) <= MAX_NAME_CHARACTERS else name[: MAX_NAME_CHARACTERS - 1] + '…'}'"


def _listed(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
