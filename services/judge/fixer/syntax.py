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

from services.judge.fixer.plausibility import implausibility
from services.judge.fixer.syntax_edits import edits_of_line, edits_of_program

_MAX_EDITS = 6
_MAX_PARSES = 600
_MAX_PARSES_AFTER_FIRST = 150
_MAX_CHARACTERS_AFTER_FIRST = 400_000
_MAX_RESULTS = 40
_MAX_PROPOSED = 5
_FOUND_EARLY = ("unmatched", "closing parenthesis", "never closed", "unterminated")


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

    @property
    def found_early(self) -> bool:
        """Whether it is found before mistakes that stand further up."""
        return any(part in self.message for part in _FOUND_EARLY)


def repairs(code: str) -> Iterator[tuple[str, list[str]]]:
    """Yields programs that compile, the likeliest first, each with a sentence for each edit."""
    found = itertools.islice(_search(code), _MAX_RESULTS)
    ranked = sorted(found, key=lambda repair: 2 * len(repair[1]) + implausibility(repair[0]))
    yield from ranked[:_MAX_PROPOSED]


def _search(code: str) -> Iterator[tuple[str, list[str]]]:
    """Yields programs that compile, those with few edits first."""
    parses, most_parses, most_edits = 0, _MAX_PARSES, _MAX_EDITS
    order = itertools.count()
    seen = {code}
    heap: list[tuple[tuple[int, int, int, int], str, Mistake, list[str]]] = []
    mistake = find_mistake(code)
    if mistake is not None:
        heap.append(((0, 0, 0, next(order)), code, mistake, []))
    while heap:
        _, current, mistake, explanations = heapq.heappop(heap)
        if len(explanations) >= most_edits:
            continue
        for candidate, explanation in _edits(current, mistake):
            if candidate in seen or parses >= most_parses:
                continue
            seen.add(candidate)
            parses += 1
            further = find_mistake(candidate)
            done = [*explanations, f"Line {mistake.line}: {explanation}."]
            if further is None:
                if most_edits == _MAX_EDITS:
                    most_edits = min(most_edits, len(done) + 1)
                    more = min(_MAX_PARSES_AFTER_FIRST, _MAX_CHARACTERS_AFTER_FIRST // len(code))
                    most_parses = min(most_parses, parses + more)
                yield candidate, done
            elif further.line >= mistake.line - 1 or mistake.found_early:
                progress = max(0, further.line - mistake.line) if mistake.found_early else further.line - mistake.line
                rank = (len(done) - 2 * progress, -further.line, len(done), next(order))
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
