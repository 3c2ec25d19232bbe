"""Constants: integers one off, truth values, texts that are empty or not."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from services.authoring.mutation.operator import operator
from services.authoring.mutation.operators.accumulators import is_start
from services.authoring.mutation.operators.comparisons import BOUNDARY
from services.authoring.mutation.operators.loops import is_range_bound
from services.authoring.mutation.operators.sequences import is_slice_bound
from services.authoring.mutation.program import Change, Program
from services.authoring.mutation.shifts import is_offset

_SOME_TEXT = "x"


def _kind(program: Program, node: cst.CSTNode) -> str:
    """What a wrong constant is called at its place; empty where it is just a constant."""
    above = program.parent(node)
    if isinstance(above, cst.UnaryOperation):
        above = program.parent(above)
    if isinstance(above, cst.Param):
        return "default"
    if isinstance(above, cst.Assign) and is_start(program, above):
        return "accumulator"
    if isinstance(above, cst.ComparisonTarget):
        above = program.parent(above)
    if isinstance(above, cst.Comparison) and any(type(link.operator) in BOUNDARY for link in above.comparisons):
        return "boundary"
    return ""


def _integer(program: Program, node: cst.Integer) -> Iterator[Change]:
    above = program.parent(node)
    whole = above if above is not None and isinstance(above, cst.UnaryOperation) else node
    if is_range_bound(program, whole) or is_slice_bound(program, whole):
        return
    if isinstance(above, cst.BinaryOperation) and is_offset(above) and above.right is node:
        return
    negative = isinstance(above, cst.UnaryOperation) and isinstance(above.operator, cst.Minus)
    value = -node.evaluated_value if negative else node.evaluated_value
    for other in (value + 1, value - 1):
        yield program.replace(whole if negative else node, str(other), within=whole, bug_class=_kind(program, node))


def _float(program: Program, node: cst.Float) -> Iterator[Change]:
    yield program.replace(node, repr(node.evaluated_value + 1.0), bug_class=_kind(program, node))


def _boolean(program: Program, node: cst.Name) -> Iterator[Change]:
    other = {"True": "False", "False": "True"}.get(node.value)
    above = program.parent(node)
    if other is not None and not isinstance(above, cst.Attribute) and not _is_endless(above):
        yield program.replace(node, other, bug_class=_kind(program, node))


def _is_endless(node: cst.CSTNode | None) -> bool:
    """`while True` becomes no loop at all: as good as the loop left out."""
    return isinstance(node, cst.While)


def _text(program: Program, node: cst.SimpleString) -> Iterator[Change]:
    inner = "" if node.raw_value else _SOME_TEXT
    quote = node.quote if len(node.quote) == 1 else node.quote[0] * 3
    yield program.replace(node, f"{node.prefix}{quote}{inner}{quote}", bug_class=_kind(program, node))


OPERATORS = (
    operator("integer", "constant", cst.Integer, _integer),
    operator("float", "constant", cst.Float, _float),
    operator("boolean", "constant", cst.Name, _boolean),
    operator("text", "constant", cst.SimpleString, _text),
)
