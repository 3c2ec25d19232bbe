"""Conditions: and/or, parts left out, negation added or lost, filters lost, elif and if confused."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from services.authoring.mutation.operator import Operator, operator
from services.authoring.mutation.program import Change, Program


def _and_or(program: Program, node: cst.BooleanOperation) -> Iterator[Change]:
    yield program.replace(node.operator, "or" if isinstance(node.operator, cst.And) else "and", within=node)


def _part_dropped(program: Program, node: cst.BooleanOperation) -> Iterator[Change]:
    yield program.replace(node, program.operand(node.left))
    left = node.left
    if not (isinstance(left, cst.BooleanOperation) and not left.lpar and type(left.operator) is type(node.operator)):
        yield program.replace(node, program.operand(node.right))


def _negated(program: Program, node: cst.CSTNode) -> Iterator[Change]:
    """A condition that is no comparison, whose operators have opposites, and not negated already."""
    if not isinstance(node, cst.If | cst.While | cst.IfExp | cst.CompIf):
        return
    test = node.test
    if isinstance(test, cst.Comparison) or (
        isinstance(test, cst.UnaryOperation) and isinstance(test.operator, cst.Not)
    ):
        return
    if isinstance(node, cst.While) and isinstance(test, cst.Name) and test.value == "True":
        return
    simple = isinstance(test, cst.Name | cst.Call | cst.Attribute | cst.Subscript) or bool(test.lpar)
    yield program.replace(test, f"not {program.text(test)}" if simple else f"not ({program.text(test)})")


def _not_dropped(program: Program, node: cst.UnaryOperation) -> Iterator[Change]:
    if isinstance(node.operator, cst.Not):
        yield program.replace(node, program.operand(node.expression))


def _filter_dropped(program: Program, node: cst.CompIf) -> Iterator[Change]:
    start, end = program.span(node)
    end += len(node.test.rpar)
    yield Change(start, end, "", (start, end))


def _elif_to_if(program: Program, node: cst.If) -> Iterator[Change]:
    start, _ = program.span(node)
    if program.source.startswith("elif", start):
        shown = (start, program.span(node.test)[1])
        yield Change(start, start + len("elif"), "if", shown)


OPERATORS = (
    operator("and-or", "logical", cst.BooleanOperation, _and_or),
    operator("part", "condition", cst.BooleanOperation, _part_dropped),
    Operator("negated", "condition", _negated),
    operator("not", "condition", cst.UnaryOperation, _not_dropped),
    operator("filter", "condition", cst.CompIf, _filter_dropped),
    operator("elif", "condition", cst.If, _elif_to_if),
)
