"""Arguments in another order."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import libcst as cst

from services.authoring.mutation.operator import operator
from services.authoring.mutation.program import Change, Program, called

_ANY_ORDER = frozenset({"min", "max", "gcd", "lcm", "hypot", "isclose", "union", "isinstance", "issubclass", "print"})


def _swapped(program: Program, node: cst.Call) -> Iterator[Change]:
    if called(node) in _ANY_ORDER:
        return
    for first, second in pairwise(node.args):
        if not (first.keyword or first.star or second.keyword or second.star):
            start, end = _whole(program, first)[0], _whole(program, second)[1]
            text = f"{program.operand(second.value)}, {program.operand(first.value)}"
            yield Change(start, end, text, program.span(node))


def _whole(program: Program, arg: cst.Arg) -> tuple[int, int]:
    """Where an argument is, with the parentheses around it."""
    start, end = program.span(arg.value)
    return start - len(arg.value.lpar), end + len(arg.value.rpar)


OPERATORS = (operator("arguments", "argument", cst.Call, _swapped),)
