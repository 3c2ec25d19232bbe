"""All mutants of a program, in the order of its text."""

from __future__ import annotations

import ast
import dataclasses
import re
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence

from services.authoring.mutation.catalogue import OPERATORS
from services.authoring.mutation.mutant import Mutant
from services.authoring.mutation.operator import Operator
from services.authoring.mutation.program import Change, Program
from services.authoring.mutation.sites import sites

SHOWN = 60
"""Characters of an expression that a label shows at most."""
_AROUND = 22
_COMMENT = re.compile(r"(^|\s)#.*$")


def mutants(source: str, functions: Sequence[str] | None = None) -> list[Mutant]:
    """Returns every mutant with one mistake, in the order of the source; each compiles and differs from the others.

    Args:
        source: A program.
        functions: Names of the functions and classes to mutate, of methods as "Class.method"; None for all.

    Raises:
        ValueError: The program cannot be parsed.
    """
    program = Program(source)
    found = [_mutant(program, operator, change) for operator, change in _changes(program, functions)]
    return _numbered(_distinct(source, found))


def _changes(program: Program, functions: Sequence[str] | None) -> list[tuple[Operator, Change]]:
    """All that the operators propose, by where it begins; at one place in the order of the operators."""
    found = [
        (change.shown[0], change.start, number, operator, change)
        for node in sites(program.module, functions)
        for number, operator in enumerate(OPERATORS)
        for change in operator.finds(program, node)
    ]
    return [(operator, change) for *_, operator, change in sorted(found, key=lambda entry: entry[:3])]


def _mutant(program: Program, operator: Operator, change: Change) -> Mutant:
    line, column = program.place(change.shown[0])
    before, after = _shown(program.source, change)
    return Mutant(
        source=program.source[: change.start] + change.text + program.source[change.end :],
        operator=operator.name,
        bug_class=change.bug_class or operator.bug_class,
        line=line,
        column=column,
        before=before,
        after=after,
        start=change.start,
        end=change.end,
        text=change.text,
    )


def _shown(source: str, change: Change) -> tuple[str, str]:
    """What was there and what is there now, each in one short line around the place where they begin to differ."""
    start, end = change.shown
    before = source[start:end]
    if change.told:
        after = change.told
    elif change.start < start or change.end > end:
        after = change.text
    else:
        after = source[start : change.start] + change.text + source[change.end : end]
    one, two = _one_line(before), _one_line(after)
    same = next((i for i, (a, b) in enumerate(zip(one, two, strict=False)) if a != b), min(len(one), len(two)))
    return _cut(one, same), _cut(two, same)


def _one_line(text: str) -> str:
    """The text without line ends, and without the comments of lines that hold no quotes."""
    lines = text.split("\n")
    kept = (line if "'" in line or '"' in line else _COMMENT.sub("", line) for line in lines)
    return " ".join(" ".join(kept).split())


def _cut(text: str, place: int) -> str:
    if len(text) <= SHOWN:
        return text
    begin = max(0, min(place - _AROUND, len(text) - SHOWN))
    end = begin + SHOWN
    return ("…" if begin else "") + text[begin:end] + ("…" if end < len(text) else "")


def _distinct(source: str, found: Sequence[Mutant]) -> Iterator[Mutant]:
    """Leaves out what does not compile, and all but the first of those that are the same program."""
    seen = {_tree(source)}
    for mutant in found:
        tree = _tree(mutant.source)
        if tree is not None and tree not in seen:
            seen.add(tree)
            yield mutant


def _tree(source: str) -> str | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)
            tree = ast.parse(source)
            compile(tree, "<mutant>", "exec")
    except (SyntaxError, ValueError):
        return None
    return ast.dump(tree)


def _numbered(found: Iterator[Mutant]) -> list[Mutant]:
    counts: Counter[str] = Counter()
    numbered = []
    for mutant in found:
        counts[mutant.label] += 1
        numbered.append(dataclasses.replace(mutant, number=counts[mutant.label]))
    return numbered
