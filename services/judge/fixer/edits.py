"""Edits of source text at the places of its syntax nodes; whatever is not touched keeps its form."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from typing import TypeAlias

Span: TypeAlias = tuple[int, int]
"""First byte and the byte after the last one, in UTF-8."""

Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef


class Text:
    """A source text that is addressed by syntax nodes.

    Args:
        code: The source from which the nodes were parsed.
    """

    def __init__(self, code: str) -> None:
        self._data = code.encode()
        self._starts = [0]
        for line in code.split("\n"):
            self._starts.append(self._starts[-1] + len(line.encode()) + 1)

    def span(self, node: ast.expr | ast.stmt) -> Span:
        """Returns where a node stands."""
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        return self._at(node.lineno, node.col_offset), self._at(node.end_lineno, node.end_col_offset)

    def of(self, node: ast.expr | ast.stmt) -> str:
        """Returns the text of a node."""
        start, end = self.span(node)
        return self._data[start:end].decode()

    def line_start(self, node: ast.stmt) -> int:
        """Returns the byte at which a statement's line begins, decorators included."""
        return self._starts[_first_line(node) - 1]

    def indentation(self, node: ast.stmt) -> str:
        """Returns the white space before a statement; four spaces if it shares its line with another."""
        start = self._starts[node.lineno - 1]
        before = self._data[start : start + node.col_offset].decode()
        return before if not before.strip() else "    "

    def replaced(self, edits: Iterable[tuple[Span, str]]) -> str:
        """Returns the source with spans replaced; they must not overlap."""
        data = self._data
        for (start, end), text in sorted(edits, key=lambda edit: edit[0], reverse=True):
            data = data[:start] + text.encode() + data[end:]
        return data.decode()

    def _at(self, line: int, column: int) -> int:
        return self._starts[line - 1] + column


def replace(code: str, *edits: tuple[ast.expr | ast.stmt, str]) -> str:
    """Returns the source with nodes replaced by texts; the nodes must not overlap."""
    text = Text(code)
    return text.replaced((text.span(node), new) for node, new in edits)


def insert_before(code: str, statement: ast.stmt, *lines: str) -> str:
    """Returns the source with lines, indented like the statement, before it."""
    text = Text(code)
    start = text.line_start(statement)
    return text.replaced([((start, start), indent(lines, text.indentation(statement)) + "\n")])


def replace_statement(code: str, statement: ast.stmt, *lines: str) -> str:
    """Returns the source with a statement replaced by lines, the first of which takes its place."""
    text = Text(code)
    return text.replaced([(text.span(statement), indent(lines, text.indentation(statement)).lstrip())])


def indent(lines: Iterable[str], by: str) -> str:
    """Returns lines as one text, each indented."""
    return "\n".join(by + line if line else line for line in lines)


def with_import(code: str, statement: str) -> str:
    """Returns the source with an import, unless it has it; after the docstring and __future__ imports.

    Args:
        code: Source that parses.
        statement: E.g. "import json" or "from functools import cache".
    """
    tree = ast.parse(code)
    wanted = ast.dump(ast.parse(statement).body[0])
    if any(ast.dump(node) == wanted for node in tree.body):
        return code
    if not tree.body:
        return statement + "\n"
    last_fixed = None
    for node in tree.body:
        if not _stays_first(node):
            break
        last_fixed = node
    lines = code.split("\n")
    at = last_fixed.end_lineno or 0 if last_fixed is not None else _first_line(tree.body[0]) - 1
    following = next((node for node in tree.body if node is not last_fixed and _first_line(node) > at), None)
    gap = [] if following is None or isinstance(following, (ast.Import, ast.ImportFrom)) else ["", ""]
    return "\n".join([*lines[:at], statement, *gap, *lines[at:]])


def first_statement(function: Function) -> ast.stmt:
    """Returns the first statement of a function after its docstring."""
    body = function.body
    if len(body) > 1 and isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant):
        return body[1]
    return body[0]


def _stays_first(node: ast.stmt) -> bool:
    if isinstance(node, ast.ImportFrom):
        return node.module == "__future__"
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _first_line(node: ast.stmt) -> int:
    decorators: list[ast.expr] = getattr(node, "decorator_list", [])
    return min([node.lineno, *(decorator.lineno for decorator in decorators)])
