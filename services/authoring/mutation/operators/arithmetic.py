"""Arithmetic and bits: another operator, a sign lost, operands swapped, one added too often."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from services.authoring.mutation.operator import operator
from services.authoring.mutation.operators.loops import is_range_bound
from services.authoring.mutation.operators.sequences import is_slice_bound
from services.authoring.mutation.program import Change, Program
from services.authoring.mutation.shifts import is_offset, shifted

_BINARY: dict[type[cst.BaseBinaryOp], tuple[str, ...]] = {
    cst.Add: ("-",),
    cst.Subtract: ("+",),
    cst.Multiply: ("+",),
    cst.Divide: ("//", "*"),
    cst.FloorDivide: ("/",),
    cst.Modulo: ("//",),
    cst.Power: ("*",),
    cst.LeftShift: (">>",),
    cst.RightShift: ("<<",),
    cst.BitAnd: ("|",),
    cst.BitOr: ("&",),
    cst.BitXor: ("|",),
}
_AUGMENTED: dict[type[cst.BaseAugOp], tuple[str, ...]] = {
    cst.AddAssign: ("-=",),
    cst.SubtractAssign: ("+=",),
    cst.MultiplyAssign: ("+=",),
    cst.DivideAssign: ("//=", "*="),
    cst.FloorDivideAssign: ("*=",),
    cst.ModuloAssign: ("//=",),
    cst.PowerAssign: ("*=",),
    cst.LeftShiftAssign: (">>=",),
    cst.RightShiftAssign: ("<<=",),
    cst.BitAndAssign: ("|=",),
    cst.BitOrAssign: ("&=",),
    cst.BitXorAssign: ("|=",),
}
_ORDERED = (cst.Subtract, cst.Divide, cst.FloorDivide, cst.Modulo, cst.Power)
_NO_NUMBERS = (cst.SimpleString, cst.FormattedString, cst.ConcatenatedString, cst.List, cst.ListComp, cst.Tuple)


def _of_numbers(*operands: cst.BaseExpression) -> bool:
    return not any(isinstance(operand, _NO_NUMBERS) for operand in operands)


def _binary(program: Program, node: cst.BinaryOperation) -> Iterator[Change]:
    if _of_numbers(node.left, node.right):
        for text in _BINARY.get(type(node.operator), ()):
            yield program.replace(node.operator, text, within=node)


def _augmented(program: Program, node: cst.AugAssign) -> Iterator[Change]:
    if _of_numbers(node.value):
        for text in _AUGMENTED.get(type(node.operator), ()):
            yield program.replace(node.operator, text, within=node)


def _sign_dropped(program: Program, node: cst.UnaryOperation) -> Iterator[Change]:
    if isinstance(node.operator, cst.Minus | cst.BitInvert):
        yield program.replace(node, program.operand(node.expression))


def _operands_swapped(program: Program, node: cst.BinaryOperation) -> Iterator[Change]:
    """`a - b` becomes `b - a`; operands that would need parentheses are left."""
    simple = (cst.Name, cst.Attribute, cst.Subscript, cst.Call, cst.Integer, cst.Float)
    if is_offset(node):
        return
    if isinstance(node.operator, _ORDERED) and isinstance(node.left, simple) and isinstance(node.right, simple):
        left, right = program.operand(node.left), program.operand(node.right)
        yield program.replace(node, f"{right} {program.text(node.operator)} {left}")


def _offset(program: Program, node: cst.BinaryOperation) -> Iterator[Change]:
    """`x - 1` becomes `x` and `x - 2`."""
    if is_offset(node) and not is_range_bound(program, node) and not is_slice_bound(program, node):
        for text in shifted(program, node):
            yield program.replace(node, text)


OPERATORS = (
    operator("offset", "boundary", cst.BinaryOperation, _offset),
    operator("arithmetic", "arithmetic", cst.BinaryOperation, _binary),
    operator("augmented", "arithmetic", cst.AugAssign, _augmented),
    operator("sign", "arithmetic", cst.UnaryOperation, _sign_dropped),
    operator("operands", "arithmetic", cst.BinaryOperation, _operands_swapped),
)
