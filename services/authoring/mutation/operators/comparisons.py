"""Comparisons: boundaries, swapped operators, truth in place of identity, links left out of a chain."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from services.authoring.mutation.operator import operator
from services.authoring.mutation.program import Change, Program
from services.authoring.mutation.shifts import tight

BOUNDARY: dict[type[cst.BaseCompOp], str] = {
    cst.LessThan: "<=",
    cst.LessThanEqual: "<",
    cst.GreaterThan: ">=",
    cst.GreaterThanEqual: ">",
}
_OTHER: dict[type[cst.BaseCompOp], str] = {
    cst.LessThan: ">",
    cst.LessThanEqual: ">=",
    cst.GreaterThan: "<",
    cst.GreaterThanEqual: "<=",
    cst.Equal: "!=",
    cst.NotEqual: "==",
    cst.In: "not in",
    cst.NotIn: "in",
    cst.Is: "is not",
    cst.IsNot: "is",
}


def _swapped(table: dict[type[cst.BaseCompOp], str], program: Program, node: cst.Comparison) -> Iterator[Change]:
    for link in node.comparisons:
        if (text := table.get(type(link.operator))) is not None:
            yield program.replace(link.operator, text, within=node)


def _truth(program: Program, node: cst.Comparison) -> Iterator[Change]:
    """`x is None` becomes `not x`, `x is not None` becomes `x`: nothing and empty are taken for one."""
    link = node.comparisons[0]
    if len(node.comparisons) > 1 or not (isinstance(link.comparator, cst.Name) and link.comparator.value == "None"):
        return
    if isinstance(link.operator, cst.Is):
        yield program.replace(node, f"not {tight(program, node.left)}")
    elif isinstance(link.operator, cst.IsNot):
        yield program.replace(node, program.operand(node.left))


def _link_dropped(program: Program, node: cst.Comparison) -> Iterator[Change]:
    """`0 <= x < n` becomes `x < n` or `0 <= x`."""
    if len(node.comparisons) == 2:
        (start, end), first = program.span(node), node.comparisons[0]
        middle = program.operand(first.comparator)
        tail = program.source[program.start(node.comparisons[1].operator) : end]
        yield Change(start, end, f"{middle} {tail}", (start, end))
        yield Change(start, end, f"{program.operand(node.left)} {program.text(first.operator)} {middle}", (start, end))


OPERATORS = (
    operator("boundary", "boundary", cst.Comparison, lambda program, node: _swapped(BOUNDARY, program, node)),
    operator("comparison", "comparison", cst.Comparison, lambda program, node: _swapped(_OTHER, program, node)),
    operator("truth", "condition", cst.Comparison, _truth),
    operator("chain", "boundary", cst.Comparison, _link_dropped),
)
