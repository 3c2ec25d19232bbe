"""Methods and functions: one taken for another, or its result lost."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from services.authoring.mutation.operator import operator
from services.authoring.mutation.program import Change, Program

_METHODS = {
    "append": ("extend",),
    "extend": ("append",),
    "appendleft": ("append",),
    "popleft": ("pop",),
    "add": ("discard",),
    "update": ("setdefault",),
    "lower": ("upper",),
    "upper": ("lower",),
    "casefold": ("lower",),
    "title": ("capitalize",),
    "capitalize": ("title",),
    "strip": ("lstrip", "rstrip"),
    "lstrip": ("strip",),
    "rstrip": ("strip",),
    "startswith": ("endswith",),
    "endswith": ("startswith",),
    "find": ("rfind",),
    "rfind": ("find",),
    "index": ("rindex",),
    "rindex": ("index",),
    "partition": ("rpartition",),
    "rpartition": ("partition",),
    "split": ("rsplit",),
    "rsplit": ("split",),
    "removeprefix": ("lstrip",),
    "removesuffix": ("rstrip",),
    "keys": ("values",),
    "values": ("keys",),
    "items": ("keys",),
    "union": ("intersection",),
    "intersection": ("union",),
    "difference": ("intersection",),
    "isdigit": ("isalnum",),
    "isalpha": ("isalnum",),
    "isalnum": ("isalpha",),
    "issubset": ("issuperset",),
    "issuperset": ("issubset",),
    "ljust": ("rjust",),
    "rjust": ("ljust",),
    "match": ("search",),
    "search": ("match",),
    "fullmatch": ("match",),
}
_FUNCTIONS = {
    "min": "max",
    "max": "min",
    "any": "all",
    "all": "any",
    "floor": "ceil",
    "ceil": "floor",
    "bisect_left": "bisect_right",
    "bisect_right": "bisect_left",
    "bisect": "bisect_left",
    "insort": "insort_left",
    "nlargest": "nsmallest",
    "nsmallest": "nlargest",
    "round": "int",
    "deepcopy": "copy",
    "permutations": "combinations",
    "combinations": "permutations",
    "lcm": "gcd",
    "gcd": "lcm",
}
_LOST = ("abs", "sorted", "reversed", "set", "list", "tuple", "dict", "int", "float", "str", "copy", "deepcopy")
_LOST_METHODS = ("copy", "strip", "lstrip", "rstrip", "lower", "upper", "casefold", "title", "capitalize")


def _method(program: Program, node: cst.Call) -> Iterator[Change]:
    if isinstance(node.func, cst.Attribute):
        name = node.func.attr
        others = _METHODS.get(name.value, ())
        others = others or ((_FUNCTIONS[name.value],) if name.value in _FUNCTIONS else ())
        if name.value in ("split", "rsplit") and len(node.args) < 2:
            return  # without a limit they are the same
        for other in others:
            yield program.replace(name, other, within=node)


def _function(program: Program, node: cst.Call) -> Iterator[Change]:
    if isinstance(node.func, cst.Name) and (other := _FUNCTIONS.get(node.func.value)) is not None:
        yield program.replace(node.func, other, within=node)


def _lost_call(program: Program, node: cst.Call) -> Iterator[Change]:
    """`sorted(x)` becomes `x`."""
    name = node.func.attr if isinstance(node.func, cst.Attribute) else node.func
    first = node.args[0] if node.args else None
    if first is None or first.star or first.keyword or isinstance(first.value, cst.GeneratorExp):
        return
    if not isinstance(name, cst.Name) or name.value not in _LOST:
        return
    if isinstance(node.func, cst.Attribute) and name.value not in ("copy", "deepcopy"):
        return
    simple = isinstance(first.value, cst.Name | cst.Attribute | cst.Subscript | cst.Call) or first.value.lpar
    text = program.operand(first.value)
    yield program.replace(node, text if simple else f"({text})")


def _lost_method(program: Program, node: cst.Call) -> Iterator[Change]:
    """`x.strip()` becomes `x`."""
    if not isinstance(node.func, cst.Attribute) or node.func.attr.value not in _LOST_METHODS:
        return
    if not isinstance(program.parent(node), cst.Expr) and len(node.args) < 2:
        start, end = program.span(node)
        owner_end = program.span(node.func.value)[1] + len(node.func.value.rpar)
        yield Change(owner_end, end, "", (start, end))


def _sort_lost(program: Program, node: cst.Expr) -> Iterator[Change]:
    """`x.sort()` becomes `sorted(x)`, whose result nobody gets; so does `x.reverse()`."""
    call = node.value
    names = {"sort": "sorted", "reverse": "reversed"}
    if isinstance(call, cst.Call) and isinstance(call.func, cst.Attribute) and call.func.attr.value in names:
        owner = program.operand(call.func.value)
        rest = "".join(f", {program.text(arg)}" for arg in call.args)
        yield program.replace(node, f"{names[call.func.attr.value]}({owner}{rest})")


def _sorted_in_place(program: Program, node: cst.Call) -> Iterator[Change]:
    """`y = sorted(x)` becomes `y = x.sort()`, which is None."""
    if not isinstance(program.parent(node), cst.Assign) or not isinstance(node.func, cst.Name) or not node.args:
        return
    first, *rest = node.args
    if node.func.value == "sorted" and isinstance(first.value, cst.Name):
        yield program.replace(node, f"{first.value.value}.sort({', '.join(program.text(arg) for arg in rest)})")


OPERATORS = (
    operator("method", "api_misuse", cst.Call, _method),
    operator("function", "api_misuse", cst.Call, _function),
    operator("lost-call", "api_misuse", cst.Call, _lost_call),
    operator("lost-method", "api_misuse", cst.Call, _lost_method),
    operator("lost-result", "api_misuse", cst.Expr, _sort_lost),
    operator("in-place", "api_misuse", cst.Call, _sorted_in_place),
)
