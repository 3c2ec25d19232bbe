"""Variables: one taken for another of the same function."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from services.authoring.mutation.operator import operator
from services.authoring.mutation.program import Change, Program
from services.authoring.mutation.scopes import Binding, bindings, seen

_SMALL = 40
_NOT_READ = (cst.AssignTarget, cst.Param, cst.NameItem, cst.AsName, cst.FunctionDef, cst.ClassDef, cst.Del)


def _misused(program: Program, node: cst.Name) -> Iterator[Change]:
    """A variable that is read becomes the one of the same kind that got its value last before it."""
    function = program.function(node)
    if function is None or not _is_read(program, node):
        return
    if node.value not in {binding.name for binding in bindings(program, function)}:
        return
    known = seen(program, function, node)
    if (other := _closest(known, node.value)) is not None:
        yield program.replace(node, other, within=_around(program, node))


def _is_read(program: Program, node: cst.Name) -> bool:
    above = program.parent(node)
    if isinstance(above, cst.Attribute):
        return above.value is node
    if isinstance(above, cst.Arg | cst.Call):
        return node is not (above.keyword if isinstance(above, cst.Arg) else above.func)
    if isinstance(above, cst.AugAssign | cst.For | cst.CompFor | cst.NamedExpr | cst.AnnAssign):
        return node is not above.target
    if isinstance(above, cst.Element):
        return not any(_is_target(program, outer) for outer in program.ancestors(node))
    return not isinstance(above, _NOT_READ)


def _is_target(program: Program, node: cst.CSTNode) -> bool:
    above = program.parent(node)
    return isinstance(node, cst.AssignTarget) or (isinstance(above, cst.For | cst.CompFor) and node is above.target)


def _closest(known: list[Binding], name: str) -> str | None:
    kinds = {binding.kind for binding in known if binding.name == name}
    others = [binding for binding in known if binding.name != name]
    alike = [binding for binding in others if binding.kind in kinds]
    return (alike or others)[-1].name if others else None


def _around(program: Program, node: cst.CSTNode) -> cst.CSTNode:
    """The expression that a label shows: the one around a variable, if it is short."""
    parts = (cst.Arg, cst.Index, cst.SubscriptElement, cst.ComparisonTarget, cst.Element)
    above = next((outer for outer in program.ancestors(node) if not isinstance(outer, parts)), node)
    return above if isinstance(above, cst.BaseExpression) and len(program.text(above)) <= _SMALL else node


OPERATORS = (operator("variable", "variable_misuse", cst.Name, _misused),)
