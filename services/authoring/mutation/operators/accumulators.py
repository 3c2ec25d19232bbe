"""Accumulators: wrong initial values, values overwritten in place of added, a reset in each turn of the loop."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from services.authoring.mutation.operator import operator
from services.authoring.mutation.program import Change, Program, called, single_text
from services.authoring.mutation.scopes import assigned, read


def _target(node: cst.Assign) -> str:
    target = node.targets[0].target
    return target.value if len(node.targets) == 1 and isinstance(target, cst.Name) else ""


def _following(program: Program, node: cst.CSTNode) -> list[cst.CSTNode]:
    """The statements of the same block that come after one."""
    block, statement = program.block(node), program.statement(node)
    return block[block.index(statement) + 1 :] if statement in block else []


def is_start(program: Program, node: cst.Assign) -> bool:
    """Whether an assignment gives its initial value to a variable that a loop after it works on."""
    name = _target(node)
    loops = (found for found in _following(program, node) if isinstance(found, cst.For | cst.While))
    return bool(name) and any(name in assigned(loop.body) for loop in loops)


def _zero(program: Program, node: cst.Assign) -> Iterator[Change]:
    """`best = numbers[0]` or `best = float("-inf")` becomes `best = 0`."""
    value = node.value
    named = isinstance(value, cst.Name) and value.value == "None"
    other = isinstance(value, cst.Subscript) or called(value) == "float" or named
    if other and is_start(program, node):
        yield program.replace(value, "0", within=node)


def _overwritten(program: Program, node: cst.AugAssign) -> Iterator[Change]:
    """`total += x` becomes `total = x`."""
    if isinstance(node.operator, cst.AddAssign | cst.MultiplyAssign | cst.BitOrAssign | cst.SubtractAssign):
        yield program.replace(node.operator, "=", within=node)


def _reset(program: Program, node: cst.Assign) -> Iterator[Change]:
    """The initial value moves into the loop that follows."""
    following, line = _following(program, node), program.statement(node)
    loop = following[0] if following else None
    if not isinstance(loop, cst.For | cst.While) or not isinstance(loop.body, cst.IndentedBlock):
        return
    name = _target(node)
    tested = isinstance(loop, cst.While) and name in read(loop.test)
    if line is node or tested or name not in assigned(loop.body) or not single_text(program, line):
        return
    start, end = program.span(line)
    begin, body = program.line_start(start), program.line_start(program.start(loop.body.body[0]))
    indent = program.source[body : program.start(loop.body.body[0])]
    between = program.source[program.line_end(end) : body]
    yield Change(
        begin, body, f"{between}{indent}{program.source[start:end]}\n", (start, end), told="moved into the loop"
    )


OPERATORS = (
    operator("start", "accumulator", cst.Assign, _zero),
    operator("overwritten", "accumulator", cst.AugAssign, _overwritten),
    operator("reset", "accumulator", cst.Assign, _reset),
)
