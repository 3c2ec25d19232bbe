"""Slow algorithms whose faster form is well known."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from services.judge.fixer.edits import Function, insert_before, replace_statement, with_import
from services.judge.fixer.evidence import Change, Evidence
from services.judge.fixer.rule import Kind, Rule

_LOOPS = (ast.For, ast.While)


def _maximum_subarray(evidence: Evidence) -> Iterator[Change]:
    """Replaces nested loops over all parts of a list by Kadane's algorithm (Bentley 1984): O(n)."""
    for function in evidence.functions:
        for loop in _outer_loops(function):
            found = _largest_sum(loop)
            if found is None:
                continue
            sequence, best = found
            lines = (
                "current = 0",
                f"for value in {sequence}:",
                "    current = max(value, current + value)",
                f"    {best} = max({best}, current)",
            )
            yield Change(
                replace_statement(evidence.code, loop, *lines),
                "Kadane's algorithm finds the largest sum in one pass: O(n) instead of nested loops.",
            )


def _largest_sum(loop: ast.For) -> tuple[str, str] | None:
    """Returns the sequence and the variable of the largest sum, if a nest of loops computes that."""
    if not any(isinstance(node, _LOOPS) for node in _inside(loop)):
        return None
    for node in _inside(loop):
        pair = _maximum_update(node)
        if pair is None:
            continue
        best, value = pair
        sequence = _summed_part(loop, value)
        if sequence is not None:
            return sequence, best
    return None


def _maximum_update(node: ast.AST) -> tuple[str, ast.expr] | None:
    """Returns the variable and the value of `if v > b: b = v` or `b = max(b, v)`."""
    match node:
        case ast.If(
            test=ast.Compare(left=value, ops=[ast.Gt() | ast.GtE()], comparators=[ast.Name(id=best)]),
            body=[ast.Assign(targets=[ast.Name(id=bound)])],
            orelse=[],
        ) if bound == best:
            return best, value
        case ast.Assign(targets=[ast.Name(id=best)], value=ast.Call(func=ast.Name(id="max"), args=[first, second])):
            for own, other in ((first, second), (second, first)):
                if isinstance(own, ast.Name) and own.id == best:
                    return best, other
    return None


def _summed_part(loop: ast.For, value: ast.expr) -> str | None:
    """Returns the sequence whose contiguous parts are summed into a value."""
    if isinstance(value, ast.Name):
        return next(filter(None, (_summand(node, value.id) for node in _inside(loop))), None)
    return _slice_sum(value)


def _summand(node: ast.AST, total: str) -> str | None:
    match node:
        case ast.AugAssign(target=ast.Name(id=name), op=ast.Add(), value=value) if name == total:
            return _element(value)
        case ast.Assign(
            targets=[ast.Name(id=name)], value=ast.BinOp(left=ast.Name(id=own), op=ast.Add(), right=value)
        ) if name == own == total:
            return _element(value)
        case ast.Assign(targets=[ast.Name(id=name)], value=value) if name == total:
            return _slice_sum(value)
    return None


def _element(value: ast.expr) -> str | None:
    match value:
        case ast.Subscript(value=ast.Name(id=sequence), slice=ast.Name()):
            return sequence
    return None


def _slice_sum(value: ast.expr) -> str | None:
    match value:
        case ast.Call(func=ast.Name(id="sum"), args=[ast.Subscript(value=ast.Name(id=sequence), slice=ast.Slice())]):
            return sequence
    return None


def _pair_with_sum(evidence: Evidence) -> Iterator[Change]:
    """Replaces the search of all pairs for a given sum by a table of what was seen: O(n)."""
    for function in evidence.functions:
        for loop in _outer_loops(function):
            for node in _inside(loop):
                match node:
                    case ast.If(
                        test=ast.Compare(
                            left=ast.BinOp(
                                left=ast.Subscript(value=ast.Name(id=sequence), slice=ast.Name(id=first)),
                                op=ast.Add(),
                                right=ast.Subscript(value=ast.Name(id=same), slice=ast.Name(id=second)),
                            ),
                            ops=[ast.Eq()],
                            comparators=[ast.Name(id=target)],
                        ),
                        body=[ast.Return(value=ast.expr() as result)],
                    ) if sequence == same and first != second and _later(loop, first, second):
                        yield _hash_map(evidence, loop, (sequence, target), (first, second), result)


def _hash_map(
    evidence: Evidence, loop: ast.For, names: tuple[str, str], indices: tuple[str, str], result: ast.expr
) -> Change:
    (sequence, target), (first, second) = names, indices
    lines = (
        "seen = {}",
        f"for {second}, value in enumerate({sequence}):",
        f"    if {target} - value in seen:",
        f"        {first} = seen[{target} - value]",
        f"        return {ast.unparse(result)}",
        f"    seen.setdefault(value, {second})",
    )
    return Change(
        replace_statement(evidence.code, loop, *lines),
        "A table of the values seen so far finds the pair in one pass: O(n) instead of O(n^2).",
    )


def _later(loop: ast.For, first: str, second: str) -> bool:
    """Returns whether the inner index starts behind the outer one."""
    for node in _inside(loop):
        match node:
            case ast.For(
                target=ast.Name(id=inner),
                iter=ast.Call(args=[ast.BinOp(left=ast.Name(id=outer), op=ast.Add(), right=ast.Constant(value=1)), _]),
            ):
                return inner == second and outer == first
    return False


def _duplicate_search(evidence: Evidence) -> Iterator[Change]:
    """Replaces the comparison of all pairs by a set of what was seen: O(n)."""
    for function in evidence.functions:
        for loop in _outer_loops(function):
            for node in _inside(loop):
                match node:
                    case ast.If(
                        test=ast.Compare(
                            left=ast.Subscript(value=ast.Name(id=sequence), slice=ast.Name(id=first)),
                            ops=[ast.Eq()],
                            comparators=[ast.Subscript(value=ast.Name(id=same), slice=ast.Name(id=second))],
                        ),
                        body=[ast.Return(value=ast.Constant(value=True))],
                    ) if sequence == same and _later(loop, first, second):
                        yield _seen_set(evidence, loop, sequence)


def _seen_set(evidence: Evidence, loop: ast.For, sequence: str) -> Change:
    lines = (
        "seen = set()",
        f"for value in {sequence}:",
        "    if value in seen:",
        "        return True",
        "    seen.add(value)",
    )
    return Change(
        replace_statement(evidence.code, loop, *lines),
        "A set of the values seen so far finds a duplicate in one pass: O(n) instead of O(n^2).",
    )


def _membership_of_result(evidence: Evidence) -> Iterator[Change]:
    """Asks a set instead of the growing list whether a value was collected already."""
    for function in evidence.functions:
        for loop in _outer_loops(function):
            match loop.body:
                case [
                    ast.If(
                        test=ast.Compare(left=ast.Name(id=item), ops=[ast.NotIn()], comparators=[ast.Name(id=result)]),
                        body=[ast.Expr(value=ast.Call(func=ast.Attribute(attr="append"), args=[ast.Name(id=added)]))],
                        orelse=[],
                    )
                ] if item == added:
                    source = ast.unparse(loop.iter)
                    lines = (
                        "seen = set()",
                        f"for {item} in {source}:",
                        f"    if {item} not in seen:",
                        f"        seen.add({item})",
                        f"        {result}.append({item})",
                    )
                    yield Change(
                        replace_statement(evidence.code, loop, *lines),
                        "A set answers at once whether a value was seen: O(n) instead of O(n^2).",
                    )


def _repeated_recursion(evidence: Evidence) -> Iterator[Change]:
    """Remembers the results of a function that calls itself twice."""
    for function in evidence.functions:
        calls = [
            node
            for node in ast.walk(function)
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == function.name
        ]
        if len(calls) >= 2 and not function.decorator_list and _takes_numbers(function):
            code = insert_before(evidence.code, function, "@cache")
            yield Change(
                with_import(code, "from functools import cache"),
                f"`{function.name}` computes each result once and remembers it.",
            )


def _takes_numbers(function: Function) -> bool:
    """Returns whether each parameter is only computed with and compared: such values are hashable."""
    parameters = {argument.arg for argument in function.args.args}
    for node in ast.walk(function):
        match node:
            case ast.Subscript(value=ast.Name(id=name)) | ast.Attribute(value=ast.Name(id=name)) if name in parameters:
                return False
            case ast.For(iter=ast.Name(id=name)) | ast.Starred(value=ast.Name(id=name)) if name in parameters:
                return False
    return bool(parameters)


def _outer_loops(function: Function) -> Iterator[ast.For]:
    return (node for node in function.body if isinstance(node, ast.For))


def _inside(loop: ast.AST) -> Iterator[ast.AST]:
    return (node for node in ast.walk(loop) if node is not loop)


def _is_slow(evidence: Evidence) -> bool:
    return evidence.told(r"cost grows|too slow|timed? ?out|TIMED_OUT|in proportion|linear|\btime\b|efficien")


RULES = tuple(
    Rule(name, Kind.EFFICIENCY, _is_slow, changes)
    for name, changes in (
        ("Kadane's algorithm", _maximum_subarray),
        ("a table finds a pair", _pair_with_sum),
        ("a set finds a duplicate", _duplicate_search),
        ("a set knows what was collected", _membership_of_result),
        ("a recursion remembers", _repeated_recursion),
    )
)
