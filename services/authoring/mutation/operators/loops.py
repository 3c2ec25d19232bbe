"""Loops: ranges one off, break and continue confused, orders of iteration lost."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from services.authoring.mutation.operator import operator
from services.authoring.mutation.program import Change, Program
from services.authoring.mutation.shifts import shifted


def _range_args(node: cst.CSTNode | None) -> list[cst.Arg]:
    if isinstance(node, cst.Call) and isinstance(node.func, cst.Name) and node.func.value == "range":
        return [] if any(arg.star or arg.keyword for arg in node.args) else list(node.args)
    return []


def is_range_bound(program: Program, node: cst.CSTNode) -> bool:
    """Whether a node is the start or the stop of a range."""
    above = program.parent(node)
    return isinstance(above, cst.Arg) and any(arg is above for arg in _range_args(program.parent(above))[:2])


def _range(program: Program, node: cst.Call) -> Iterator[Change]:
    args = _range_args(node)
    if len(args) == 1:
        start, _ = program.span(args[0])
        yield Change(start, start, "1, ", program.span(node))
    for arg in args[:2]:
        for text in shifted(program, arg.value):
            yield program.replace(arg.value, text, within=node)


def _break(program: Program, node: cst.Break) -> Iterator[Change]:
    yield program.replace(node, "continue")
    yield program.replace(node, "pass")


def _continue(program: Program, node: cst.Continue) -> Iterator[Change]:
    yield program.replace(node, "break")
    if not isinstance(program.parent(program.parent(program.statement(node)) or node), cst.If):
        yield program.replace(node, "pass")


def _first_only(program: Program, node: cst.From) -> Iterator[Change]:
    """`yield from x` becomes `yield x`."""
    above = program.parent(node)
    if isinstance(above, cst.Yield):
        yield program.replace(node, program.text(node.item), within=above)


OPERATORS = (
    operator("range", "loop", cst.Call, _range),
    operator("break", "loop", cst.Break, _break),
    operator("continue", "loop", cst.Continue, _continue),
    operator("yield-from", "api_misuse", cst.From, _first_only),
)
