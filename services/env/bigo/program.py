"""The orders of all functions of a program."""

from __future__ import annotations

import ast
from dataclasses import dataclass

from services.env.bigo.facts import Facts, FunctionNode, Scope, called_name, gather, own_nodes
from services.env.bigo.order import Order
from services.env.bigo.recursion import solve
from services.env.bigo.walker import Cost, Walker

MODULE = "<module>"
MAX_FUNCTIONS = 500


@dataclass(frozen=True, slots=True)
class Estimate:
    """The order of one function, or of the module's own statements (name "<module>")."""

    name: str
    line: int
    order: Order


def orders(tree: ast.Module) -> list[Estimate]:
    """Returns an estimate for the module's statements and each of its functions, also nested ones and methods.

    Raises:
        ValueError: There are more than `MAX_FUNCTIONS` functions.
    """
    program = _Program(tree)
    module = Estimate(MODULE, 1, program.order_of_module())
    return [
        module,
        *(Estimate(name, node.lineno, program.cost(name).order) for name, node in program.functions.items()),
    ]


class _Program:
    def __init__(self, tree: ast.Module) -> None:
        self._tree = tree
        self._module_facts = gather(tree)
        nodes = [node for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]
        self.functions: dict[str, FunctionNode] = {
            node.name: node for node in sorted(nodes, key=lambda node: node.lineno)
        }
        if len(self.functions) > MAX_FUNCTIONS:
            raise ValueError(f"more than {MAX_FUNCTIONS} functions")
        self._callees = {name: self._called_by(node) for name, node in self.functions.items()}
        self._reached = {name: self._reachable(name) for name in self.functions}
        self._cycles: dict[str, frozenset[str]] = {}
        self._costs: dict[str, Cost] = {}
        self._own_costs: dict[str, Cost] = {}

    def order_of_module(self) -> Order:
        return self._work(self._tree, self._module_facts, frozenset()).order

    def cost(self, name: str) -> Cost:
        if name not in self._costs:
            cycle = self._cycle(name)
            cost = self._own_cost(name)
            if cycle:
                work = max(self._own_cost(other).order for other in cycle)
                function, facts = self.functions[name], self._facts(name)
                cost = solve(function, facts, lambda call: self._target(call) in cycle, work)
            self._costs[name] = cost
        return self._costs[name]

    def _own_cost(self, name: str) -> Cost:
        """What the function costs without the calls that lead back to it."""
        if name not in self._own_costs:
            self._own_costs[name] = self._work(self.functions[name], self._facts(name), self._cycle(name))
        return self._own_costs[name]

    def _facts(self, name: str) -> Facts:
        return gather(self.functions[name], self._module_facts)

    def _work(self, scope: Scope, facts: Facts, cycle: frozenset[str]) -> Cost:
        def called(call: ast.Call) -> Cost | None:
            target = self._target(call)
            if target is None:
                return None
            return Cost() if target in cycle else self.cost(target)

        return Walker(scope, facts, called).cost()

    def _target(self, call: ast.Call) -> str | None:
        name = called_name(call)
        return name if name in self.functions else None

    def _called_by(self, function: FunctionNode) -> set[str]:
        calls = (node for node in own_nodes(function) if isinstance(node, ast.Call))
        return {target for call in calls if (target := self._target(call))}

    def _reachable(self, name: str) -> set[str]:
        reached: set[str] = set()
        pending = [name]
        while pending:
            fresh = self._callees[pending.pop()] - reached
            reached |= fresh
            pending.extend(fresh)
        return reached

    def _cycle(self, name: str) -> frozenset[str]:
        """The functions that call each other in a circle with this one; empty if it is not recursive."""
        if name not in self._cycles:
            mutual = frozenset(other for other in self._reached[name] if name in self._reached[other])
            self._cycles.update(dict.fromkeys(mutual or {name}, mutual))
        return self._cycles[name]
