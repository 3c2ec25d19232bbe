"""What a function's syntax says about its names: which are hash tables, which never grow, which are small."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef
Scope = FunctionNode | ast.Module
COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


class Kind(Enum):
    """What a name holds, as far as it matters for the cost of using it."""

    LIST = "list"
    TEXT = "text"
    HASH = "hash"
    DEQUE = "deque"


_CONSTRUCTORS = {
    "list": Kind.LIST,
    "sorted": Kind.LIST,
    "tuple": Kind.LIST,
    "split": Kind.LIST,
    "set": Kind.HASH,
    "frozenset": Kind.HASH,
    "dict": Kind.HASH,
    "defaultdict": Kind.HASH,
    "OrderedDict": Kind.HASH,
    "Counter": Kind.HASH,
    "deque": Kind.DEQUE,
    "str": Kind.TEXT,
    "join": Kind.TEXT,
}
_ANNOTATIONS = _CONSTRUCTORS | {
    "List": Kind.LIST,
    "Sequence": Kind.LIST,
    "Set": Kind.HASH,
    "Dict": Kind.HASH,
    "Mapping": Kind.HASH,
}
_HASH_METHODS = {"items", "keys", "values", "get", "setdefault", "add", "discard", "update"}
_GROWING_METHODS = {"append", "extend", "insert", "add", "update", "appendleft", "setdefault"}


@dataclass(slots=True)
class Facts:
    """What is known of the names of one scope.

    Attributes:
        kinds: What a name holds.
        values: Every expression assigned to a name.
        parameters: The parameters, in order.
        items: Names that stand for one item of something iterated over.
        grown: Names that are added to.
    """

    kinds: dict[str, Kind] = field(default_factory=dict)
    values: defaultdict[str, list[ast.expr]] = field(default_factory=lambda: defaultdict(list))
    parameters: tuple[str, ...] = ()
    items: set[str] = field(default_factory=set)
    grown: set[str] = field(default_factory=set)

    def single_value(self, name: str) -> ast.expr | None:
        """Returns the only expression ever assigned to a name, None for a parameter or several."""
        found = self.values.get(name, [])
        return found[0] if len(found) == 1 and name not in self.parameters else None

    def is_fixed(self, name: str) -> bool:
        """Whether the name holds a literal collection that is never added to: its size is a constant."""
        value = self.single_value(name)
        return value is not None and name not in self.grown and is_fixed_literal(value)


def own_nodes(scope: ast.AST) -> Iterator[ast.AST]:
    """Yields the nodes below a scope or statement, without those of functions defined in it."""
    pending = list(ast.iter_child_nodes(scope))
    while pending:
        node = pending.pop()
        yield node
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            pending.extend(ast.iter_child_nodes(node))


def is_fixed_literal(node: ast.expr) -> bool:
    """Whether the expression is a non-empty literal of constants."""
    if isinstance(node, ast.Constant):
        return bool(node.value)
    if isinstance(node, ast.Dict):
        return bool(node.keys) and None not in node.keys
    if not isinstance(node, (ast.List, ast.Tuple, ast.Set)) or not node.elts:
        return False
    return not any(isinstance(item, ast.Starred) for item in node.elts)


def names_in(node: ast.AST) -> set[str]:
    """Returns the names that occur in an expression."""
    return {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}


def called_name(call: ast.Call) -> str:
    """Returns the last part of what is called: "sort" of `a.b.sort()`."""
    if isinstance(call.func, ast.Attribute):
        return call.func.attr
    return call.func.id if isinstance(call.func, ast.Name) else ""


def receiver(call: ast.Call) -> str:
    """Returns the name whose method is called, or an empty text."""
    func = call.func
    return func.value.id if isinstance(func, ast.Attribute) and isinstance(func.value, ast.Name) else ""


def base_name(node: ast.expr) -> str:
    """Returns the name that a chain of subscripts and attributes starts from, or an empty text."""
    while isinstance(node, (ast.Subscript, ast.Attribute)):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


def kind_of(node: ast.expr, kinds: dict[str, Kind]) -> Kind | None:
    """Returns what an expression evaluates to, None if its syntax does not say."""
    match node:
        case ast.List() | ast.Tuple() | ast.ListComp():
            return Kind.LIST
        case ast.Set() | ast.Dict() | ast.SetComp() | ast.DictComp():
            return Kind.HASH
        case ast.Constant(value=str()) | ast.JoinedStr():
            return Kind.TEXT
        case ast.Name(id=name):
            return kinds.get(name)
        case ast.Call():
            return _CONSTRUCTORS.get(called_name(node))
        case ast.BinOp(left=left, op=ast.Mult() | ast.Add(), right=right):
            return kind_of(left, kinds) or kind_of(right, kinds)
        case ast.Subscript(value=value, slice=ast.Slice()):
            return kind_of(value, kinds)
        case ast.BoolOp(values=[*_, last]):
            return kind_of(last, kinds)
    return None


def gather(scope: Scope, outer: Facts | None = None) -> Facts:
    """Reads the facts of a scope.

    Args:
        scope: A function or a module.
        outer: Facts of the module around a function; its names are known in the function too.
    """
    facts = Facts()
    if outer:
        facts.kinds.update(outer.kinds)
        facts.values.update({name: list(values) for name, values in outer.values.items()})
        facts.grown.update(outer.grown)
    if not isinstance(scope, ast.Module):
        _read_parameters(scope, facts)
    nodes = sorted(own_nodes(scope), key=lambda node: getattr(node, "lineno", 0))
    for node in nodes:
        _read_assignment(node, facts)
        _read_loop(node, facts)
    for node in nodes:
        _read_usage(node, facts)
    _read_lookups(nodes, facts)
    return facts


def _read_parameters(function: FunctionNode, facts: Facts) -> None:
    arguments = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
    facts.parameters = tuple(argument.arg for argument in arguments)
    for argument in arguments:
        facts.kinds.pop(argument.arg, None)
        annotation = argument.annotation
        if isinstance(annotation, ast.Subscript):
            annotation = annotation.value
        name = getattr(annotation, "attr", getattr(annotation, "id", ""))
        if name in _ANNOTATIONS:
            facts.kinds[argument.arg] = _ANNOTATIONS[name]
    positional = [*function.args.posonlyargs, *function.args.args]
    for argument, default in zip(reversed(positional), reversed(function.args.defaults), strict=False):
        if kind := kind_of(default, {}):
            facts.kinds.setdefault(argument.arg, kind)


def _read_assignment(node: ast.AST, facts: Facts) -> None:
    pairs: list[tuple[ast.expr, ast.expr]]
    match node:
        case ast.Assign(targets=targets, value=value):
            pairs = [pair for target in targets for pair in _pairs(target, value)]
        case ast.AnnAssign(target=annotated, value=ast.expr() as value):
            pairs = [(annotated, value)]
        case ast.AugAssign(target=ast.Name() as changed, op=op, value=value):
            pairs = [(changed, ast.BinOp(left=changed, op=op, right=value))]
        case ast.NamedExpr(target=named, value=value):
            pairs = [(named, value)]
        case _:
            return
    for target, value in pairs:
        if isinstance(target, ast.Name):
            facts.values[target.id].append(value)
            if kind := kind_of(value, facts.kinds):
                facts.kinds.setdefault(target.id, kind)


def _pairs(target: ast.expr, value: ast.expr) -> list[tuple[ast.expr, ast.expr]]:
    if isinstance(target, (ast.Tuple, ast.List)):
        if isinstance(value, (ast.Tuple, ast.List)) and len(value.elts) == len(target.elts):
            return list(zip(target.elts, value.elts, strict=True))
        return [(part, value) for part in target.elts]
    return [(target, value)]


def _read_loop(node: ast.AST, facts: Facts) -> None:
    if isinstance(node, (ast.For, ast.AsyncFor, ast.comprehension)):
        counts = isinstance(node.iter, ast.Call) and called_name(node.iter) == "range"
        if not counts:
            facts.items.update(names_in(node.target))


def _read_usage(node: ast.AST, facts: Facts) -> None:
    match node:
        case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr=method)):
            if method in _HASH_METHODS:
                facts.kinds.setdefault(name, Kind.HASH)
            if method in _GROWING_METHODS:
                facts.grown.add(name)
        case ast.AugAssign(target=ast.Name(id=name)):
            facts.grown.add(name)
        case ast.Subscript(value=ast.Name(id=name), slice=key, ctx=ast.Store()) if isinstance(key, ast.Constant):
            if isinstance(key.value, str):
                facts.kinds.setdefault(name, Kind.HASH)


def _read_lookups(nodes: list[ast.AST], facts: Facts) -> None:
    """A name that is tested with `x in name` and read as `name[x]` is a hash table."""
    lookups = {
        (node.value.id, ast.dump(node.slice))
        for node in nodes
        if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name)
    }
    for node in nodes:
        match node:
            case ast.Compare(left=left, ops=[ast.In() | ast.NotIn()], comparators=[ast.Name(id=name)]):
                if (name, ast.dump(left)) in lookups:
                    facts.kinds.setdefault(name, Kind.HASH)
