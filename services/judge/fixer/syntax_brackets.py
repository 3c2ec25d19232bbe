"""Edits of a line whose brackets do not match."""

from __future__ import annotations

import re
from collections.abc import Iterator

TOKEN = re.compile(r"\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*'|#.*|\w+|\S")
_CLOSER = {"(": ")", "[": "]", "{": "}"}
_OPENER = {closer: opener for opener, closer in _CLOSER.items()}
_MAX_PLACES = 40


def balanced(code: str, *, block: bool) -> Iterator[tuple[str, str]]:
    """Yields the line with brackets that match, likely ones first.

    Args:
        code: The line without its comment.
        block: Whether it opens a block.
    """
    stack: list[re.Match[str]] = []
    for token in TOKEN.finditer(code):
        if token.group() in _CLOSER:
            stack.append(token)
        elif token.group() in _OPENER:
            if stack and _CLOSER[stack[-1].group()] == token.group():
                stack.pop()
                continue
            yield from _without_closer(code, token, stack)
            yield from _opened_before(code, token)
            return
    if stack:
        yield from _closed(code, stack, block=block)


def _without_closer(code: str, token: re.Match[str], stack: list[re.Match[str]]) -> Iterator[tuple[str, str]]:
    closer, start = token.group(), token.start()
    yield code[:start] + code[start + 1 :], f"`{closer}` closes nothing"
    if stack:
        right = _CLOSER[stack[-1].group()]
        yield code[:start] + right + code[start + 1 :], f"`{right}` closes `{stack[-1].group()}`"
        yield code[:start] + right + code[start:], f"`{stack[-1].group()}` is closed"
        at = stack[-1].start()
        yield code[:at] + code[at + 1 :], f"`{stack[-1].group()}` is not closed"
    for double in re.finditer(r"([)\]}])(?=\1)", code[:start]):
        yield code[: double.start()] + code[double.end() :], f"`{double[1]}` closes nothing"
    for double in re.finditer(r"([(\[{])(?=\1)", code[:start]):
        yield code[: double.start()] + code[double.end() :], f"`{double[1]}` is not closed"


def _opened_before(code: str, token: re.Match[str]) -> Iterator[tuple[str, str]]:
    """Yields the line with a bracket that opens before what a lone bracket closes."""
    opener = _OPENER[token.group()]
    before, explanation = code[: token.start()], f"`{opener}` opens what `{token.group()}` closes"
    ends = [place for place in _places(code) if place <= token.start()]
    within = [place for word in re.finditer(r"\w{2,}", before) for place in range(word.start() + 1, word.end())][
        -_MAX_PLACES:
    ]
    head = re.match(r"\s*def\b", code) is not None
    for place in (*within[::-1], *ends[::-1]) if head else (*ends[::-1], *within[::-1]):
        yield code[:place] + opener + code[place:], explanation


def _closed(code: str, stack: list[re.Match[str]], *, block: bool) -> Iterator[tuple[str, str]]:
    missing = "".join(_CLOSER[opener.group()] for opener in reversed(stack))
    stripped = code.rstrip()
    explanation = f"`{stack[-1].group()}` is closed"
    if stripped.endswith(":"):
        yield stripped[:-1] + missing + ":", explanation
    elif block:
        yield stripped + missing + ":", explanation
    yield stripped.rstrip(",") + missing, explanation
    if len(stack) > _MAX_PLACES:
        return
    for opener in reversed(stack):
        yield code[: opener.start()] + code[opener.end() :], f"`{opener.group()}` is not closed"
    for opener in reversed(stack):
        closer = _CLOSER[opener.group()]
        for place in _places(code):
            if place >= opener.end():
                yield code[:place] + closer + code[place:], f"`{opener.group()}` is closed"


def _places(code: str) -> list[int]:
    """Returns where tokens begin and end."""
    tokens = list(TOKEN.finditer(code))
    return sorted({place for token in tokens for place in token.span()})[-_MAX_PLACES:]
