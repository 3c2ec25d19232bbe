"""Defaults: a list or mapping that all calls share."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst
import libcst.matchers as m

from services.authoring.mutation.operator import operator
from services.authoring.mutation.program import Change, Program, walk

_EMPTY = (
    m.List(elements=[]) | m.Dict(elements=[]) | m.Call(func=m.Name("list") | m.Name("dict") | m.Name("set"), args=[])
)
_CHANGES = ("append", "extend", "insert", "add", "update", "setdefault", "pop", "remove", "sort", "appendleft", "clear")


def _shared(program: Program, node: cst.FunctionDef) -> Iterator[Change]:
    """`x=None`, made an empty list in the body, becomes `x=[]`, if the body changes it."""
    for param in [*node.params.posonly_params, *node.params.params, *node.params.kwonly_params]:
        if param.default is None or not m.matches(param.default, m.Name("None")):
            continue
        empty = _made(program, node, param.name.value)
        if empty and _is_changed(node, param.name.value):
            yield program.replace(param.default, empty, within=param)


def _made(program: Program, node: cst.FunctionDef, name: str) -> str:
    """The empty container that the body gives to a parameter; empty text if none."""
    target = m.AssignTarget(target=m.Name(name))
    either = m.BooleanOperation(left=m.Name(name), operator=m.Or(), right=_EMPTY)
    for found in m.findall(node.body, m.Assign(targets=[target], value=_EMPTY | either)):
        assert isinstance(found, cst.Assign)
        value = found.value
        return program.text(value.right if isinstance(value, cst.BooleanOperation) else value)
    return ""


def _is_changed(node: cst.FunctionDef, name: str) -> bool:
    called = m.Call(func=m.Attribute(value=m.Name(name), attr=m.OneOf(*(m.Name(word) for word in _CHANGES))))
    stored = m.AssignTarget(target=m.Subscript(value=m.Name(name)))
    added = m.AugAssign(target=m.Name(name) | m.Subscript(value=m.Name(name)))
    return any(m.matches(inner, called | stored | added) for inner in walk(node.body))


OPERATORS = (operator("shared-default", "default", cst.FunctionDef, _shared),)
