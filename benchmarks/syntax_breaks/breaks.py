"""Ways to break a program, each as the edits that would do so at its places."""

from __future__ import annotations

import builtins
import keyword
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

_TOKEN = re.compile(
    r'(?P<string>[rbf]{0,2}(?:"""[\s\S]*?"""|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'))'
    r"|(?P<comment>#[^\n]*)|(?P<name>[A-Za-z_]\w*)|(?P<number>\d[\w.]*)"
    r"|(?P<operator>[=!<>+\-*/%&|^]=|\*\*|//|->|[^\s\w])"
)
_HEADER = re.compile(r"\s*(?:async|def|for|with|class|if|elif|else|while|try|except|finally)\b.*:\s*$")
_CLOSERS = ")]}"
_BRACKETS = "([{" + _CLOSERS
_FOREIGN = {
    "def": ("function", "func"),
    "elif": ("else if", "elseif"),
    "and": ("&&",),
    "or": ("||",),
    "not": ("!",),
    "raise": ("throw",),
    "except": ("catch",),
    "None": ("null",),
    "True": ("true",),
    "False": ("false",),
    "self": ("this",),
    "!=": ("<>", "!=="),
    "==": ("===",),
    "<=": ("=<",),
    ">=": ("=>",),
}
_LONGEST_OF_ONE_LETTER = 2


@dataclass(frozen=True, slots=True, order=True)
class Edit:
    """A part of a text, and what takes its place.

    Attributes:
        start: Index of its first character.
        end: Index after its last one.
        new: The text that takes its place.
    """

    start: int
    end: int
    new: str

    def of(self, code: str) -> str:
        """Returns the edited text."""
        return code[: self.start] + self.new + code[self.end :]


Break: TypeAlias = Callable[[str], Iterator[Edit]]


@dataclass(frozen=True, slots=True)
class _Line:
    start: int
    text: str

    @property
    def end(self) -> int:
        return self.start + len(self.text)

    @property
    def width(self) -> int:
        return len(self.text) - len(self.text.lstrip(" "))

    def opens_block(self) -> bool:
        return _HEADER.match(self.text) is not None


def _lines(code: str) -> list[_Line]:
    found, start = [], 0
    for text in code.split("\n"):
        if text.strip():
            found.append(_Line(start, text))
        start += len(text) + 1
    return found


def _tokens(code: str, *kinds: str) -> Iterator[re.Match[str]]:
    for token in _TOKEN.finditer(code):
        if token.lastgroup in kinds:
            yield token


def _missing_colon(code: str) -> Iterator[Edit]:
    for line in _lines(code):
        if line.opens_block():
            yield Edit(line.start + line.text.rindex(":"), line.end, "")


def _bracket_dropped(code: str) -> Iterator[Edit]:
    for token in _tokens(code, "operator"):
        if token.group() in _BRACKETS:
            yield Edit(token.start(), token.end(), "")


def _bracket_added(code: str) -> Iterator[Edit]:
    for token in _tokens(code, "operator"):
        if token.group() in _BRACKETS:
            yield Edit(token.start(), token.end(), token.group() * 2)


def _wrong_bracket(code: str) -> Iterator[Edit]:
    for token in _tokens(code, "operator"):
        if token.group() in _CLOSERS:
            for other in _CLOSERS.replace(token.group(), ""):
                yield Edit(token.start(), token.end(), other)


def _lost_indentation(code: str) -> Iterator[Edit]:
    """Moves a line, or all lines of a block, to the left."""
    lines = _lines(code)
    for at, line in enumerate(lines):
        if not line.width:
            continue
        yield Edit(line.start, line.start + 2, "")
        if lines[at - 1].opens_block():
            yield Edit(line.start, line.start + 4, "")
            last = at
            while last + 1 < len(lines) and lines[last + 1].width >= line.width:
                last += 1
            block = code[line.start : lines[last].end]
            yield Edit(line.start, lines[last].end, re.sub(r"(?m)^ {4}", "", block))


def _added_indentation(code: str) -> Iterator[Edit]:
    for line in _lines(code):
        for more in (1, 2, 4):
            yield Edit(line.start, line.start, " " * more)


def _tab(code: str) -> Iterator[Edit]:
    """Indents a line by tabs, where blanks indent the others."""
    for line in _lines(code):
        if line.width:
            yield Edit(line.start, line.start + line.width, "\t" * (line.width // 4))


def _equals(code: str) -> Iterator[Edit]:
    for token in _tokens(code, "operator"):
        if token.group() == "==":
            yield Edit(token.start(), token.end(), "=")


def _print_statement(code: str) -> Iterator[Edit]:
    """Makes a statement of a call of print, or adds one that shows what a name is."""
    for line in _lines(code):
        call = re.match(r"\s*print\((.*)\)$", line.text)
        if call:
            yield Edit(line.start, line.end, f"{' ' * line.width}print {call[1]}")
        shown = re.match(r"\s+(?:return|while|for \w+ in) ([a-z]\w*)\b(?![(\"'])", line.text)
        if shown and not keyword.iskeyword(shown[1]):
            for what in (shown[1], f'"{shown[1]}", {shown[1]}', f'"{shown[1]}: %s" % {shown[1]}'):
                yield Edit(line.start, line.start, f"{' ' * line.width}print {what}\n")


def _misspelt_keyword(code: str) -> Iterator[Edit]:
    for token in _tokens(code, "name"):
        if keyword.iskeyword(token.group()):
            yield from _misspelt(token)


def _misspelt_builtin(code: str) -> Iterator[Edit]:
    for token in _tokens(code, "name"):
        if hasattr(builtins, token.group()) and code[token.start() - 1] != ".":
            yield from _misspelt(token)


def _misspelt(token: re.Match[str]) -> Iterator[Edit]:
    """Yields a word with two letters exchanged, one left out, or one doubled."""
    word, (start, end) = token.group(), token.span()
    for at in range(len(word)):
        two = word[at : at + 2]
        if len(two) == 2 and two[0] != two[1]:
            yield Edit(start, end, word[:at] + two[::-1] + word[at + 2 :])
        if len(word) > _LONGEST_OF_ONE_LETTER:
            yield Edit(start, end, word[:at] + word[at + 1 :])
            yield Edit(start, end, word[:at] + word[at] + word[at:])


def _unclosed_string(code: str) -> Iterator[Edit]:
    for token in _tokens(code, "string"):
        if token.group().endswith('"""'):
            yield Edit(token.end() - 3, token.end(), "")
            continue
        yield Edit(token.end() - 1, token.end(), "")
        yield Edit(token.end() - 1, token.end(), "'" if token.group().endswith('"') else '"')
        opening = token.start() + len(token.group()) - len(token.group().lstrip("rbf"))
        yield Edit(opening, opening + 1, "")


def _missing_comma(code: str) -> Iterator[Edit]:
    for token in _tokens(code, "operator"):
        if token.group() == ",":
            yield Edit(token.start(), token.end(), "")


def _other_language(code: str) -> Iterator[Edit]:
    for token in _tokens(code, "name", "operator"):
        for new in _FOREIGN.get(token.group(), ()):
            yield Edit(token.start(), token.end(), new)
    for line in _lines(code):
        if step := re.search(r" ([+-])= 1$", line.text):
            yield Edit(line.start + step.start(), line.end, step[1] * 2)
        if simple := re.match(r"\s+(?=\w+ = )", line.text):
            yield Edit(line.start + simple.end(), line.start + simple.end(), "let ")
        if loop := re.match(r"\s+for \w+ (?=in )", line.text):
            yield Edit(line.start + loop.end(), line.start + loop.end() + 2, "of")


BREAKS: dict[str, Break] = {
    "missing colon": _missing_colon,
    "bracket dropped": _bracket_dropped,
    "bracket added": _bracket_added,
    "wrong bracket": _wrong_bracket,
    "lost indentation": _lost_indentation,
    "added indentation": _added_indentation,
    "tab among blanks": _tab,
    "`=` for `==`": _equals,
    "print statement": _print_statement,
    "misspelt keyword": _misspelt_keyword,
    "misspelt builtin": _misspelt_builtin,
    "unclosed string": _unclosed_string,
    "missing comma": _missing_comma,
    "other language": _other_language,
}
"""The places of each kind of break; not every edit makes a program that fails."""
