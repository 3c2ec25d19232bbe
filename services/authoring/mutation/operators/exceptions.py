"""Exceptions: not raised, of another type, caught too widely, too narrowly, or swallowed."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from services.authoring.mutation.operator import operator
from services.authoring.mutation.operators.statements import is_guard
from services.authoring.mutation.program import Change, Program

_OTHER = {
    "ValueError": "TypeError",
    "TypeError": "ValueError",
    "KeyError": "IndexError",
    "IndexError": "KeyError",
    "LookupError": "ValueError",
    "ZeroDivisionError": "ValueError",
    "OverflowError": "ValueError",
    "AttributeError": "KeyError",
    "StopIteration": "ValueError",
    "RuntimeError": "ValueError",
    "NotImplementedError": "ValueError",
    "OSError": "ValueError",
}


def _not_raised(program: Program, node: cst.Raise) -> Iterator[Change]:
    block = program.parent(program.statement(node))
    if not is_guard(program.parent(block) if block is not None else None):
        yield program.remove(node)


def _other_type(program: Program, node: cst.Raise) -> Iterator[Change]:
    kind = node.exc.func if isinstance(node.exc, cst.Call) else node.exc
    if isinstance(kind, cst.Name) and (kind.value[:1].isupper()):
        yield program.replace(kind, _OTHER.get(kind.value, "RuntimeError"), within=node)


def _widened(program: Program, node: cst.ExceptHandler) -> Iterator[Change]:
    if node.type is not None and program.text(node.type) not in ("Exception", "BaseException"):
        yield program.replace(node.type, "Exception", within=node.type)


def _narrowed(program: Program, node: cst.ExceptHandler) -> Iterator[Change]:
    kind = node.type
    if isinstance(kind, cst.Tuple):
        for element in kind.elements:
            rest = ", ".join(program.text(other.value) for other in kind.elements if other is not element)
            yield program.replace(kind, f"{rest}," if len(kind.elements) == 2 else rest)
    elif isinstance(kind, cst.Name):
        yield program.replace(kind, _OTHER.get(kind.value, "KeyError"))


def _swallowed(program: Program, node: cst.ExceptHandler) -> Iterator[Change]:
    if program.text(node.body).strip() != "pass":
        yield program.replace(node.body, "pass")


OPERATORS = (
    operator("raise", "exception", cst.Raise, _not_raised),
    operator("raised-type", "exception", cst.Raise, _other_type),
    operator("except-wider", "exception", cst.ExceptHandler, _widened),
    operator("except-narrower", "exception", cst.ExceptHandler, _narrowed),
    operator("except-swallowed", "exception", cst.ExceptHandler, _swallowed),
)
