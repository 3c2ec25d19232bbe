"""Which variables of a function surely have a value at a place in it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import libcst as cst

from services.authoring.mutation.program import Program

_SCOPES = (cst.FunctionDef, cst.ClassDef, cst.Lambda)
_OURS = frozenset({"self", "cls", "_", "__"})


@dataclass(frozen=True, slots=True)
class Binding:
    """A place that gives a variable a value.

    Attributes:
        name: The variable.
        kind: How: "parameter", "loop" or "assigned".
        start: From where it has the value, in characters from 0.
        around: The node in which it has it.
    """

    name: str
    kind: str
    start: int
    around: cst.CSTNode


@lru_cache(maxsize=256)
def bindings(program: Program, function: cst.CSTNode) -> tuple[Binding, ...]:
    """Returns what gives values to a function's variables, in the order of the text, without self, cls and _."""
    found = [
        Binding(parameter.name.value, "parameter", program.start(function), function)
        for parameter in _parameters(function)
    ]
    for node in _own(function):
        found += _bound(program, node)
    return tuple(sorted((b for b in found if b.name not in _OURS), key=lambda binding: binding.start))


def seen(program: Program, function: cst.CSTNode, place: cst.CSTNode) -> list[Binding]:
    """Returns those of a function's bindings that surely were made before a place in it."""
    around, start = set(map(id, program.ancestors(place))), program.start(place)
    return [b for b in bindings(program, function) if b.start < start and id(b.around) in around]


def assigned(node: cst.CSTNode) -> set[str]:
    """Returns the names that a node gives values to, functions in it left out."""
    return {name for inner in [node, *_own(node)] for target in _targets(inner) for name in _names(target)}


def read(node: cst.CSTNode) -> set[str]:
    """Returns every name in a node."""
    found = {node.value} if isinstance(node, cst.Name) else set()
    return found.union(*(read(child) for child in node.children))


def _parameters(function: cst.CSTNode) -> list[cst.Param]:
    if not isinstance(function, cst.FunctionDef | cst.Lambda):
        return []
    given = function.params
    stars = [star for star in (given.star_arg, given.star_kwarg) if isinstance(star, cst.Param)]
    return [*given.posonly_params, *given.params, *given.kwonly_params, *stars]


def _own(function: cst.CSTNode) -> Iterator[cst.CSTNode]:
    """What is in a function and not in one within it."""
    for child in function.children:
        yield child
        if not isinstance(child, _SCOPES):
            yield from _own(child)


def _targets(node: cst.CSTNode) -> list[cst.CSTNode]:
    if isinstance(node, cst.Assign):
        return [target.target for target in node.targets]
    if isinstance(node, cst.For | cst.CompFor | cst.AugAssign | cst.NamedExpr):
        return [node.target]
    if isinstance(node, cst.AnnAssign) and node.value is not None:
        return [node.target]
    if isinstance(node, cst.AsName):
        return [node.name]
    return []


def _names(target: cst.CSTNode) -> Iterator[str]:
    if isinstance(target, cst.Name):
        yield target.value
    elif isinstance(target, cst.Tuple | cst.List):
        for element in target.elements:
            yield from _names(element.value)


def _bound(program: Program, node: cst.CSTNode) -> Iterator[Binding]:
    for target in _targets(node):
        kind = "loop" if isinstance(node, cst.For | cst.CompFor) else "assigned"
        start, around = _visible(program, node)
        for name in _names(target):
            yield Binding(name, kind, start, around)


def _visible(program: Program, node: cst.CSTNode) -> tuple[int, cst.CSTNode]:
    """From where, and within what, a name bound by a node has its value."""
    if isinstance(node, cst.For):
        return program.start(node.body) - 1, node.body
    comprehensions = (cst.ListComp, cst.SetComp, cst.DictComp, cst.GeneratorExp)
    for outer in program.ancestors(node):
        if isinstance(node, cst.CompFor) and isinstance(outer, comprehensions):
            return program.start(outer) - 1, outer
        if isinstance(node, cst.AsName) and isinstance(outer, cst.With | cst.ExceptHandler):
            return program.start(outer.body) - 1, outer.body
        if isinstance(outer, cst.IndentedBlock | cst.Module):
            return program.span(node)[1], outer
    return program.span(node)[1], node
