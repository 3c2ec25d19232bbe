"""Bounds that are one off."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from services.authoring.mutation.program import Program

_LOOSE = (
    cst.BooleanOperation,
    cst.Comparison,
    cst.IfExp,
    cst.Lambda,
    cst.NamedExpr,
    cst.Await,
    cst.Yield,
)
_LOOSE_OPERATORS = (cst.BitAnd, cst.BitOr, cst.BitXor, cst.LeftShift, cst.RightShift)


def integer(node: cst.BaseExpression) -> int | None:
    """Returns the value of a literal integer, also a negative one; None for anything else."""
    if isinstance(node, cst.UnaryOperation) and isinstance(node.operator, cst.Minus):
        inner = integer(node.expression)
        return None if inner is None else -inner
    return node.evaluated_value if isinstance(node, cst.Integer) else None


def is_offset(node: cst.CSTNode | None) -> bool:
    """Whether a node is `x + 1` or `x - 1`."""
    return (
        isinstance(node, cst.BinaryOperation)
        and isinstance(node.operator, cst.Add | cst.Subtract)
        and integer(node.right) == 1
        and integer(node.left) is None
    )


def shifted(program: Program, node: cst.BaseExpression) -> Iterator[str]:
    """Yields a bound one higher and one lower, as one would write it."""
    value = integer(node)
    if value is not None:
        yield str(value + 1)
        yield str(value - 1)
    elif isinstance(node, cst.BinaryOperation) and is_offset(node):
        yield program.operand(node.left)
        yield f"{program.operand(node.left)} {program.text(node.operator)} 2"
    elif not isinstance(node, cst.SimpleString | cst.FormattedString | cst.Float):
        yield f"{tight(program, node)} + 1"
        yield f"{tight(program, node)} - 1"


def tight(program: Program, node: cst.BaseExpression) -> str:
    """Returns the text of an expression, in parentheses if a sum with it would need them."""
    loose = isinstance(node, _LOOSE) or (
        isinstance(node, cst.BinaryOperation) and isinstance(node.operator, _LOOSE_OPERATORS)
    )
    return f"({program.text(node)})" if loose or node.lpar else program.text(node)
