"""How often a `while` loop runs: halving, square root, worklists, pointers that only move forward."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from services.env.bigo.facts import base_name, called_name, names_in, own_nodes, receiver
from services.env.bigo.order import LINEAR, LOGARITHMIC, ROOT, Order

_REMOVERS = {"pop", "popleft", "remove", "discard", "popitem", "get"}
_SHRINKING = (ast.FloorDiv, ast.RShift, ast.LShift, ast.Mult, ast.Div, ast.Mod)


@dataclass(frozen=True, slots=True)
class WhileLoop:
    """What a `while` loop's syntax says about it.

    Attributes:
        times: How often it runs.
        budget: Names that bound its runs over all executions together: as long as an enclosing loop does not
            reset them, the loop runs `times` in all. Empty if every execution may take that long.
        worklist: The collection that it empties, or an empty text.
        marks: Names of what remembers the items that were seen.
    """

    times: Order
    budget: frozenset[str] = frozenset()
    worklist: str = ""
    marks: frozenset[str] = frozenset()


def read_while(loop: ast.While) -> WhileLoop:
    """Classifies a `while` loop."""
    body = [node for statement in loop.body for node in (statement, *own_nodes(statement))]
    tested = _tested_names(loop, body)
    if _halves(body, tested):
        return WhileLoop(LOGARITHMIC)
    if _squares(loop.test):
        return WhileLoop(ROOT)
    emptied = _emptied(body)
    if (worklist := _worklist(loop.test)) in emptied:
        marks = marked_names(body)
        return WhileLoop(LINEAR, marks or frozenset({worklist}), worklist, marks)
    return WhileLoop(LINEAR, frozenset((emptied | _counted(body)) & tested))


def _tested_names(loop: ast.While, body: list[ast.AST]) -> set[str]:
    tested = names_in(loop.test)
    if isinstance(loop.test, ast.Constant):
        for node in body:
            if isinstance(node, ast.If):
                tested |= names_in(node.test)
    return tested


def _assignments(nodes: list[ast.AST]) -> Iterator[tuple[str, ast.expr]]:
    for node in nodes:
        match node:
            case ast.Assign(targets=[ast.Tuple(elts=names)], value=ast.Tuple(elts=values)):
                for target, value in zip(names, values, strict=False):
                    if isinstance(target, ast.Name):
                        yield target.id, value
            case ast.Assign(targets=[ast.Tuple(elts=names)], value=value):
                for target in names:
                    if isinstance(target, ast.Name):
                        yield target.id, value
            case ast.Assign(targets=targets, value=value):
                for target in targets:
                    if isinstance(target, ast.Name):
                        yield target.id, value
            case ast.AugAssign(target=ast.Name() as target, op=op, value=value):
                yield target.id, ast.BinOp(left=target, op=op, right=value)


def halved_names(nodes: list[ast.AST]) -> set[str]:
    """Returns names assigned from an expression that divides by two or more: midpoints."""
    return {name for name, value in _assignments(nodes) if _divides(value)}


def _divides(value: ast.expr) -> bool:
    for part in ast.walk(value):
        match part:
            case ast.BinOp(op=ast.FloorDiv() | ast.RShift() | ast.Div(), right=ast.Constant()):
                return True
    return False


def _halves(body: list[ast.AST], tested: set[str]) -> bool:
    assignments = list(_assignments(body))
    middles = halved_names(body)
    for name, value in assignments:
        if name not in tested:
            continue
        used = names_in(value)
        if used & (middles - {name}):
            return True
        if _scales(value) and used & tested and (name in used or isinstance(value, (ast.BinOp, ast.Call))):
            return True
    return False


def _scales(value: ast.expr) -> bool:
    match value:
        case ast.BinOp(op=op, right=ast.Constant() | ast.Name()) if isinstance(op, _SHRINKING):
            return True
        case ast.BinOp(left=left, op=ast.BitAnd(), right=ast.BinOp(left=other, op=ast.Sub())):
            return ast.dump(left) == ast.dump(other)
        case ast.Call():
            return called_name(value) == "divmod"
    return False


def _squares(test: ast.expr) -> bool:
    for part in ast.walk(test):
        match part:
            case ast.BinOp(left=left, op=ast.Mult(), right=right) if ast.dump(left) == ast.dump(right):
                return True
            case ast.BinOp(op=ast.Pow(), right=ast.Constant(value=2)):
                return True
    return False


def _worklist(test: ast.expr) -> str:
    match test:
        case ast.Name(id=name):
            return name
        case ast.Call(func=ast.Name(id="len"), args=[ast.Name(id=name)]):
            return name
        case ast.Compare(left=ast.Call() as call):
            return _worklist(call)
        case ast.UnaryOp(op=ast.Not(), operand=ast.Call() as call) if called_name(call) == "empty":
            return receiver(call)
    return ""


def _emptied(nodes: list[ast.AST]) -> set[str]:
    """Names that lose an item."""
    emptied = set()
    for node in nodes:
        match node:
            case ast.Call() if called_name(node) in _REMOVERS:
                emptied.add(receiver(node))
            case ast.Call(args=[ast.Name(id=name), *_]) if called_name(node) == "heappop":
                emptied.add(name)
            case ast.Delete(targets=targets):
                emptied.update(base_name(target) for target in targets)
    return emptied - {""}


def _counted(nodes: list[ast.AST]) -> set[str]:
    """Names that are counted up or down, or follow a link."""
    counted = {
        base_name(node.target)
        for node in nodes
        if isinstance(node, ast.AugAssign) and isinstance(node.op, (ast.Add, ast.Sub))
    }
    for name, value in _assignments(nodes):
        if isinstance(value, (ast.BinOp, ast.Attribute)) and name in names_in(value):
            counted.add(name)
    return counted - {""}


def marked_names(nodes: list[ast.AST], *, ordered: bool = True) -> frozenset[str]:
    """Returns names that are both tested and added to: they remember what was seen.

    Args:
        nodes: The nodes to look at.
        ordered: Whether a comparison by size counts as a test, as in "is this distance shorter?".
    """
    tested: set[str] = set()
    added: set[str] = set()
    for node in nodes:
        match node:
            case ast.Compare(ops=[ast.In() | ast.NotIn()], comparators=[box]):
                tested.add(base_name(box))
            case ast.If(test=test) | ast.IfExp(test=test):
                tested |= _looked_up(test, ordered)
            case ast.Call(func=ast.Attribute(attr="get")):
                tested.add(receiver(node))
            case ast.Call(func=ast.Attribute(attr="add" | "append" | "discard" | "remove")):
                added.add(receiver(node))
            case ast.Subscript(ctx=ast.Store()):
                added.add(base_name(node))
    return frozenset((tested & added) - {""})


def _looked_up(test: ast.expr, ordered: bool) -> set[str]:
    by_size = (ast.Lt, ast.LtE, ast.Gt, ast.GtE)
    if not ordered and isinstance(test, ast.Compare) and any(isinstance(op, by_size) for op in test.ops):
        return set()
    if isinstance(test, ast.Subscript):
        return {base_name(test)}
    parts = [part for part in ast.iter_child_nodes(test) if isinstance(part, ast.expr)]
    return {name for part in parts for name in _looked_up(part, ordered)}
