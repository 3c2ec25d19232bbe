"""Calls: keywords and arguments left out that have a default, access without a default, rounding by conversion."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from services.authoring.mutation.operator import operator
from services.authoring.mutation.program import Change, Program, called

_KEYWORDS = frozenset(
    {"reverse", "key", "default", "start", "strict", "maxsplit", "initial", "fillvalue", "repeat", "maxlen", "base"}
)
_OPTIONAL = {
    "get": 2,
    "pop": 1,
    "split": 1,
    "rsplit": 1,
    "strip": 1,
    "lstrip": 1,
    "rstrip": 1,
    "sum": 2,
    "round": 2,
    "enumerate": 2,
    "next": 2,
    "getattr": 3,
    "int": 2,
    "find": 2,
    "index": 2,
    "startswith": 2,
    "count": 2,
    "replace": 3,
    "accumulate": 2,
    "reduce": 3,
    "setdefault": 2,
    "defaultdict": 1,
    "deque": 2,
    "pow": 3,
}
"""From which position an argument of a builtin has a default, from 1."""


def _without(program: Program, node: cst.Call, position: int) -> Change:
    """The removal of an argument with the comma before it, or behind it if it is the first."""
    start, end = program.span(node.args[position])
    end = max(end, program.span(node.args[position].value)[1] + len(node.args[position].value.rpar))
    if position:
        start = program.span(node.args[position - 1])[1]
    elif len(node.args) > 1:
        end = program.start(node.args[1])
    return Change(start, end, "", program.span(node))


def _keyword(program: Program, node: cst.Call) -> Iterator[Change]:
    for position, arg in enumerate(node.args):
        if arg.keyword is not None and arg.keyword.value in _KEYWORDS:
            yield _without(program, node, position)


def _last(program: Program, node: cst.Call) -> Iterator[Change]:
    position = _OPTIONAL.get(called(node))
    plain = not any(arg.keyword or arg.star for arg in node.args)
    if position is not None and plain and len(node.args) >= position:
        yield _without(program, node, len(node.args) - 1)


def _subscript(program: Program, node: cst.Call) -> Iterator[Change]:
    """`d.get(k, x)` becomes `d[k]`."""
    if isinstance(node.func, cst.Attribute) and called(node) == "get" and node.args and not node.args[0].keyword:
        owner = program.operand(node.func.value)
        yield program.replace(node, f"{owner}[{program.text(node.args[0].value)}]")


def _truncated(program: Program, node: cst.BinaryOperation) -> Iterator[Change]:
    """`a // b` becomes `int(a / b)`, which rounds towards zero and loses digits."""
    if isinstance(node.operator, cst.FloorDivide):
        yield program.replace(node, f"int({program.operand(node.left)} / {program.operand(node.right)})")


OPERATORS = (
    operator("keyword", "argument", cst.Call, _keyword),
    operator("optional", "argument", cst.Call, _last),
    operator("subscript", "missing_guard", cst.Call, _subscript),
    operator("truncated", "api_misuse", cst.BinaryOperation, _truncated),
)
