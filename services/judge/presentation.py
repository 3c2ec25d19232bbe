"""A fix as the model gets to see it: code, and as little prose as can be.

Comments, docstrings and other bare literals are gone, and literals keep only their first words, so that there
is hardly room to address the model. Reads hostile text, so a service calls `present` in a limited worker.
"""

from __future__ import annotations

import ast
import re
from typing import TypedDict

from services.judge.source import Unreadable, parse

MAX_LITERAL_WORDS = 5
MAX_LITERAL_CHARACTERS = 80
MAX_TOTAL_WORDS = 40
CUT = "…"

_WORD = re.compile(r"[^\W\d_]{2,}")


class Presentation(TypedDict):
    """JSON, as it crosses a process boundary.

    Attributes:
        code: The program without prose; "" if it cannot be read.
        problem: Why it cannot be read; "" if it can.
    """

    code: str
    problem: str


def present(code: str) -> Presentation:
    """Returns a program in normal form without comments, docstrings and long texts."""
    try:
        tree = _Silencer().visit(parse(code))
        return Presentation(code=ast.unparse(ast.fix_missing_locations(tree)), problem="")
    except Unreadable as error:
        return Presentation(code="", problem=error.reason)
    except (RecursionError, ValueError):
        return Presentation(code="", problem="it cannot be written in normal form")


class _Silencer(ast.NodeTransformer):
    """Drops bare literals and shortens the others."""

    def __init__(self) -> None:
        self._words_left = MAX_TOTAL_WORDS

    def generic_visit(self, node: ast.AST) -> ast.AST:
        super().generic_visit(node)
        if isinstance(node, ast.stmt) and getattr(node, "body", None) == []:
            node.body = [ast.Pass()]  # type: ignore[attr-defined]
        return node

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        return None if _is_literal(node.value) else self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> ast.Constant:
        if isinstance(node.value, str):
            return ast.Constant(self._shorten(node.value), kind=None)
        if isinstance(node.value, bytes):
            return ast.Constant(self._shorten(node.value.decode("latin-1")).encode("latin-1", "replace"))
        return node

    def _shorten(self, text: str) -> str:
        words = list(_WORD.finditer(text))
        allowed = min(MAX_LITERAL_WORDS, self._words_left)
        self._words_left -= min(len(words), allowed)
        end = words[allowed].start() if len(words) > allowed else len(text)
        end = min(end, MAX_LITERAL_CHARACTERS)
        return text if end == len(text) else text[:end] + CUT


def _is_literal(node: ast.expr) -> bool:
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, (str, bytes)))
