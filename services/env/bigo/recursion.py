"""Recursive functions: how often they call themselves, how fast their input shrinks, and what that adds up to.

Halving recursions are solved with the master theorem (Bentley, Haken and Saxe, 1980).
"""

from __future__ import annotations

import ast
import math
from collections import Counter
from collections.abc import Callable, Iterable

from services.env.bigo.facts import (
    COMPREHENSIONS,
    Facts,
    FunctionNode,
    base_name,
    called_name,
    names_in,
    own_nodes,
    receiver,
)
from services.env.bigo.order import EXPONENTIAL, FACTORIAL, LINEAR, LOGARITHMIC, Order
from services.env.bigo.shrink import Shrink, ShrinkReader
from services.env.bigo.walker import Cost
from services.env.bigo.while_loops import marked_names

_LOOPS = (ast.For, ast.AsyncFor, ast.While, *COMPREHENSIONS)
_MEMO_DECORATORS = {"lru_cache", "cache", "memoize", "memo", "cached"}
_MAX_BRANCHES = 9


def solve(function: FunctionNode, facts: Facts, calls_itself: Callable[[ast.Call], bool], work: Order) -> Cost:
    """Returns the cost of a function with all the calls that it makes of itself.

    Args:
        function: The function.
        facts: What is known of its names.
        calls_itself: Whether a call leads back to the function.
        work: What one execution costs without its recursive calls.
    """
    nodes = list(own_nodes(function))
    calls = [node for node in nodes if isinstance(node, ast.Call) and calls_itself(node)]
    looping = _calls_in_loops(nodes, calls)
    if _is_memoised(function, nodes):
        return Cost(_states(calls, facts) * work)
    if marks := _marks(nodes):
        return Cost(max(LINEAR, work) if looping else _states(calls, facts) * work, marks)
    reader = ShrinkReader(nodes, facts)
    shrinks = {reader.read(call) for call in calls}
    if looping:
        return Cost(max(LINEAR, work) if shrinks == {Shrink.PART} else _unbounded(nodes))
    branches = min(_most(function.body, calls_itself), _MAX_BRANCHES)
    if shrinks == {Shrink.HALF} or (Shrink.HALF in shrinks and branches < 2):
        return Cost(_master(branches, work))
    if branches < 2 or shrinks == {Shrink.PART}:
        return Cost(LINEAR * work)
    return Cost(Order(base=float(branches)))


def _unbounded(nodes: list[ast.AST]) -> Order:
    return FACTORIAL if _excludes(nodes) else EXPONENTIAL


def _master(branches: int, work: Order) -> Order:
    critical = math.log2(max(branches, 1))
    if math.isclose(work.power, critical):
        return work * LOGARITHMIC
    return work if work.power > critical else Order(power=critical)


def _states(calls: list[ast.Call], facts: Facts) -> Order:
    """How many different arguments there are when each is computed once."""
    varying = {
        position
        for call in calls
        for position, argument in enumerate(call.args)
        if not (isinstance(argument, ast.Name) and facts.parameters[position : position + 1] == (argument.id,))
        and not isinstance(argument, ast.Constant)
    }
    return LINEAR ** max(1, min(len(varying), 3))


def _is_memoised(function: FunctionNode, nodes: list[ast.AST]) -> bool:
    """Whether results are kept, by a decorator or in a table from which they are returned."""
    for decorator in function.decorator_list:
        if {part.attr for part in ast.walk(decorator) if isinstance(part, ast.Attribute)} & _MEMO_DECORATORS:
            return True
        if names_in(decorator) & _MEMO_DECORATORS:
            return True
    returned = {
        base_name(node.value)
        for node in nodes
        if isinstance(node, ast.Return) and isinstance(node.value, ast.Subscript)
    }
    return bool(_marks(nodes) & returned)


def _marks(nodes: list[ast.AST]) -> frozenset[str]:
    """Names that remember which inputs were worked on, for good."""
    return marked_names(nodes, ordered=False) - _unmarked(nodes)


def _unmarked(nodes: list[ast.AST]) -> set[str]:
    """Names whose marks are taken back, as backtracking does."""
    taken_back = {
        receiver(node)
        for node in nodes
        if isinstance(node, ast.Call) and called_name(node) in {"remove", "pop", "discard"}
    }
    stores: Counter[str] = Counter()
    for node in nodes:
        if isinstance(node, ast.Assign):
            stores.update(ast.dump(target) for target in node.targets if isinstance(target, ast.Subscript))
    repeated = {text for text, times in stores.items() if times > 1}
    for node in nodes:
        if isinstance(node, ast.Subscript) and ast.dump(node) in repeated:
            taken_back |= names_in(node.value)
    return taken_back


def _calls_in_loops(nodes: list[ast.AST], calls: list[ast.Call]) -> bool:
    own = {id(call) for call in calls}
    return any(id(part) in own for node in nodes if isinstance(node, _LOOPS) for part in own_nodes(node))


def _excludes(nodes: list[ast.AST]) -> bool:
    """Whether each choice is taken out of what is left: permutations rather than subsets."""
    swaps = excluded = False
    for node in nodes:
        match node:
            case ast.Assign(targets=[ast.Tuple(elts=[ast.Subscript(), ast.Subscript()])], value=ast.Tuple()):
                swaps = True
            case ast.BinOp(
                left=ast.Subscript(slice=ast.Slice(lower=None)),
                op=ast.Add(),
                right=ast.Subscript(slice=ast.Slice(upper=None)),
            ):
                excluded = True
            case ast.Compare(ops=[ast.In() | ast.NotIn()]):
                excluded = True
            case ast.If(test=ast.Subscript()) | ast.If(test=ast.UnaryOp(op=ast.Not(), operand=ast.Subscript())):
                excluded = True
    return swaps or excluded


def _most(statements: Iterable[ast.stmt], counts: Callable[[ast.Call], bool]) -> int:
    ended, through = _paths(statements, counts)
    return max(ended, through or 0)


def _paths(statements: Iterable[ast.stmt], counts: Callable[[ast.Call], bool]) -> tuple[int, int | None]:
    """The most calls on a path that returns, and on one that falls through (None if none does)."""
    ended, current = 0, 0
    for statement in statements:
        if isinstance(statement, ast.If):
            tested = current + _count(statement.test, counts)
            branches = [_paths(statement.body, counts), _paths(statement.orelse, counts)]
            ended = max(ended, *(tested + calls for calls, _ in branches))
            open_ends = [calls for _, calls in branches if calls is not None]
            if not open_ends:
                return ended, None
            current = tested + max(open_ends)
            continue
        current += _count(statement, counts)
        if isinstance(statement, (ast.Return, ast.Raise)):
            return max(ended, current), None
    return ended, current


def _count(node: ast.AST, counts: Callable[[ast.Call], bool]) -> int:
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return 0
    if isinstance(node, ast.IfExp):
        return _count(node.test, counts) + max(_count(node.body, counts), _count(node.orelse, counts))
    if isinstance(node, (ast.Try, ast.With, ast.If)):
        branches = [node.body, getattr(node, "orelse", []), getattr(node, "finalbody", [])]
        return sum(_most(branch, counts) for branch in branches)
    own = int(isinstance(node, ast.Call) and counts(node))
    return own + sum(_count(child, counts) for child in ast.iter_child_nodes(node))
