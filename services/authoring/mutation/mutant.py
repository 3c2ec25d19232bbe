"""One mutant of a program, and several of them composed in one program."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import dataclass, field

NOTHING = "nothing"


class CompositionError(ValueError):
    """Mutants that cannot be in one program: they touch the same place, or it does not compile."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """A program with one mistake.

    Attributes:
        source: The whole mutated program.
        operator: What made it, e.g. "comparison".
        bug_class: What kind of bug it is, e.g. "boundary".
        line: Where the changed expression or statement begins, from 1.
        column: The same, in characters from 0.
        before: What it was, in one short line.
        after: What it is; empty where it was deleted.
        start: Where the original's text is changed, in characters from 0.
        end: Up to where.
        text: What is there instead.
        number: 1, or the how manyth of the mutants that would have the same label.
    """

    source: str = field(repr=False)
    operator: str
    bug_class: str
    line: int
    column: int
    before: str
    after: str
    start: int
    end: int
    text: str
    number: int = 1

    @property
    def label(self) -> str:
        """Its name, unique within a program, e.g. "comparison@3:7 `a < b` -> `a <= b`"."""
        after = f"`{self.after}`" if self.after else NOTHING
        again = f" #{self.number}" if self.number > 1 else ""
        return f"{self.operator}@{self.line}:{self.column} `{self.before}` -> {after}{again}"


def applied(source: str, chosen: Iterable[Mutant]) -> str:
    """Returns a program with several mistakes: mutants of one program at different places.

    Args:
        source: The program that they are mutants of.
        chosen: The mutants, in any order.

    Raises:
        CompositionError: Two of them touch, or the program with all of them does not compile.
    """
    ordered = sorted(chosen, key=lambda mutant: (mutant.start, mutant.end))
    parts, position = [], 0
    for number, mutant in enumerate(ordered):
        if number and mutant.start <= ordered[number - 1].end:
            raise CompositionError(f"{ordered[number - 1].label} and {mutant.label} touch the same place")
        parts += [source[position : mutant.start], mutant.text]
        position = mutant.end
    composed = "".join([*parts, source[position:]])
    try:
        compile(ast.parse(composed), "<composed>", "exec")
    except SyntaxError as error:
        raise CompositionError(f"does not compile: {error.msg}") from error
    return composed
