"""Where a scope sets its names anew: what an enclosing loop resets is not shared between its rounds."""

from __future__ import annotations

import ast
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable

from services.env.bigo.facts import Scope, names_in


class Resets:
    """The resets of one scope, ordered so that a question takes logarithmic time."""

    def __init__(self, scope: Scope) -> None:
        self._spans: dict[int, tuple[int, int]] = {}
        self._places: defaultdict[str, list[int]] = defaultdict(list)
        self._number(scope)

    def within(self, loop: ast.stmt, inner: ast.AST, names: Iterable[str]) -> bool:
        """Whether the loop sets one of the names anew outside the inner node."""
        targets = names_in(loop.target) if isinstance(loop, (ast.For, ast.AsyncFor)) else set()
        return any(name in targets or self._count(loop, name) > self._count(inner, name) for name in names)

    def assigned(self, loop: ast.stmt, names: Iterable[str]) -> set[str]:
        """Returns those of the names that the loop sets anew."""
        return {name for name in names if self._count(loop, name)}

    def _count(self, node: ast.AST, name: str) -> int:
        begin, end = self._spans[id(node)]
        places = self._places.get(name, [])
        return bisect_left(places, end) - bisect_left(places, begin)

    def _number(self, scope: Scope) -> None:
        """Gives each node the span of places in which it lies, in the order of the source."""
        clock = 0
        pending: list[tuple[ast.AST, bool]] = [(scope, False)]
        begins: dict[int, int] = {}
        while pending:
            node, leaving = pending.pop()
            clock += 1
            if leaving:
                self._spans[id(node)] = (begins[id(node)], clock)
                continue
            begins[id(node)] = clock
            for name in _reset_by(node):
                self._places[name].append(clock)
            pending.append((node, True))
            if node is scope or not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                pending.extend((child, False) for child in ast.iter_child_nodes(node))


def _reset_by(node: ast.AST) -> set[str]:
    """The names that an assignment sets without regard to what they held."""
    if not isinstance(node, ast.Assign):
        return set()
    kept = names_in(node.value)
    plain = {target.id for target in node.targets if isinstance(target, ast.Name)} - kept
    unpacked = [target for target in node.targets if isinstance(target, (ast.Tuple, ast.List))]
    return plain | {name for target in unpacked for name in names_in(target)}
