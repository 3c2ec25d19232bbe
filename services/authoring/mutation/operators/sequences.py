"""Slices and indices: bounds and indices one off, bounds and steps left out, copies lost."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from services.authoring.mutation.operator import operator
from services.authoring.mutation.program import Change, Program, called
from services.authoring.mutation.scopes import assigned
from services.authoring.mutation.shifts import integer, shifted

_COUNTERS = frozenset({"i", "j", "k", "lo", "hi", "low", "high", "mid", "middle", "left", "right", "index", "pos"})


def is_slice_bound(program: Program, node: cst.CSTNode) -> bool:
    """Whether a node is the lower or the upper bound of a slice."""
    above = program.parent(node)
    return isinstance(above, cst.Slice) and node is not above.step


def _slice(program: Program, node: cst.Slice) -> Iterator[Change]:
    shown = program.parent(program.parent(node) or node) or node
    for bound in (node.lower, node.upper):
        if bound is None:
            continue
        dropped = program.replace(bound, "", within=shown)
        widened = len(bound.lpar)
        yield Change(dropped.start - widened, dropped.end + widened, "", dropped.shown)
        for text in shifted(program, bound):
            if not (bound is node.lower and text == "0") and not (bound is node.upper and text == "0"):
                yield program.replace(bound, text, within=shown)
    if node.step is not None:
        yield program.replace(node.step, "1", within=shown)


def _copy(program: Program, node: cst.Subscript) -> Iterator[Change]:
    """`x[:]` becomes `x`."""
    if isinstance(program.parent(node), cst.AssignTarget | cst.AugAssign | cst.Del):
        return
    part = node.slice[0].slice
    if len(node.slice) == 1 and isinstance(part, cst.Slice) and not (part.lower or part.upper or part.step):
        yield program.replace(node, program.operand(node.value))


def _index(program: Program, node: cst.Index) -> Iterator[Change]:
    """`a[i]` becomes `a[i + 1]` and `a[i - 1]`, where `i` looks like a number."""
    name = node.value
    if isinstance(name, cst.Name) and _counts(program, name):
        shown = program.parent(program.parent(node) or node) or node
        for text in shifted(program, name):
            yield program.replace(name, text, within=shown)


def _counts(program: Program, name: cst.Name) -> bool:
    if name.value in _COUNTERS:
        return True
    for outer in program.ancestors(name):
        target, source = _loop(outer)
        if target is not None and source is not None and called(source) in ("range", "enumerate"):
            first = target.elements[0].value if isinstance(target, cst.Tuple) else target
            if isinstance(first, cst.Name) and first.value == name.value:
                return True
        if isinstance(outer, cst.While) and name.value in assigned(outer):
            return _stepped(outer, name.value)
    return False


def _loop(node: cst.CSTNode) -> tuple[cst.CSTNode | None, cst.CSTNode | None]:
    if isinstance(node, cst.For):
        return node.target, node.iter
    comprehensions = (cst.ListComp, cst.SetComp, cst.DictComp, cst.GeneratorExp)
    return (node.for_in.target, node.for_in.iter) if isinstance(node, comprehensions) else (None, None)


def _stepped(node: cst.CSTNode, name: str) -> bool:
    """Whether a node has a `name += 1` or `name -= 1`."""
    if isinstance(node, cst.AugAssign) and isinstance(node.target, cst.Name) and node.target.value == name:
        return integer(node.value) is not None
    return any(_stepped(child, name) for child in node.children)


OPERATORS = (
    operator("slice", "slice", cst.Slice, _slice),
    operator("copied", "api_misuse", cst.Subscript, _copy),
    operator("index", "boundary", cst.Index, _index),
)
