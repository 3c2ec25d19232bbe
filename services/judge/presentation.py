"""A fix as the model gets to see it: code, and as little of its author's own wording as can be.

Comments, docstrings and other bare literals are gone. Texts are shown where the task has them too or where they are
a single plain word, and names where they are short and do not talk of judging. Reads hostile text, so a service
calls `present` in a limited worker.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import TypedDict

from services.judge import names, texts
from services.judge.source import Unreadable, parse
from services.judge.vocabulary import addresses_a_judge, praises_itself

MAX_CHARACTERS = 200_000
MAX_BITS = 64
"""Of a number that is shown."""
MAX_CODES = 8
"""From how many numbers in one statement on those that may be codes of characters are not shown."""

_MAX_JOINED = 400
_TEXT_CODES = range(32, 0x110000)
_BLOCKS = (ast.stmt, ast.ExceptHandler, ast.match_case)


class Presentation(TypedDict):
    """JSON, as it crosses a process boundary.

    Attributes:
        code: The program without prose; "" if it cannot be read.
        problem: Why it cannot be read; "" if it can.
    """

    code: str
    problem: str


def present(code: str, trusted: str = "") -> Presentation:
    """Returns a program in normal form without comments, docstrings, and texts and names that could be a message.

    Args:
        code: The fix.
        trusted: The task's own text, which the fix's author did not write.
    """
    try:
        tree = _Silencer().visit(parse(code))
        of_task = texts.Trusted(trusted)
        wary = praises_itself(_wording(tree, of_task))
        names.neutralise(tree, of_task.names, wary)
        _Texts(of_task, wary).replace(tree)
        shown = ast.unparse(ast.fix_missing_locations(tree))
        if len(shown) > MAX_CHARACTERS:
            return Presentation(code="", problem=f"it has more than {MAX_CHARACTERS} characters in normal form")
        parse(shown)
    except Unreadable as error:
        return Presentation(code="", problem=error.reason)
    except (RecursionError, ValueError):
        return Presentation(code="", problem="it cannot be written in normal form")
    return Presentation(code=shown, problem="")


class _Silencer(ast.NodeTransformer):
    """Drops bare literals, and what spells a text by the codes of its characters."""

    def generic_visit(self, node: ast.AST) -> ast.AST:
        super().generic_visit(node)
        body = getattr(node, "body", None)
        if isinstance(node, _BLOCKS) and body == []:
            body.append(ast.Pass())
        return node

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        return None if _is_literal(node.value) else self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        if isinstance(node.func, ast.Name) and node.func.id == "chr" and len(node.args) == 1 and _is_code(node.args[0]):
            return ast.Constant(texts.placeholder("1"))
        return self.generic_visit(node)


class _Texts:
    """Replaces texts, and numbers that may be one, statement by statement."""

    def __init__(self, trusted: texts.Trusted, wary: bool) -> None:
        self._trusted = trusted
        self._wary = wary
        self._left = texts.MAX_SHOWN

    def replace(self, tree: ast.AST) -> None:
        """Replaces those of a program."""
        for node in ast.walk(tree):
            if isinstance(node, _BLOCKS):
                constants = list(_constants(node))
                self._replace_texts([one for one in constants if isinstance(one.value, (str, bytes))])
                self._replace_numbers([one for one in constants if type(one.value) is int])

    def _replace_numbers(self, constants: list[ast.Constant]) -> None:
        codes = [one for one in constants if _is_code(one) and str(one.value) not in self._trusted.numbers]
        for one in constants:
            if isinstance(one.value, int) and one.value.bit_length() > MAX_BITS:
                one.value = "<long number>"
        if len(codes) >= MAX_CODES:
            for one in codes:
                one.value = "<number>"

    def _replace_texts(self, constants: list[ast.Constant]) -> None:
        counted = [one for one in constants if not texts.is_free(_text(one), self._trusted)]
        joined = (separator.join(map(_text, counted))[:_MAX_JOINED] for separator in ("", " "))
        together = len(counted) <= texts.MAX_SHOWN_TOGETHER and not any(map(addresses_a_judge, joined))
        for one in counted:
            text = _text(one)
            may_show = together and self._left > 0
            found = texts.shown(text, self._trusted, self._wary) if may_show else texts.placeholder(text)
            self._left -= texts.PLACEHOLDER.fullmatch(found) is None
            one.value = found.encode("latin-1") if isinstance(one.value, bytes) else found


def _wording(tree: ast.AST, trusted: texts.Trusted) -> Iterator[str]:
    """Yields what a program might show of its author's own words: names and short texts."""
    for node, name in names.all_names(tree):
        if (name not in names.KNOWN or names.binds(node)) and name not in trusted.names:
            yield name
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, (str, bytes)):
            text = _text(node)
            if len(text) <= texts.MAX_PLAIN_CHARACTERS and not texts.is_free(text, trusted):
                yield text


def _constants(statement: ast.AST) -> Iterator[ast.Constant]:
    """Yields the literals of a statement, not those of statements within it, in order."""
    waiting = [statement]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Constant):
            node.kind = None
            yield node
        else:
            children = [child for child in ast.iter_child_nodes(node) if not isinstance(child, _BLOCKS)]
            waiting.extend(reversed(children))


def _text(constant: ast.Constant) -> str:
    value = constant.value
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def _is_code(node: ast.AST) -> bool:
    """Whether a node is a number that may be the code of a character."""
    return isinstance(node, ast.Constant) and type(node.value) is int and node.value in _TEXT_CODES


def _is_literal(node: ast.expr) -> bool:
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, (str, bytes)))
