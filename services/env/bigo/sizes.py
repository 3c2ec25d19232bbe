"""How many items an expression iterates over, and how large a number is, in terms of the input size n."""

from __future__ import annotations

import ast
import math

from services.env.bigo.facts import COMPREHENSIONS, Facts, called_name, is_fixed_literal
from services.env.bigo.order import CONSTANT, EXPONENTIAL, FACTORIAL, LINEAR, LOGARITHMIC, ROOT, Order

_FIXED_ATTRIBUTES = {"ascii_lowercase", "ascii_uppercase", "ascii_letters", "digits", "punctuation", "hexdigits"}
_SAME_SIZE = {
    "enumerate", "reversed", "iter", "list", "tuple", "set", "frozenset", "sorted", "items", "keys", "values",
    "dict", "Counter", "deque", "accumulate", "pairwise", "cycle", "int", "abs", "float", "ceil", "floor", "round",
    "zip_longest", "str", "copy",
}  # fmt: skip
_MAX_DEPTH = 20


def count(node: ast.expr, facts: Facts, depth: int = _MAX_DEPTH) -> Order:
    """Returns how many items iterating over the expression gives."""
    if depth == 0:
        return LINEAR
    match node:
        case ast.Name(id=name):
            return CONSTANT if facts.is_fixed(name) else LINEAR
        case ast.Attribute(attr=attr):
            return CONSTANT if attr in _FIXED_ATTRIBUTES else LINEAR
        case ast.Subscript(slice=ast.Slice() as bounds):
            return CONSTANT if slice_is_fixed(bounds) else LINEAR
        case ast.Call():
            return _count_of_call(node, facts, depth - 1)
        case ast.BinOp(op=ast.Add(), left=left, right=right):
            return max(count(left, facts, depth - 1), count(right, facts, depth - 1))
        case ast.BinOp(op=ast.Mult(), left=left, right=right):
            return max(size(left, facts, depth - 1), size(right, facts, depth - 1))
    if isinstance(node, COMPREHENSIONS):
        return product([count(part.iter, facts, depth - 1) for part in node.generators])
    return CONSTANT if is_fixed_literal(node) else LINEAR


def product(orders: list[Order]) -> Order:
    """Multiplies orders."""
    total = CONSTANT
    for order in orders:
        total = total * order
    return total


def _count_of_call(call: ast.Call, facts: Facts, depth: int) -> Order:
    name, arguments = called_name(call), call.args
    if name == "range":
        return _count_of_range(arguments, facts, depth)
    if name in {"map", "filter", "starmap"} and len(arguments) > 1:
        return count(arguments[1], facts, depth)
    if name in {"zip", "zip_longest", "chain"} and arguments:
        counts = [count(argument, facts, depth) for argument in arguments]
        return min(counts) if name == "zip" else max(counts)
    if name in {"permutations", "combinations", "combinations_with_replacement", "product"} and arguments:
        return _count_of_choices(name, call, facts, depth)
    if name == "islice" and len(arguments) > 1:
        return size(arguments[-1], facts, depth)
    if name in _SAME_SIZE:
        inner = arguments[0] if arguments else getattr(call.func, "value", None)
        return count(inner, facts, depth) if isinstance(inner, ast.expr) else LINEAR
    return LINEAR


def _count_of_range(bounds: list[ast.expr], facts: Facts, depth: int) -> Order:
    if len(bounds) == 1:
        return size(bounds[0], facts, depth)
    if len(bounds) < 2:
        return LINEAR
    start, stop = bounds[:2]
    match stop:
        case ast.BinOp(left=left, op=ast.Add(), right=ast.Constant()) if ast.dump(left) == ast.dump(start):
            return CONSTANT
    return max(size(start, facts, depth), size(stop, facts, depth))


def _count_of_choices(name: str, call: ast.Call, facts: Facts, depth: int) -> Order:
    base = count(call.args[0], facts, depth)
    lengths = [keyword.value for keyword in call.keywords if keyword.arg in {"r", "repeat"}]
    if name == "product":
        if not lengths:
            return product([count(argument, facts, depth) for argument in call.args])
    else:
        lengths += call.args[1:2]
    if lengths and isinstance(lengths[0], ast.Constant) and isinstance(lengths[0].value, int):
        return base ** lengths[0].value
    return FACTORIAL if name == "permutations" else EXPONENTIAL


def size(node: ast.expr, facts: Facts, depth: int = _MAX_DEPTH) -> Order:
    """Returns the order of a number."""
    if depth == 0:
        return LINEAR
    match node:
        case ast.Constant() | ast.UnaryOp(operand=ast.Constant()):
            return CONSTANT
        case ast.Name(id=name):
            value = facts.single_value(name)
            return size(value, facts, depth - 1) if value is not None and name not in facts.items else LINEAR
        case ast.Call():
            return _size_of_call(node, facts, depth - 1)
        case ast.BinOp():
            return _size_of_operation(node, facts, depth - 1)
        case ast.IfExp(body=body, orelse=orelse):
            return max(size(body, facts, depth - 1), size(orelse, facts, depth - 1))
    return LINEAR


def _size_of_call(call: ast.Call, facts: Facts, depth: int) -> Order:
    name, arguments = called_name(call), call.args
    if name in {"isqrt", "sqrt"} and arguments:
        return size(arguments[0], facts, depth) ** 0.5
    if name in {"bit_length", "log", "log2", "log10"}:
        return LOGARITHMIC
    if name in {"ord", "bit_count"}:
        return CONSTANT
    if name in {"min", "max"} and len(arguments) > 1:
        sizes = [size(argument, facts, depth) for argument in arguments]
        return min(sizes) if name == "min" else max(sizes)
    if name == "len" and arguments:
        return count(arguments[0], facts, depth)
    if name in {"int", "abs", "ceil", "floor", "round"} and arguments:
        return size(arguments[0], facts, depth)
    return LINEAR


def _size_of_operation(node: ast.BinOp, facts: Facts, depth: int) -> Order:
    left, right = size(node.left, facts, depth), size(node.right, facts, depth)
    fixed = node.right.value if isinstance(node.right, ast.Constant) else None
    match node.op:
        case ast.Add() | ast.Sub() | ast.BitOr() | ast.BitXor():
            return max(left, right)
        case ast.Mult():
            return left * right
        case ast.Mod() | ast.BitAnd():
            return min(left, right)
        case ast.Pow():
            if isinstance(fixed, (int, float)) and math.isfinite(fixed) and fixed >= 0:
                return ROOT if (left, fixed) == (LINEAR, 0.5) else left**fixed
            return EXPONENTIAL if right > CONSTANT else CONSTANT
        case ast.LShift():
            return EXPONENTIAL if right > CONSTANT else left
    return left


def slice_is_fixed(bounds: ast.Slice) -> bool:
    """Whether a slice has a constant number of items: `[:3]`, `[-2:]`, `[1:4]`, `[i:i + 2]`."""
    lower, upper = bounds.lower, bounds.upper
    low, high = _number(lower), _number(upper)
    match lower, upper:
        case ast.expr(), ast.BinOp(left=left, op=ast.Add(), right=ast.Constant()) if ast.dump(left) == ast.dump(lower):
            return True
    if low is not None and low < 0:
        return upper is None or (high is not None and high < 0)
    return high is not None and high >= 0 and (lower is None or low is not None)


def _number(node: ast.expr | None) -> int | None:
    match node:
        case ast.Constant(value=int(value)):
            return value
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int(value))):
            return -value
    return None
