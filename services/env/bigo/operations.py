"""What one operation costs beyond its operands: calls of builtins and methods, slices, membership tests."""

from __future__ import annotations

import ast

from services.env.bigo.facts import COMPREHENSIONS, Facts, Kind, called_name, kind_of, receiver
from services.env.bigo.order import CONSTANT, LINEAR, LOGARITHMIC, Order
from services.env.bigo.sizes import count, size, slice_is_fixed

_CONSUMERS = {
    "sum", "list", "tuple", "set", "frozenset", "dict", "any", "all", "Counter", "deque", "heapify", "fsum", "mean",
    "fmean", "mode", "join", "bytes", "bytearray", "deepcopy", "copy", "prod", "extend", "update", "array",
    "extendleft", "intersection", "union", "difference", "symmetric_difference", "issubset", "issuperset",
}  # fmt: skip
_SORTERS = {"sorted", "sort", "median", "nlargest", "nsmallest", "multimode"}
_SCANNERS = {
    "split", "splitlines", "replace", "find", "rfind", "index", "rindex", "count", "encode", "decode", "translate",
    "reverse", "insert", "remove", "rotate", "loads", "dumps", "literal_eval", "findall", "finditer", "search", "sub",
    "fullmatch", "insort", "insort_left", "insort_right", "reduce", "factorial", "eval",
}  # fmt: skip
_LOGARITHMS = {
    "heappush", "heappop", "heapreplace", "heappushpop", "bisect", "bisect_left", "bisect_right", "gcd", "pow", "lcm",
}  # fmt: skip
_SET_OPERATORS = (ast.BitAnd, ast.BitOr, ast.Sub, ast.BitXor)


def call_order(call: ast.Call, facts: Facts) -> Order:
    """Returns the cost of a call of a builtin or a method; one that is not known costs O(1)."""
    name, owner = called_name(call), receiver(call)
    kind = facts.kinds.get(owner)
    if name in {"min", "max"}:
        return _consumed(call, facts) if len(call.args) == 1 else CONSTANT
    if name in _SORTERS:
        items = call.args[-1] if call.args else getattr(call.func, "value", None)
        counted = count(items, facts) if isinstance(items, ast.expr) else LINEAR
        return counted * LOGARITHMIC if counted > CONSTANT else CONSTANT
    if name in _LOGARITHMS:
        return LOGARITHMIC
    if name == "pop":
        return _pop_order(call, kind)
    if name in _CONSUMERS:
        return _consumed(call, facts)
    if name in _SCANNERS:
        quick = name == "remove" and kind is Kind.HASH
        return CONSTANT if quick or owner in facts.items or facts.is_fixed(owner) else LINEAR
    return CONSTANT


def _consumed(call: ast.Call, facts: Facts) -> Order:
    if not call.args:
        return LINEAR if called_name(call) in {"copy"} else CONSTANT
    argument = call.args[0]
    if isinstance(argument, COMPREHENSIONS):
        return CONSTANT
    return count(argument, facts)


def _pop_order(call: ast.Call, kind: Kind | None) -> Order:
    match call.args:
        case [] | [ast.UnaryOp()]:
            return CONSTANT
    return CONSTANT if kind in (Kind.HASH, Kind.DEQUE) or len(call.args) > 1 else LINEAR


def membership_order(node: ast.Compare, facts: Facts) -> Order:
    """Returns the cost of the `in` and `not in` tests of a comparison."""
    tests = zip(node.ops, node.comparators, strict=True)
    return max(
        (_search_order(box, facts) for op, box in tests if isinstance(op, (ast.In, ast.NotIn))), default=CONSTANT
    )


def _search_order(box: ast.expr, facts: Facts) -> Order:
    match box:
        case ast.Name(id=name) if name in facts.items or facts.is_fixed(name):
            return CONSTANT
        case ast.Name(id=name):
            return CONSTANT if facts.kinds.get(name) in (Kind.HASH,) else LINEAR
        case ast.Call():
            return LINEAR if called_name(box) == "values" else CONSTANT
    return LINEAR if kind_of(box, facts.kinds) is Kind.LIST and count(box, facts) > CONSTANT else CONSTANT


def subscript_order(node: ast.Subscript, facts: Facts) -> Order:
    """Returns the cost of a subscript: a slice copies its items."""
    if not isinstance(node.slice, ast.Slice) or slice_is_fixed(node.slice):
        return CONSTANT
    if isinstance(node.value, ast.Name) and facts.is_fixed(node.value.id):
        return CONSTANT
    return LINEAR


def operator_order(node: ast.BinOp, facts: Facts) -> Order:
    """Returns the cost of an operator: joining or repeating lists and combining sets copies items."""
    left, right = kind_of(node.left, facts.kinds), kind_of(node.right, facts.kinds)
    if isinstance(node.op, ast.Mult) and Kind.LIST in (left, right):
        return size(node.right if left is Kind.LIST else node.left, facts)
    if isinstance(node.op, ast.Add) and Kind.LIST in (left, right):
        return max(count(node.left, facts), count(node.right, facts))
    if isinstance(node.op, _SET_OPERATORS) and left is Kind.HASH and right is Kind.HASH:
        return LINEAR
    return CONSTANT


def accumulation_order(target: ast.expr, value: ast.expr, facts: Facts) -> Order:
    """Returns the cost of `text += more` or `text = text + more`, which copies the text, within a loop."""
    if not isinstance(target, ast.Name) or facts.kinds.get(target.id) is not Kind.TEXT:
        return CONSTANT
    match value:
        case ast.BinOp(op=ast.Add()):
            return LINEAR
    return CONSTANT
