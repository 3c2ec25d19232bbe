"""Results that get lost: missing and premature returns, methods that return None, shared defaults, `is`."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from services.judge.fixer.edits import Function, Text, first_statement, insert_before, replace
from services.judge.fixer.evidence import Change, Evidence
from services.judge.fixer.rule import Kind, Rule

_LIST_METHODS = {"sort": "sorted({0})", "reverse": "{0}[::-1]"}


def _missing_return(evidence: Evidence) -> Iterator[Change]:
    """Returns the last expression, or the variable that the function builds."""
    for function in evidence.functions:
        if function.name.startswith("__") or any(
            isinstance(n, ast.Return) and n.value is not None for n in function.body
        ):
            continue
        last = function.body[-1]
        if isinstance(last, ast.Expr) and not isinstance(last.value, (ast.Constant, ast.Await, ast.Yield)):
            yield Change(
                replace(evidence.code, (last, f"return {Text(evidence.code).of(last.value)}")),
                f"`{function.name}` computes its result but does not return it.",
            )
        built = _built(function)
        if built is not None:
            yield _with_return(evidence, function, built)


def _built(function: Function) -> str | None:
    """Returns the variable that is bound first in a function and changed later."""
    for statement in function.body:
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)]) if _changes(function, name, statement):
                return name
    match function.body[-1]:
        case ast.Assign(targets=[ast.Name(id=name)]):
            return name
    return None


def _changes(function: Function, name: str, first: ast.stmt) -> bool:
    for node in ast.walk(function):
        match node:
            case ast.AugAssign(target=ast.Name(id=changed)) if changed == name:
                return True
            case ast.Assign(targets=[ast.Name(id=changed)]) if changed == name and node is not first:
                return True
            case ast.Assign(targets=[ast.Subscript(value=ast.Name(id=changed))]) if changed == name:
                return True
            case ast.Call(
                func=ast.Attribute(value=ast.Name(id=changed), attr="append" | "add" | "extend" | "insert" | "update")
            ) if changed == name:
                return True
    return False


def _with_return(evidence: Evidence, function: Function, name: str) -> Change:
    text = Text(evidence.code)
    last = function.body[-1]
    _, end = text.span(last)
    code = text.replaced([((end, end), f"\n{text.indentation(last)}return {name}")])
    return Change(code, f"`{function.name}` builds `{name}` but does not return it.")


def _premature_return(evidence: Evidence) -> Iterator[Change]:
    """Moves a return that ends a loop in its first round behind the loop."""
    for function in evidence.functions:
        for loop in ast.walk(function):
            match loop:
                case (
                    ast.For(body=[*_, ast.Return(value=ast.Name(id=name)) as last])
                    | ast.While(body=[*_, ast.Return(value=ast.Name(id=name)) as last])
                ) if len(loop.body) > 1 and _changes(function, name, last):
                    text = Text(evidence.code)
                    start = text.line_start(last)
                    _, end = text.span(last)
                    line = f"{text.indentation(loop)}return {name}"
                    yield Change(
                        text.replaced([((start, end), line)]),
                        f"`{name}` is returned after the loop, not in its first round.",
                    )


def _in_place_methods(evidence: Evidence) -> Iterator[Change]:
    """Replaces the result of `x.sort()` or `x.reverse()`, which is None, by the sorted or reversed list."""
    used = [
        node.value
        for node in ast.walk(evidence.tree)
        if isinstance(node, (ast.Assign, ast.Return)) and node.value is not None
    ]
    for value in used:
        match value:
            case ast.Call(func=ast.Attribute(value=target, attr="sort" | "reverse" as method)):
                new = _LIST_METHODS[method].format(ast.unparse(target))
                if method == "sort" and value.keywords:
                    extra = ", ".join(f"{k.arg}={ast.unparse(k.value)}" for k in value.keywords)
                    new = f"{new[:-1]}, {extra})"
                yield Change(replace(evidence.code, (value, new)), f"`{method}` works in place and returns None.")
            case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr="append"), args=[item]):
                yield Change(
                    replace(evidence.code, (value, f"{name} + [{ast.unparse(item)}]")),
                    "`append` works in place and returns None.",
                )


def _shared_defaults(evidence: Evidence) -> Iterator[Change]:
    """Makes a new list, dictionary or set for each call instead of one for all."""
    for function in evidence.functions:
        positional = [*function.args.posonlyargs, *function.args.args]
        defaults = function.args.defaults
        for argument, default in zip(positional[len(positional) - len(defaults) :], defaults, strict=True):
            if not (isinstance(default, (ast.List, ast.Dict, ast.Set)) or _is_empty_call(default)):
                continue
            name, value = argument.arg, ast.unparse(default)
            code = insert_before(
                replace(evidence.code, (default, "None")),
                first_statement(function),
                f"if {name} is None:",
                f"    {name} = {value}",
            )
            yield Change(code, f"The default of `{name}` is made anew for each call, not shared by all.")


def _is_empty_call(node: ast.expr) -> bool:
    match node:
        case ast.Call(func=ast.Name(id="list" | "dict" | "set"), args=[], keywords=[]):
            return True
    return False


def _identity(evidence: Evidence) -> Iterator[Change]:
    """Compares with a literal by `==`, not by `is`."""
    for node in ast.walk(evidence.tree):
        match node:
            case ast.Compare(left=left, ops=[ast.Is() | ast.IsNot() as op], comparators=[right]) if any(
                isinstance(side, ast.Constant)
                and isinstance(side.value, (int, str, float, bytes))
                and not isinstance(side.value, bool)
                for side in (left, right)
            ):
                sign = "==" if isinstance(op, ast.Is) else "!="
                yield Change(
                    replace(evidence.code, (node, f"{ast.unparse(left)} {sign} {ast.unparse(right)}")),
                    f"Values are compared by `{sign}`; `is` asks for the same object.",
                )


def _returns_nothing(evidence: Evidence) -> bool:
    return any(failure.got == "None" and failure.expected != "None" for failure in evidence.failures)


def _fails_by_value(evidence: Evidence) -> bool:
    return bool(evidence.failures)


RULES = (
    Rule("a method that works in place returns None", Kind.CORRECTNESS, _returns_nothing, _in_place_methods),
    Rule("a result is returned", Kind.CORRECTNESS, _returns_nothing, _missing_return, needs_signal=True),
    Rule("a result is returned after the loop", Kind.CORRECTNESS, _fails_by_value, _premature_return),
    Rule("a default is not shared", Kind.CORRECTNESS, _fails_by_value, _shared_defaults),
    Rule("values are compared by ==", Kind.CORRECTNESS, _fails_by_value, _identity),
)
