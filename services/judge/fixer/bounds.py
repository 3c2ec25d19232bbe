"""Bounds that are off by one: binary searches and ranges."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from services.judge.fixer.edits import Function, replace
from services.judge.fixer.evidence import Change, Evidence
from services.judge.fixer.rule import Kind, Rule


@dataclass(frozen=True)
class _Search:
    """A loop that looks like a binary search for an element.

    Attributes:
        function: The function that holds it.
        loop: The loop.
        low: Name of the lower bound.
        high: Name of the upper bound.
        middle: The assignment of the middle.
        name: Name of the middle.
    """

    function: Function
    loop: ast.While
    low: str
    high: str
    middle: ast.Assign
    name: str


def _binary_search(evidence: Evidence) -> Iterator[Change]:
    """Makes the bounds of a binary search agree.

    With a closed interval (`high` starts at the last index) the loop runs while `low <= high` and both bounds
    leave the middle behind. With a half-open one (`high` starts at the length) it runs while `low < high`,
    and `high` becomes the middle.
    """
    for search in _searches(evidence):
        edits, reasons = _agreeing(search)
        edits = [(node, new) for node, new in edits if ast.unparse(node) != new]
        if edits:
            yield Change(replace(evidence.code, *edits), reasons)


def _agreeing(search: _Search) -> tuple[list[tuple[ast.expr | ast.stmt, str]], str]:
    low, high, name = search.low, search.high, search.name
    start = _initial(search.function, high)
    closed = _is_last_index(start) or not _is_length(start)
    edits: list[tuple[ast.expr | ast.stmt, str]] = [
        (search.loop.test, f"{low} <= {high}" if closed else f"{low} < {high}")
    ]
    divided = f"({low} + {high}) // 2"
    if isinstance(search.middle.value, ast.BinOp) and isinstance(search.middle.value.op, ast.Div):
        edits.append((search.middle.value, divided))
    for node in ast.walk(search.loop):
        match node:
            case ast.Assign(targets=[ast.Name(id=bound)], value=value) if bound == low and _is_near(value, name):
                edits.append((value, f"{name} + 1"))
            case ast.Assign(targets=[ast.Name(id=bound)], value=value) if bound == high and _is_near(value, name):
                edits.append((value, f"{name} - 1" if closed else name))
    kind = "closed" if closed else "half-open"
    return edits, f"The bounds of the binary search agree on a {kind} interval, so no element is missed."


def _swapped_search(evidence: Evidence) -> Iterator[Change]:
    """Turns the comparison round that sends a binary search into the wrong half."""
    for search in _searches(evidence):
        for node in ast.walk(search.loop):
            match node:
                case ast.If(
                    test=ast.Compare(left=ast.Subscript(), ops=[ast.Lt() | ast.Gt() as op], comparators=[right]),
                    body=[ast.Assign(targets=[ast.Name(id=bound)]), *_],
                ) if isinstance(node.test, ast.Compare):
                    wrong = search.high if isinstance(op, ast.Lt) else search.low
                    if bound == wrong:
                        sign = ">" if isinstance(op, ast.Lt) else "<"
                        new = f"{ast.unparse(node.test.left)} {sign} {ast.unparse(right)}"
                        yield Change(
                            replace(evidence.code, (node.test, new)),
                            "The search goes on in the half that can hold the target.",
                        )


def _searches(evidence: Evidence) -> Iterator[_Search]:
    for function in evidence.functions:
        for loop in ast.walk(function):
            if not isinstance(loop, ast.While):
                continue
            match loop.test:
                case ast.Compare(left=ast.Name(id=low), ops=[ast.Lt() | ast.LtE()], comparators=[ast.Name(id=high)]):
                    for node in loop.body:
                        if _is_middle(node, low, high) and _returns_on_equality(loop):
                            assert isinstance(node, ast.Assign)
                            assert isinstance(node.targets[0], ast.Name)
                            yield _Search(function, loop, low, high, node, node.targets[0].id)


def _is_middle(node: ast.stmt, low: str, high: str) -> bool:
    if not (isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name)):
        return False
    used = {n.id for n in ast.walk(node.value) if isinstance(n, ast.Name)}
    halved = any(isinstance(n, ast.Constant) and n.value in (1, 2) for n in ast.walk(node.value))
    return {low, high} <= used and halved


def _returns_on_equality(loop: ast.While) -> bool:
    for node in ast.walk(loop):
        match node:
            case ast.If(test=ast.Compare(ops=[ast.Eq()]), body=[ast.Return(), *_]):
                return True
    return False


def _initial(function: Function, name: str) -> ast.expr | None:
    for node in ast.walk(function):
        match node:
            case ast.Assign(targets=[ast.Name(id=bound)], value=value) if bound == name:
                return value
            case ast.Assign(targets=[ast.Tuple(elts=targets)], value=ast.Tuple(elts=values)):
                for target, value in zip(targets, values, strict=False):
                    if isinstance(target, ast.Name) and target.id == name:
                        return value
    return None


def _is_length(node: ast.expr | None) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "len"


def _is_last_index(node: ast.expr | None) -> bool:
    return isinstance(node, ast.BinOp) and isinstance(node.op, ast.Sub) and _is_length(node.left)


def _is_near(node: ast.expr, name: str) -> bool:
    """Returns whether a value is the middle, or one more or less."""
    match node:
        case ast.Name(id=used) | ast.BinOp(left=ast.Name(id=used), right=ast.Constant(value=1)) if used == name:
            return True
    return False


def _past_the_end(evidence: Evidence) -> Iterator[Change]:
    """Shortens a range or a condition that reaches past the end of a sequence."""
    for node in ast.walk(evidence.tree):
        match node:
            case ast.BinOp(left=ast.Call(func=ast.Name(id="len")) as length, op=ast.Add(), right=ast.Constant(value=1)):
                yield Change(
                    replace(evidence.code, (node, ast.unparse(length))), "The last index is one less than the length."
                )
            case ast.Compare(
                left=ast.Name() as left, ops=[ast.LtE()], comparators=[ast.Call(func=ast.Name(id="len")) as length]
            ):
                new = f"{ast.unparse(left)} < {ast.unparse(length)}"
                yield Change(replace(evidence.code, (node, new)), "The last index is one less than the length.")
    yield from _neighbour_ranges(evidence)
    for node in ast.walk(evidence.tree):
        match node:
            case ast.Subscript(slice=ast.Call(func=ast.Name(id="len")) as length):
                new = f"{ast.unparse(length)} - 1"
                yield Change(replace(evidence.code, (length, new)), "The last index is one less than the length.")


def _neighbour_ranges(evidence: Evidence) -> Iterator[Change]:
    """Shortens `for i in range(len(x))` by one where the loop reads `x[i + 1]`."""
    for loop in ast.walk(evidence.tree):
        match loop:
            case ast.For(target=ast.Name(id=index), iter=ast.Call(func=ast.Name(id="range"), args=[*_, stop])) if (
                _is_length(stop) and _reads_neighbour(loop, index)
            ):
                yield Change(
                    replace(evidence.code, (stop, f"{ast.unparse(stop)} - 1")),
                    f"The loop reads the element after index `{index}`, so it ends one earlier.",
                )


def _reads_neighbour(loop: ast.AST, index: str) -> bool:
    for node in ast.walk(loop):
        match node:
            case ast.Subscript(slice=ast.BinOp(left=ast.Name(id=used), op=ast.Add(), right=ast.Constant(value=1))) if (
                used == index
            ):
                return True
    return False


def _short_ranges(evidence: Evidence) -> Iterator[Change]:
    """Lengthens a range over a number, or starts it at 0, or lets it reach the last index."""
    for node in ast.walk(evidence.tree):
        match node:
            case ast.Call(func=ast.Name(id="range"), args=[ast.Constant(value=1), ast.Name(id=stop)]):
                yield Change(
                    replace(evidence.code, (node.args[1], f"{stop} + 1")),
                    f"A range ends before its stop, and `{stop}` counts.",
                )
            case ast.Call(
                func=ast.Name(id="range"),
                args=[*_, ast.BinOp(op=ast.Sub(), right=ast.Constant(value=1)) as stop],
            ) if _is_last_index(stop):
                yield Change(replace(evidence.code, (stop, ast.unparse(stop.left))), "The last element counts as well.")
            case ast.Call(func=ast.Name(id="range"), args=[ast.Constant(value=1), ast.Call(func=ast.Name(id="len"))]):
                yield Change(
                    replace(evidence.code, (node, f"range({ast.unparse(node.args[1])})")),
                    "The first element has the index 0.",
                )


def _whole_numbers(evidence: Evidence) -> Iterator[Change]:
    """Replaces `/` by `//` where the quotient is used as an index or a count."""
    divisions = [n for n in ast.walk(evidence.tree) if isinstance(n, ast.BinOp) and isinstance(n.op, ast.Div)]
    for node in divisions:
        new = f"{_operand(node.left)} // {_operand(node.right)}"
        yield Change(replace(evidence.code, (node, new)), "An index or a count is whole, so `//` divides.")


def _operand(node: ast.expr) -> str:
    text = ast.unparse(node)
    return f"({text})" if isinstance(node, (ast.BinOp, ast.BoolOp, ast.Compare, ast.IfExp, ast.UnaryOp)) else text


RULES = (
    Rule(
        "a quotient that is an index is whole",
        Kind.CORRECTNESS,
        lambda evidence: evidence.logged(
            r"must be integers or slices, not float|'float' object cannot be interpreted as an integer"
        ),
        _whole_numbers,
        needs_signal=True,
    ),
    Rule(
        "the bounds of a binary search agree",
        Kind.CORRECTNESS,
        lambda evidence: evidence.told(r"search|\bindex\b|sorted|ascending"),
        _binary_search,
    ),
    Rule(
        "a binary search goes on in the right half",
        Kind.CORRECTNESS,
        lambda evidence: evidence.told(r"search|\bindex\b|sorted|ascending"),
        _swapped_search,
    ),
    Rule(
        "an index stays within its sequence",
        Kind.CORRECTNESS,
        lambda evidence: "IndexError" in evidence.exceptions,
        _past_the_end,
        needs_signal=True,
    ),
    Rule(
        "a range reaches its last element",
        Kind.CORRECTNESS,
        lambda evidence: bool(evidence.failures) and not evidence.exceptions,
        _short_ranges,
        needs_signal=True,
    ),
)
