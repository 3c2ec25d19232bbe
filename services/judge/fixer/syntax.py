"""Repairs code that does not compile, led by the compiler's own errors.

A best-first search: from a program that does not compile, each small edit near the error gives another;
the one whose error lies furthest down, after the fewest edits, is tried next.
"""

from __future__ import annotations

import heapq
import itertools
import warnings
from collections.abc import Iterator
from dataclasses import dataclass

from services.judge.fixer.syntax_edits import edits_of_line, edits_of_program

_MAX_EDITS = 6
_MAX_PARSES = 600
_MAX_RESULTS = 5


@dataclass(frozen=True)
class Mistake:
    """Where the parser gave up.

    Attributes:
        line: From 1.
        column: From 1; 0 if unknown.
        message: What it says.
    """

    line: int
    column: int
    message: str


def repairs(code: str) -> Iterator[tuple[str, list[str]]]:
    """Yields programs that compile, the fewest edits first, each with a sentence for each edit."""
    found, parses = 0, 0
    order = itertools.count()
    seen = {code}
    heap: list[tuple[tuple[int, int, int, int], str, Mistake, list[str]]] = []
    mistake = find_mistake(code)
    if mistake is not None:
        heap.append(((0, 0, 0, next(order)), code, mistake, []))
    while heap and found < _MAX_RESULTS:
        _, current, mistake, explanations = heapq.heappop(heap)
        if len(explanations) >= _MAX_EDITS:
            continue
        for candidate, explanation in _edits(current, mistake):
            if candidate in seen or parses >= _MAX_PARSES:
                continue
            seen.add(candidate)
            parses += 1
            further = find_mistake(candidate)
            done = [*explanations, f"Line {mistake.line}: {explanation}."]
            if further is None:
                found += 1
                yield candidate, done
            elif further.line >= mistake.line - 1:
                rank = (len(done) - 2 * (further.line - mistake.line), -further.line, len(done), next(order))
                heapq.heappush(heap, (rank, candidate, further, done))


def find_mistake(code: str) -> Mistake | None:
    """Returns where the compiler gives up, or None if the code compiles. Nothing is executed."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            compile(code, "fix.py", "exec", dont_inherit=True)
    except SyntaxError as error:
        return Mistake(error.lineno or 1, error.offset or 0, error.msg)
    except (ValueError, RecursionError, MemoryError) as error:
        return Mistake(1, 0, str(error))
    return None


def _edits(code: str, mistake: Mistake) -> Iterator[tuple[str, str]]:
    """Yields programs with one edit each, those at the parser's line first."""
    lines = code.split("\n")
    yield from edits_of_program(lines, mistake.line - 1, mistake.message)
    places = [mistake.line - 1]
    before = next((at for at in range(min(mistake.line - 2, len(lines) - 1), -1, -1) if lines[at].strip()), None)
    if before is not None:
        places.append(before)
    for at in places:
        if not 0 <= at < len(lines):
            continue
        for line, explanation in edits_of_line(lines[at], mistake.message):
            yield "\n".join([*lines[:at], line, *lines[at + 1 :]]), explanation
