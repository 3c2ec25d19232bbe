"""Breaks working functions: one broken program for each seed, always the same."""

from __future__ import annotations

import contextlib
import io
import itertools
import random
import warnings
from dataclasses import dataclass

from benchmarks.syntax_breaks.breaks import BREAKS, Edit
from benchmarks.syntax_breaks.functions import Function, functions

TWO_BREAKS = "two of these"
KINDS = (*BREAKS, TWO_BREAKS)
_NAMES = frozenset({"misspelt builtin", "other language"})


@dataclass(frozen=True, slots=True)
class Broken:
    """A program that was broken.

    Attributes:
        seed: The seed that makes it.
        kind: How it was broken; one of KINDS.
        function: Id of the function that it was.
        code: The broken source.
    """

    seed: int
    kind: str
    function: str
    code: str


def broken(seed: int) -> Broken:
    """Returns the broken program of a seed. The kind follows from the seed, the rest is drawn."""
    kind = KINDS[seed % len(KINDS)]
    draw = random.Random(seed)
    while True:
        function = draw.choice(functions())
        kinds = draw.sample(list(BREAKS), 2) if kind == TWO_BREAKS else [kind]
        edits = sorted(edit for edit in (_edit(draw, function, each) for each in kinds) if edit is not None)
        if len(edits) < len(kinds) or any(one.end >= two.start for one, two in itertools.pairwise(edits)):
            continue
        code = function.code
        for edit in reversed(edits):
            code = edit.of(code)
        return Broken(seed, kind, function.id, code)


def _edit(draw: random.Random, function: Function, kind: str) -> Edit | None:
    """Draws one edit after which the function fails; None if there is no such edit."""
    edits = sorted(set(BREAKS[kind](function.code)))
    draw.shuffle(edits)
    for edit in edits:
        if _fails(edit.of(function.code), function, names=kind in _NAMES):
            return edit
    return None


def _fails(code: str, function: Function, *, names: bool) -> bool:
    """Returns whether a program does not compile, or, if it is about names, whether a check misses one."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            program = compile(code, "broken.py", "exec", dont_inherit=True)
    except SyntaxError:
        return True
    return names and _misses_a_name(program, function)


def _misses_a_name(program: object, function: Function) -> bool:
    space: dict[str, object] = {}
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            exec(program, space)  # type: ignore[arg-type]
            for check in function.checks:
                eval(check, space)
    except Exception as error:  # noqa: BLE001 - whatever a broken program raises
        return isinstance(error, NameError)
    return False
