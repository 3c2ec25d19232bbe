"""How a proposal differs from the code before; called in limited workers, as both are hostile text."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Sequence

from services.judge.proposal import Declined
from services.judge.source import normal_form

MAX_COMPARED_LINES = 1000
_CONTEXT_LINES = 3
_HEADER = re.compile(r"@@ -(\d+)(,\d+)? \+(\d+)(,\d+)? @@\n")
_NO_NEWLINE = "\\ No newline at end of file\n"


def compare(before: str, after: str, attempts: Sequence[str]) -> tuple[str, str]:
    """Returns whether a proposal is new, and its unified diff.

    Args:
        before: The code that was to be repaired.
        after: The proposal.
        attempts: Earlier attempts.

    Returns:
        A `Declined`, or "" for a new one, where programs that differ in form alone are equal; and the diff, "" only
        if the texts are equal.
    """
    return verdict(before, after, attempts, normal_form), unified(before, after)


def verdict(before: str, after: str, attempts: Sequence[str], form: Callable[[str], str]) -> str:
    """Returns whether a proposal is new: a `Declined`, or "" for a new one.

    Args:
        before: The code that was to be repaired.
        after: The proposal.
        attempts: Earlier attempts.
        form: What programs are compared by.
    """
    proposed = form(after)
    if proposed == form(before):
        return Declined.NO_CHANGE.value
    return Declined.REPEAT.value if any(proposed == form(attempt) for attempt in attempts) else ""


def unified(before: str, after: str) -> str:
    """Returns a unified diff of two programs; "" if they are equal.

    Where more than `MAX_COMPARED_LINES` lie between the first and the last difference, it has one hunk that replaces
    them all: finding the lines that they share takes time that grows with their square.
    """
    old, new = _lines(before), _lines(after)
    first = next((n for n, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), min(len(old), len(new)))
    shorter = min(len(old), len(new)) - first
    tail = next((n for n in range(shorter) if old[-1 - n] != new[-1 - n]), shorter)
    if max(len(old), len(new)) - first - tail > MAX_COMPARED_LINES:
        return replaced(before, after)
    skipped, kept = max(0, first - _CONTEXT_LINES), max(0, tail - _CONTEXT_LINES)
    old, new = old[skipped : len(old) - kept], new[skipped : len(new) - kept]
    lines = difflib.unified_diff(old, new, "before", "after", n=_CONTEXT_LINES)
    return "".join(_ended(_shifted(line, skipped)) for line in lines)


def replaced(before: str, after: str) -> str:
    """Returns a unified diff that takes every line of one program away and adds every one of the other."""
    if before == after:
        return ""
    old, new = _lines(before), _lines(after)
    lines = ["--- before\n", "+++ after\n", f"@@ -{_range(old)} +{_range(new)} @@\n"]
    return "".join([*lines, *(_ended("-" + line) for line in old), *(_ended("+" + line) for line in new)])


def _lines(text: str) -> list[str]:
    lines = [line + "\n" for line in text.split("\n")]
    last = lines.pop().removesuffix("\n")
    return [*lines, last] if last else lines


def _shifted(line: str, skipped: int) -> str:
    """Returns a line of a diff; a hunk's header with the numbers of its lines in the whole programs."""
    header = _HEADER.fullmatch(line)
    if header is None:
        return line
    old, old_count, new, new_count = header.groups(default="")
    return f"@@ -{int(old) + skipped}{old_count} +{int(new) + skipped}{new_count} @@\n"


def _range(lines: Sequence[str]) -> str:
    return f"{min(1, len(lines))},{len(lines)}"


def _ended(line: str) -> str:
    return line if line.endswith("\n") else f"{line}\n{_NO_NEWLINE}"
