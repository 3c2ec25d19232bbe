"""Returns: None in place of a value, values in another order."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from services.authoring.mutation.operator import operator
from services.authoring.mutation.program import Change, Program


def _none(program: Program, node: cst.Return | cst.Yield) -> Iterator[Change]:
    value = node.value
    if value is not None and not isinstance(value, cst.From):
        yield program.replace(value, "None", within=node)


def _swapped(program: Program, node: cst.Return) -> Iterator[Change]:
    """`return a, b` becomes `return b, a`."""
    if isinstance(node.value, cst.Tuple) and len(node.value.elements) == 2:
        first, second = node.value.elements
        if not isinstance(first, cst.StarredElement) and not isinstance(second, cst.StarredElement):
            text = f"{program.operand(second.value)}, {program.operand(first.value)}"
            yield program.replace(node.value, text, within=node)


OPERATORS = (
    operator("return", "return", cst.Return, _none),
    operator("yield", "return", cst.Yield, _none),
    operator("returned-order", "return", cst.Return, _swapped),
)
