"""Flaws of style that static analysis can be sure of."""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

_BUILTINS = frozenset(name for name in dir(builtins) if name.islower())
_AMBIGUOUS = frozenset({"l", "O", "I"})
_BAD_FUNCTION_NAME = re.compile(r".*[a-z0-9][A-Z].*")
_MAX_NESTING = 4
_MAX_PARAMETERS = 7
_BLOCKS = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.With, ast.AsyncWith, ast.Try, ast.Match)
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass(frozen=True)
class Flaw:
    """One flaw.

    Attributes:
        line: Where, from 1.
        weight: What it takes off the style score.
        text: What it is, as a clause.
    """

    line: int
    weight: float
    text: str


def flaws(tree: ast.Module, nodes: Iterable[ast.AST]) -> list[Flaw]:
    """Returns the flaws of a program, the heaviest first, in a fixed order."""
    found = [flaw for node in nodes for flaw in _of_node(node)]
    found += _deep_nesting(tree)
    return sorted(found, key=lambda flaw: (-flaw.weight, flaw.line, flaw.text))


def _of_node(node: ast.AST) -> Iterator[Flaw]:
    match node:
        case ast.ExceptHandler():
            yield from _handler(node)
        case ast.ImportFrom(names=[ast.alias(name="*")]):
            yield Flaw(node.lineno, 0.2, "imports everything with *")
        case ast.Compare(ops=operators, comparators=comparators):
            for operator, right in zip(operators, comparators, strict=True):
                if isinstance(operator, (ast.Eq, ast.NotEq)) and _is_singleton(right):
                    yield Flaw(node.lineno, 0.1, "compares with a singleton by ==")
        case ast.Global():
            yield Flaw(node.lineno, 0.15, "changes global state")
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            yield from _function(node)
            yield from _exponential(node)
        case ast.For() | ast.AsyncFor():
            yield from _loop(node)
        case ast.If():
            yield from _condition(node)
        case ast.Assign(targets=[ast.Name(id=name)], value=ast.BinOp(left=ast.Name(id=left))) if name == left:
            yield Flaw(node.lineno, 0.03, f"spells {name} twice where an augmented assignment does")
        case ast.Assign(value=ast.Call(func=ast.Name(id="open"))):
            yield Flaw(node.lineno, 0.1, "opens a file without with")
        case ast.Expr(value=ast.Call(func=ast.Attribute(attr="acquire"))):
            yield Flaw(node.lineno, 0.1, "takes a lock without with")
        case ast.Name(id=name, ctx=ast.Store()):
            yield from _bound_name(name, node.lineno)


def _handler(node: ast.ExceptHandler) -> Iterator[Flaw]:
    if node.type is None:
        yield Flaw(node.lineno, 0.3, "a bare except")
    elif isinstance(node.type, ast.Name) and node.type.id in {"Exception", "BaseException"}:
        yield Flaw(node.lineno, 0.15, f"catches every {node.type.id}")
    if all(isinstance(statement, ast.Pass) for statement in node.body):
        yield Flaw(node.lineno, 0.2, "swallows an exception")


def _function(node: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[Flaw]:
    arguments = node.args
    parameters = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    if _BAD_FUNCTION_NAME.fullmatch(node.name):
        yield Flaw(node.lineno, 0.05, "a function name that is not snake_case")
    if len(parameters) > _MAX_PARAMETERS:
        yield Flaw(node.lineno, 0.1, f"{len(parameters)} parameters")
    for default in [*arguments.defaults, *filter(None, arguments.kw_defaults)]:
        if isinstance(default, (ast.List, ast.Dict, ast.Set)):
            yield Flaw(default.lineno, 0.25, "a mutable default argument")
    for parameter in parameters:
        yield from _bound_name(parameter.arg, parameter.lineno)


def _bound_name(name: str, line: int) -> Iterator[Flaw]:
    if name in _AMBIGUOUS:
        yield Flaw(line, 0.05, f"the ambiguous name {name}")
    elif name in _BUILTINS:
        yield Flaw(line, 0.1, f"hides the builtin {name}")


def _loop(node: ast.For | ast.AsyncFor) -> Iterator[Flaw]:
    match node.iter:
        case ast.Call(func=ast.Name(id="range"), args=[*_, ast.Call(func=ast.Name(id="len"))]):
            yield Flaw(node.lineno, 0.1, "loops over indices of a sequence")
    match node.body:
        case [
            *_,
            ast.If(
                test=ast.Compare(ops=[ast.NotIn()], comparators=[ast.Name(id=seen)]),
                body=[*_, ast.Expr(value=ast.Call(func=ast.Attribute(attr="append", value=ast.Name(id=grown))))],
            ),
        ] if seen == grown:
            yield Flaw(node.lineno, 0.3, f"searches the list {seen} again and again")
    iterated = ast.dump(node.iter)
    for inner in node.body:
        for child in ast.walk(inner):
            if isinstance(child, (ast.For, ast.AsyncFor)) and ast.dump(child.iter) == iterated:
                yield Flaw(child.lineno, 0.15, "loops over the same in a loop")


def _exponential(node: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[Flaw]:
    """Yields a flaw for a function that calls itself twice with less by a constant, and keeps no results."""
    if node.decorator_list:
        return
    calls = [
        call
        for call in ast.walk(node)
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Name)
        and call.func.id == node.name
        and any(isinstance(one, ast.BinOp) and isinstance(one.op, ast.Sub) for one in call.args)
    ]
    if len(calls) > 1:
        yield Flaw(node.lineno, 0.6, "calls itself several times for almost the same")


def _condition(node: ast.If) -> Iterator[Flaw]:
    match node:
        case ast.If(
            body=[ast.Return(value=ast.Constant(value=bool()))], orelse=[ast.Return(value=ast.Constant(value=bool()))]
        ):
            yield Flaw(node.lineno, 0.1, "returns True or False by a condition that is one of them")
    if node.orelse and isinstance(node.body[-1], (ast.Return, ast.Raise)) and not isinstance(node.orelse[0], ast.If):
        yield Flaw(node.orelse[0].lineno, 0.05, "an else after a return")


def _is_singleton(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and (node.value is None or isinstance(node.value, bool))


def _deep_nesting(tree: ast.Module) -> list[Flaw]:
    """Returns a flaw for each innermost block that lies more than `_MAX_NESTING` blocks deep."""
    found: list[Flaw] = []
    stack: list[tuple[ast.AST, int]] = [(tree, 0)]
    while stack:
        node, depth = stack.pop()
        for child in ast.iter_child_nodes(node):
            inner = 0 if isinstance(child, _FUNCTIONS) else depth + isinstance(child, _BLOCKS)
            if isinstance(child, _BLOCKS) and inner == _MAX_NESTING + 1:
                found.append(Flaw(child.lineno, 0.15, f"blocks nested more than {_MAX_NESTING} deep"))
            stack.append((child, inner))
    return found
