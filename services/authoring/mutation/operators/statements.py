"""Statements: deleted calls, assignments, guards and branches; assignments in parallel made one after another."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from services.authoring.mutation.operator import operator
from services.authoring.mutation.program import Change, Program, single_text
from services.authoring.mutation.scopes import seen

_LEAVES = (cst.Raise, cst.Return, cst.Continue, cst.Break)


def leaves(block: cst.BaseSuite) -> bool:
    """Whether a block ends by leaving: with raise, return, continue or break."""
    last: cst.CSTNode | None = block.body[-1] if block.body else None
    if isinstance(last, cst.SimpleStatementLine):
        last = last.body[-1]
    return isinstance(last, _LEAVES)


def is_guard(node: cst.CSTNode | None) -> bool:
    """Whether a node is an `if` without else that does nothing but leave."""
    return isinstance(node, cst.If) and node.orelse is None and len(node.body.body) == 1 and leaves(node.body)


def _is_elif(program: Program, node: cst.CSTNode) -> bool:
    return isinstance(program.parent(node), cst.If)


def _expression(program: Program, node: cst.Expr) -> Iterator[Change]:
    yield program.remove(node)


def _assignment(program: Program, node: cst.Assign | cst.AugAssign | cst.AnnAssign) -> Iterator[Change]:
    """Not one that gives a variable its first value: without it nothing would run."""
    targets = [target.target for target in node.targets] if isinstance(node, cst.Assign) else [node.target]
    names = {target.value for target in targets if isinstance(target, cst.Name)}
    if any(isinstance(target, cst.Tuple | cst.List) for target in targets):
        return
    if names and not isinstance(node, cst.AugAssign):
        function = program.function(node)
        known = set() if function is None else {binding.name for binding in seen(program, function, node)}
        if not names <= known:
            return
    yield program.remove(node)


def _delete(program: Program, node: cst.Del) -> Iterator[Change]:
    yield program.remove(node)


def _return(program: Program, node: cst.Return) -> Iterator[Change]:
    """Not at the end of its function, where it would be `return None`, and not in a guard, which goes as a whole."""
    block = program.parent(program.statement(node))
    around = program.parent(block) if block is not None else None
    if not isinstance(around, cst.FunctionDef) and not is_guard(around):
        yield program.remove(node)


def _guard(program: Program, node: cst.If) -> Iterator[Change]:
    if is_guard(node) and not _is_elif(program, node):
        yield program.remove(node)


def _assert(program: Program, node: cst.Assert) -> Iterator[Change]:
    yield program.remove(node)


def _branch(program: Program, node: cst.If) -> Iterator[Change]:
    start, end = program.span(node)
    shown = (start, program.span(node.test)[1])
    if isinstance(node.orelse, cst.If):
        follows = program.start(node.orelse)
        yield Change(start, follows if _is_elif(program, node) else follows + len("el"), "", shown)
    elif _is_elif(program, node):
        up_to = program.line_start(program.start(node.orelse)) if node.orelse else program.line_end(end)
        yield Change(program.line_start(start), up_to, "", shown)
    elif node.orelse is None and not is_guard(node):
        removal = program.remove(node)
        yield Change(removal.start, removal.end, removal.text, shown)


def _else(program: Program, node: cst.Else) -> Iterator[Change]:
    if isinstance(program.parent(node), cst.If):
        start, end = program.span(node)
        yield Change(program.line_start(start), program.line_end(end), "", (start, end))


def _in_turn(program: Program, node: cst.Assign) -> Iterator[Change]:
    """`a, b = b, a` becomes `a = b`, then `b = a`."""
    line, target = program.statement(node), node.targets[0].target
    if line is node or len(node.targets) != 1 or not single_text(program, node) or "\n" in program.text(node):
        return
    if not (isinstance(target, cst.Tuple) and isinstance(node.value, cst.Tuple)):
        return
    pairs = list(zip(target.elements, node.value.elements, strict=False))
    if len(target.elements) != len(node.value.elements) or len(pairs) < 2:
        return
    start, end = program.span(node)
    indent = program.source[program.line_start(start) : start]
    lines = [f"{program.text(left.value)} = {program.operand(right.value)}" for left, right in pairs]
    yield Change(start, end, f"\n{indent}".join(lines), (start, end))


OPERATORS = (
    operator("guard", "missing_guard", cst.If, _guard),
    operator("assert", "missing_guard", cst.Assert, _assert),
    operator("call", "statement", cst.Expr, _expression),
    operator("assign", "statement", cst.Assign, _assignment),
    operator("assign", "statement", cst.AugAssign, _assignment),
    operator("assign", "statement", cst.AnnAssign, _assignment),
    operator("delete", "statement", cst.Del, _delete),
    operator("return-dropped", "statement", cst.Return, _return),
    operator("branch", "statement", cst.If, _branch),
    operator("else", "statement", cst.Else, _else),
    operator("in-turn", "statement", cst.Assign, _in_turn),
)
