"""Where parameters of a function flow into a sink.

A taint analysis within each function, after Denning (1976): parameters, `input()`, `sys.argv` and `os.environ` are an
attacker's, and what is computed of them is too. A comparison, a cleaning call (`sinks.CLEANERS`) and a check that
leaves the function with anything not allowed make a value ours. A path and a page are only found where they are put
together: who passes a whole path says what is to be opened.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from services.judge.sinks import CHECKS, CLEANERS, RESOLVERS, Kind, dotted, sink_of

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_SOURCES = frozenset({"input", "sys.argv", "os.environ", "os.getenv", "sys.stdin.read"})
_LEAVES = (ast.Raise, ast.Return, ast.Continue, ast.Break)
_MAX_STATEMENTS = 20_000


@dataclass(frozen=True)
class Flow:
    """A value of an attacker that reaches a sink.

    Attributes:
        line: Of the sink, from 1.
        kind: Of the sink.
    """

    line: int
    kind: Kind


def flows(tree: ast.Module, nodes: Iterable[ast.AST] | None = None) -> list[Flow]:
    """Returns the flows of a program, by line.

    Args:
        tree: Its syntax tree.
        nodes: All nodes of that, where they are at hand.
    """
    found: set[Flow] = set()
    nodes = list(nodes or ast.walk(tree))
    own = frozenset(node.name for node in nodes if isinstance(node, (*_FUNCTIONS, ast.ClassDef)))
    for node in nodes:
        if isinstance(node, _FUNCTIONS):
            arguments = node.args
            parameters = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
            parameters += [one for one in (arguments.vararg, arguments.kwarg) if one is not None]
            names = {one.arg for one in parameters if one.arg not in ("self", "cls")}
            found.update(_Walk(own, names).of(node.body))
    found.update(_Walk(own, set()).of([statement for statement in tree.body if not isinstance(statement, _FUNCTIONS)]))
    return sorted(found, key=lambda flow: (flow.line, flow.kind))


@dataclass
class _Walk:
    """One walk through a function, statement by statement.

    Attributes:
        own: Names of the program's own functions, which clean nothing whatever they are called.
        tainted: Names that hold an attacker's values.
        assembled: Those of them that were put together with something else.
        appended: Those of them in which an attacker's value is not what it begins with.
        resolved: Names of paths without "..".
        origins: Of each name, the names that its value was made of.
    """

    own: frozenset[str]
    tainted: set[str]
    assembled: set[str] = field(default_factory=set)
    appended: set[str] = field(default_factory=set)
    resolved: set[str] = field(default_factory=set)
    origins: dict[str, set[str]] = field(default_factory=dict)
    visited: int = 0

    def of(self, body: list[ast.stmt]) -> Iterator[Flow]:
        """Yields the flows of some statements, in their order."""
        for statement in body:
            self.visited += 1
            if self.visited > _MAX_STATEMENTS or isinstance(statement, (*_FUNCTIONS, ast.ClassDef)):
                continue
            for expression in _expressions(statement):
                yield from self._sinks(expression)
            self._bind(statement)
            yield from self._inner(statement)

    def _inner(self, statement: ast.stmt) -> Iterator[Flow]:
        if isinstance(statement, ast.If):
            checked = self._allowed(statement.test, negated=False)
            yield from self._without(checked).of(statement.body)
            yield from self.of(statement.orelse)
            if statement.body and isinstance(statement.body[-1], _LEAVES):
                self._clean(self._allowed(statement.test, negated=True))
            return
        for name in ("body", "orelse", "finalbody"):
            yield from self.of(getattr(statement, name, []))
        for handler in [*getattr(statement, "handlers", []), *getattr(statement, "cases", [])]:
            yield from self.of(handler.body)

    def _without(self, names: set[str]) -> _Walk:
        """Returns a walk that goes on from here with some names checked."""
        walk = replace(
            self,
            tainted=set(self.tainted),
            assembled=set(self.assembled),
            appended=set(self.appended),
            resolved=set(self.resolved),
            origins=dict(self.origins),
        )
        walk._clean(names)
        return walk

    def _clean(self, names: set[str]) -> None:
        """Makes names ours, and those that they were made of."""
        for name in names:
            cleaned = {name, *self.origins.get(name, ())}
            self.tainted -= cleaned
            self.assembled -= cleaned
            self.appended -= cleaned

    def _bind(self, statement: ast.stmt) -> None:
        for target, value in _bindings(statement):
            names = {node.id for node in ast.walk(target) if isinstance(node, ast.Name)}
            grows = isinstance(statement, ast.AugAssign)
            is_tainted, resolves = self._is_tainted(value), _resolves(value)
            is_assembled = grows or self._is_assembled(value)
            is_appended = grows or self._is_appended(value)
            if not grows:
                for known in (self.tainted, self.assembled, self.appended, self.resolved):
                    known -= names
            if is_tainted:
                self.tainted |= names
                self.assembled |= names if is_assembled else set()
                self.appended |= names if is_appended else set()
            if resolves:
                self.resolved |= names
            used = {node.id for node in ast.walk(value) if isinstance(node, ast.Name)}
            for name in names:
                self.origins[name] = used - {name}

    def _sinks(self, expression: ast.expr) -> Iterator[Flow]:
        for node in ast.walk(expression):
            if not isinstance(node, ast.Call) or (sink := sink_of(node)) is None:
                continue
            kind, value = sink
            counts = {Kind.PATH: self._is_appended, Kind.PAGE: self._is_assembled}.get(kind)
            if self._is_tainted(value) and (counts is None or counts(value)):
                yield Flow(node.lineno, kind)

    def _is_tainted(self, expression: ast.expr) -> bool:
        stack: list[ast.AST] = [expression]
        while stack:
            node = stack.pop()
            if isinstance(node, ast.Compare) or (isinstance(node, ast.Call) and self._cleans(node)):
                continue
            if isinstance(node, (ast.Name, ast.Attribute)) and dotted(node) in self.tainted | _SOURCES:
                return True
            stack.extend(ast.iter_child_nodes(node))
        return False

    def _is_assembled(self, expression: ast.expr) -> bool:
        """Returns whether a value is more than a parameter as it came."""
        return any(
            isinstance(node, (ast.BinOp, ast.JoinedStr))
            or (isinstance(node, ast.Call) and dotted(node.func).rpartition(".")[2] in ("join", "format", "joinpath"))
            or (isinstance(node, ast.Name) and node.id in self.assembled)
            for node in ast.walk(expression)
        )

    def _is_appended(self, value: ast.AST) -> bool:
        """Returns whether an attacker's value follows something else in a path: who gives the begin says where."""
        match value:
            case ast.Name(id=name):
                return name in self.appended
            case ast.BinOp(left=left, right=right):
                return self._is_tainted(right) or self._is_appended(left)
            case ast.JoinedStr(values=parts):
                return any(self._is_tainted(part) for part in parts[1:]) or self._is_appended(parts[0])
            case ast.FormattedValue(value=inner):
                return self._is_appended(inner)
            case ast.Call(func=ast.Attribute(attr="format"), args=args):
                return any(map(self._is_tainted, args))
            case ast.Call(func=ast.Attribute(value=inner, attr="join" | "joinpath"), args=args):
                begins = dotted(inner) in ("os.path", "path", "posixpath")
                return any(map(self._is_tainted, args[1:] if begins else args))
            case ast.Call(func=function, args=args):
                receiver = [function.value] if isinstance(function, ast.Attribute) else []
                return any(map(self._is_appended, [*args, *receiver]))
            case ast.Attribute(value=inner) | ast.Subscript(value=inner) | ast.Await(value=inner):
                return self._is_appended(inner)
            case ast.IfExp(body=body, orelse=orelse):
                return self._is_appended(body) or self._is_appended(orelse)
        return False

    def _cleans(self, call: ast.Call) -> bool:
        name = dotted(call.func)
        return name not in self.own and (name in CLEANERS or name.rpartition(".")[2] in CHECKS)

    def _allowed(self, test: ast.expr, *, negated: bool) -> set[str]:
        """Returns the names that a test holds against what is allowed.

        Args:
            test: The condition of an `if`.
            negated: Whether the condition is true of what is not allowed, as in `if name not in NAMES: raise`.
        """
        match test:
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return self._allowed(operand, negated=not negated)
            case ast.BoolOp(op=operator, values=values):
                parts = [self._allowed(value, negated=negated) for value in values]
                is_each_enough = isinstance(operator, ast.Or) is negated
                return set().union(*parts) if is_each_enough else set.intersection(*parts)
            case ast.Compare(left=left, ops=[ast.NotIn() | ast.NotEq()]) if negated:
                return _names(left)
            case ast.Compare(left=left, ops=[ast.In() | ast.Eq()]) if not negated:
                return _names(left)
            case ast.Compare(left=ast.Call() as call, ops=[ast.Is()]) if negated:
                return self._allowed(call, negated=False)
            case ast.Call(func=ast.Attribute(attr="startswith", value=value)) if not negated:
                return _names(value) if _resolves(value) or _names(value) & self.resolved else set()
            case ast.Call(func=ast.Attribute(attr=attr, value=value), args=args) if not negated and attr in CHECKS:
                return _names(value).union(*map(_names, args))
        return set()


def _resolves(value: ast.expr) -> bool:
    return any(
        isinstance(node, ast.Call) and dotted(node.func).rpartition(".")[2] in RESOLVERS for node in ast.walk(value)
    )


def _expressions(statement: ast.stmt) -> Iterator[ast.expr]:
    """Yields the expressions of a statement, those of the statements within it left out."""
    for child in ast.iter_child_nodes(statement):
        if isinstance(child, ast.expr):
            yield child
        elif isinstance(child, ast.withitem):
            yield child.context_expr


def _bindings(statement: ast.stmt) -> Iterator[tuple[ast.expr, ast.expr]]:
    match statement:
        case ast.Assign(targets=targets, value=value):
            yield from ((target, value) for target in targets)
        case ast.AnnAssign(target=target, value=ast.expr() as value) | ast.AugAssign(target=target, value=value):
            yield target, value
        case ast.For(target=target, iter=value) | ast.AsyncFor(target=target, iter=value):
            yield target, value
        case ast.With(items=items) | ast.AsyncWith(items=items):
            for item in items:
                if item.optional_vars is not None:
                    yield item.optional_vars, item.context_expr


def _names(expression: ast.expr) -> set[str]:
    return {node.id for node in ast.walk(expression) if isinstance(node, ast.Name)}
