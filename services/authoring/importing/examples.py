"""Examples in words, "Input: nums = [1,2], k = 3  Output: 5", as values."""

from __future__ import annotations

import ast
import io
import itertools
import re
import tokenize
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

# Line breaks may have come as a backslash and an n, in front of which there is no word's end.
_MARK = re.compile(r"(?:\b|(?<=\\n))(?:(Input|Output)\s{0,9}:|(?:Explanation|Constraints)\b|Example\s?\d|Note:)")
_BREAKS = re.compile(r"(?:\\n|\s)+")
_WORDS = {"true": "True", "false": "False", "null": "None"}


@dataclass(frozen=True, slots=True)
class Example:
    """One example.

    Attributes:
        names: Names of the arguments, in order; empty if the example gives none.
        arguments: Their values.
        answer: The value that is expected.
    """

    names: tuple[str, ...]
    arguments: tuple[object, ...]
    answer: object


def read(text: str) -> Iterator[Example]:
    """Yields the examples in a text whose values are literals; the others are left out."""
    marks = list(_MARK.finditer(text))
    ends = [*(mark.start() for mark in marks[1:]), len(text)]
    parts = [(mark[1], _trimmed(text[mark.end() : end])) for mark, end in zip(marks, ends, strict=True)]
    for (kind, given), (then, answer) in itertools.pairwise(parts):
        if (kind, then) != ("Input", "Output"):
            continue
        try:
            names, arguments = _arguments(given)
            yield Example(names, arguments, _literal(answer))
        except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
            continue


def _trimmed(text: str) -> str:
    """Returns a text without line breaks and spaces at its ends."""
    start = found.end() if (found := _BREAKS.match(text)) else 0
    text = text[start:].rstrip()
    while text.endswith("\\n"):
        text = text[:-2].rstrip()
    return text


def _arguments(text: str) -> tuple[tuple[str, ...], tuple[object, ...]]:
    """Reads "nums = [1,2], k = 3" as Python reads the arguments of a call."""
    call = ast.parse(f"f({_python(text.rstrip(','))}\n)", mode="eval").body
    if not isinstance(call, ast.Call) or (call.args and call.keywords):
        raise ValueError("no arguments")
    names = [keyword.arg or "" for keyword in call.keywords]
    nodes: Sequence[ast.expr] = call.args or [keyword.value for keyword in call.keywords]
    return tuple(names), tuple(ast.literal_eval(node) for node in nodes)


def _literal(text: str) -> object:
    return ast.literal_eval(_python(text.rstrip(".") if text.endswith("].") else text))


def _python(text: str) -> str:
    """Returns a text with the words of JSON in Python's spelling, but for those within quotes."""
    try:
        tokens = list(tokenize.generate_tokens(io.StringIO(f"({text}\n)").readline))
    except (tokenize.TokenError, IndentationError) as error:
        raise ValueError("no Python") from error
    lines = f"({text}\n)".splitlines(keepends=True)
    for token in reversed(tokens):
        if token.type == tokenize.NAME and token.string in _WORDS:
            row, start, end = token.start[0] - 1, token.start[1], token.end[1]
            lines[row] = lines[row][:start] + _WORDS[token.string] + lines[row][end:]
    return "".join(lines)[1:-1].strip()
