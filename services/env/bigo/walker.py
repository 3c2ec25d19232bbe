"""Walks a function's body and adds up what it costs: loops multiply, everything else takes the largest."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from services.env.bigo.facts import COMPREHENSIONS, Facts, Scope, base_name, names_in, own_nodes
from services.env.bigo.operations import (
    accumulation_order,
    call_order,
    membership_order,
    operator_order,
    subscript_order,
)
from services.env.bigo.order import CONSTANT, LINEARITHMIC, Order
from services.env.bigo.resets import Resets
from services.env.bigo.sizes import count
from services.env.bigo.while_loops import WhileLoop, read_while

# n/1 + n/2 + ... + n/n: a loop that steps by the variable of the loop around it, all its runs together
_HARMONIC = LINEARITHMIC
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


@dataclass(frozen=True, slots=True)
class Cost:
    """What a function costs.

    Attributes:
        order: Of one call.
        budget: Names that bound all calls together: as long as the caller does not reset them, all calls take
            `order` in all. Empty if every call may take that long.
    """

    order: Order = CONSTANT
    budget: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class _Shared:
    """A cost that an enclosing loop pays once, unless it resets one of the names."""

    order: Order
    budget: frozenset[str]
    node: ast.AST


@dataclass(frozen=True, slots=True)
class _Work:
    order: Order = CONSTANT
    shared: tuple[_Shared, ...] = ()

    def total(self) -> Order:
        return max([self.order, *(part.order for part in self.shared)])


_NOTHING = _Work()


class Walker:
    """Adds up one scope.

    Args:
        scope: The scope.
        facts: What is known of its names.
        called: Returns the cost of a call of a function of the same source, or None if it is not one.
    """

    def __init__(self, scope: Scope, facts: Facts, called: Callable[[ast.Call], Cost | None]) -> None:
        self._scope = scope
        self._resets = Resets(scope)
        self._facts = facts
        self._called = called
        self._loops: list[tuple[ast.stmt, WhileLoop | None]] = []

    def cost(self) -> Cost:
        """Returns what one execution of the scope costs, with a recursive call counted as O(1)."""
        work = self._join(self._scope.body)
        order = work.total()
        budgets = [part.budget for part in work.shared if part.order == order and order > work.order]
        local = self._facts.values.keys() - set(self._facts.parameters)
        return Cost(order, budgets[0] if budgets and not budgets[0] & local else frozenset())

    def _join(self, nodes: Iterable[ast.AST]) -> _Work:
        order = CONSTANT
        shared: list[_Shared] = []
        for node in nodes:
            work = self._visit(node)
            order = max(order, work.order)
            shared.extend(work.shared)
        return _Work(order, tuple(shared)) if shared or order > CONSTANT else _NOTHING

    def _visit(self, node: ast.AST) -> _Work:
        if isinstance(node, _DEFINITIONS):
            return _NOTHING
        if isinstance(node, (ast.For, ast.AsyncFor)):
            return self._visit_for(node)
        if isinstance(node, ast.While):
            return self._visit_while(node)
        if isinstance(node, COMPREHENSIONS):
            return self._visit_comprehension(node)
        parts = self._join(ast.iter_child_nodes(node))
        defined = self._called(node) if isinstance(node, ast.Call) else None
        if defined is not None and defined.budget:
            return _Work(parts.order, (*parts.shared, _Shared(defined.order, defined.budget, node)))
        own = self._own_order(node) if defined is None else defined.order
        return _Work(own, parts.shared) if own > parts.order else parts

    def _own_order(self, node: ast.AST) -> Order:
        facts = self._facts
        match node:
            case ast.Call():
                return call_order(node, facts)
            case ast.Compare():
                return membership_order(node, facts)
            case ast.Subscript(ctx=ast.Load()):
                return subscript_order(node, facts)
            case ast.BinOp():
                return operator_order(node, facts)
            case ast.AugAssign(target=target, op=op, value=value) if self._loops:
                return accumulation_order(target, ast.BinOp(left=target, op=op, right=value), facts)
            case ast.Assign(targets=[target], value=value) if self._loops:
                joined = isinstance(target, ast.Name) and target.id in names_in(value)
                return accumulation_order(target, value, facts) if joined else CONSTANT
        return CONSTANT

    def _visit_comprehension(self, node: ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp) -> _Work:
        times, order = CONSTANT, CONSTANT
        for part in node.generators:
            order = max(order, times * self._visit(part.iter).total())
            times = times * count(part.iter, self._facts)
            order = max(order, times * self._join(part.ifs).total())
        values = [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]
        return _Work(max(order, times * self._join(values).total()))

    def _visit_for(self, loop: ast.For | ast.AsyncFor) -> _Work:
        times = self._times(loop)
        self._loops.append((loop, None))
        body = self._join(loop.body)
        self._loops.pop()
        step = _step(loop.iter)
        if step is not None and names_in(step) & self._loop_targets():
            return _Work(CONSTANT, (_Shared(_HARMONIC * body.total(), frozenset(), loop),))
        if step is not None and not isinstance(step, (ast.Constant, ast.UnaryOp)):
            return _Work(max(times, body.total()))
        return self._repeat(loop, times, body, self._join([loop.iter, *loop.orelse]))

    def _visit_while(self, loop: ast.While) -> _Work:
        reading = read_while(loop)
        self._loops.append((loop, reading))
        body = self._join([loop.test, *loop.body])
        self._loops.pop()
        work = self._repeat(loop, reading.times, body, self._join(loop.orelse))
        if not reading.budget:
            return work
        own = _Shared(work.order, reading.budget, loop)
        return _Work(CONSTANT, (*work.shared, own))

    def _repeat(self, loop: ast.stmt, times: Order, body: _Work, once: _Work) -> _Work:
        order = max(times * max(body.order, CONSTANT), once.order)
        kept = list(once.shared)
        for part in body.shared:
            if self._resets.within(loop, part.node, part.budget):
                order = max(order, times * part.order)
            else:
                kept.append(part)
        return _Work(order, tuple(kept))

    def _times(self, loop: ast.For | ast.AsyncFor) -> Order:
        """How often the loop runs for each run of the loop around it."""
        if any(reading and self._belongs_to_item(loop, outer, reading) for outer, reading in self._loops):
            return CONSTANT
        return count(loop.iter, self._facts)

    def _belongs_to_item(self, loop: ast.For | ast.AsyncFor, outer: ast.stmt, reading: WhileLoop) -> bool:
        """Whether the loop visits what belongs to the item just taken: all its runs together take O(V + E)."""
        if not reading.worklist:
            return False
        takes = any(
            isinstance(node, ast.Attribute) and node.attr in {"pop", "popleft"} and base_name(node) == reading.worklist
            for node in own_nodes(loop)
        )
        of_item = bool(self._resets.assigned(outer, names_in(loop.iter) - {reading.worklist}))
        return takes or (of_item and (bool(reading.marks) or isinstance(loop.iter, ast.Attribute)))

    def _loop_targets(self) -> set[str]:
        return {name for loop, _ in self._loops if isinstance(loop, ast.For) for name in names_in(loop.target)}


def _step(iterated: ast.expr) -> ast.expr | None:
    """The step of a range. A body whose loop steps by a variable is taken to work on one stride."""
    match iterated:
        case ast.Call(func=ast.Name(id="range"), args=[_, _, step]):
            return step
    return None
