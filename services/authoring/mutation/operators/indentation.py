"""Indentation: the last statement of a block moved out of it, or the one behind it moved in."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from services.authoring.mutation.operator import Operator
from services.authoring.mutation.operators.statements import leaves
from services.authoring.mutation.program import Change, Program, single_text


def _moved_out(program: Program, node: cst.CSTNode) -> Iterator[Change]:
    block = _block(program, node)
    if block is None or len(block.body) < 2:
        return
    last = block.body[-1]
    if single_text(program, last):
        delta = _depth(program, block.body[0]) - _depth(program, node)
        yield _indented(program, last, -delta, told="moved out of the block")


def _moved_in(program: Program, node: cst.CSTNode) -> Iterator[Change]:
    block, around = _block(program, node), program.block(node)
    if block is None or leaves(block) or node not in around or node is around[-1]:
        return
    following = around[around.index(node) + 1]
    if single_text(program, following) and not isinstance(following, cst.FunctionDef | cst.ClassDef):
        indent = program.line_start(program.start(block.body[0]))
        deeper = program.source[indent + _depth(program, node) : program.start(block.body[0])]
        yield _indented(program, following, len(deeper), deeper, told="moved into the block")


def _block(program: Program, node: cst.CSTNode) -> cst.IndentedBlock | None:
    """The body of a loop, or of an `if`, that has nothing behind it."""
    if not isinstance(node, cst.For | cst.While | cst.If) or node.orelse is not None:
        return None
    if isinstance(program.parent(node), cst.If):
        return None
    return node.body if isinstance(node.body, cst.IndentedBlock) else None


def _depth(program: Program, node: cst.CSTNode) -> int:
    return program.place(program.start(node))[1]


def _indented(program: Program, node: cst.CSTNode, delta: int, indent: str = "", *, told: str) -> Change:
    """The lines of a statement indented more or less."""
    start, end = program.span(node)
    begin = program.line_start(start)
    lines = program.source[begin:end].split("\n")
    text = "\n".join((indent + line if delta > 0 else line[-delta:]) if line.strip() else line for line in lines)
    return Change(begin, end, text, (start, end), told=told)


OPERATORS = (
    Operator("moved-out", "indentation", _moved_out),
    Operator("moved-in", "indentation", _moved_in),
)
