"""Texts of a program that may be shown, and what stands for those that may not."""

from __future__ import annotations

import ast
import re

from services.judge.vocabulary import MAX_WORDS, addresses_a_judge, words_of

MAX_PLAIN_CHARACTERS = 20
MAX_PHRASE_CHARACTERS = 80
"""Of a text that the task has, or of a pattern of character classes alone."""
MAX_STATEMENT_CHARACTERS = 200
MAX_SHOWN = 40
"""Texts with letters that a program may show, other than literals of the task's own code."""
MAX_SHOWN_TOGETHER = 5
"""The same in one statement; where there are more, none is shown."""
_MAX_LOOKUPS = 1_000

PLACEHOLDER = re.compile(r"<(?:text of \d{1,7} characters|number|long number)>")
_QUOTED = re.compile(r"""'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*\"""")
_IDENTIFIER = re.compile(r"[^\W\d]\w*")
_DIGITS = re.compile(r"\d{1,20}")
_DIRECTIVE = re.compile(r"%[-+ #0-9.]*[A-Za-z]|\{[^\W\d_]?\}")
_CLASSES = re.compile(r"a-z|A-Z|a-f|A-F|\\[AZbBdDsSwW]")
_LETTERS = re.compile(r"[A-Za-z]+")
_OPENING = re.compile(r"[A-Za-z]\s*:\s*$")
_SPACES = re.compile(r"\s+")
_SQL_LIST = """
select insert update delete create drop alter replace with from into where and or not in is null like values set
order by group having limit offset join left inner outer on as distinct count sum min max avg table index if exists
primary key integer text real asc desc union all between case when then else end unique default pragma
"""
_SQL = frozenset(_SQL_LIST.split())
_VERBS = re.compile(r"\s*(?:select|insert|update|delete|create|drop|alter|replace|with)\b", re.IGNORECASE)


class Trusted:
    """What the task's author wrote, and so may be shown wherever it stands.

    Args:
        text: Description and code of the task.
    """

    def __init__(self, text: str) -> None:
        self.names = frozenset(_IDENTIFIER.findall(text))
        self.literals = frozenset(filter(None, map(_value, _QUOTED.findall(text))))
        self.numbers = frozenset(_DIGITS.findall(text))
        self._prose = f" {_SPACES.sub(' ', text)} "
        self._lookups = 0

    def holds(self, text: str) -> bool:
        """Whether a phrase occurs in the text, from one end of a word to another."""
        phrase = _SPACES.sub(" ", text).strip()
        if not phrase or len(phrase) > MAX_PHRASE_CHARACTERS or self._lookups >= _MAX_LOOKUPS:
            return False
        if not self.names.issuperset(_IDENTIFIER.findall(phrase)):
            return False
        self._lookups += 1
        return re.search(rf"(?<!\w){re.escape(phrase)}(?!\w)", self._prose) is not None


def is_free(text: str, trusted: Trusted) -> bool:
    """Whether a text may be shown any number of times."""
    if text in trusted.literals or PLACEHOLDER.fullmatch(text):
        return True
    if len(text) > MAX_PLAIN_CHARACTERS or not _is_printable(text) or any(map(str.isalpha, text)):
        return False
    return not addresses_a_judge(text)


def shown(text: str, trusted: Trusted, wary: bool = False) -> str:
    """Returns a text as it may be shown: itself, its gist, or a placeholder.

    Args:
        text: The text.
        trusted: What the task's author wrote.
        wary: Whether one word of praise is too many.
    """
    if is_free(text, trusted) or _is_plain(text, wary) or _is_pattern(text) or trusted.holds(text):
        return text
    return _statement(text, trusted) if _VERBS.match(text) else placeholder(text)


def placeholder(text: str) -> str:
    """Returns what stands for a text."""
    return f"<text of {len(text)} characters>"


def _is_plain(text: str, wary: bool) -> bool:
    """Whether a text is a single word, a separator or a format."""
    if len(text) > MAX_PLAIN_CHARACTERS or not _is_printable(text):
        return False
    bare = _DIRECTIVE.sub("", text)
    if _OPENING.search(bare):
        return False
    one_word = len(_LETTERS.findall(bare)) <= 1 or _SPACES.search(bare.strip()) is None
    return one_word and len(words_of(bare)) <= MAX_WORDS and not addresses_a_judge(text, wary)


def _is_pattern(text: str) -> bool:
    """Whether a text is a regular expression without a letter of its own."""
    return len(text) <= MAX_PHRASE_CHARACTERS and _is_printable(text) and not _LETTERS.search(_CLASSES.sub("", text))


def _is_printable(text: str) -> bool:
    return text.isascii() and all(character.isprintable() or character in "\t\n\r" for character in text)


def _statement(text: str, trusted: Trusted) -> str:
    """Returns a statement of SQL without the words that are neither SQL's nor the task's."""

    def known(match: re.Match[str]) -> str:
        word = match.group()
        if word.lower() in _SQL or (word in trusted.names and not addresses_a_judge(word)):
            return word
        return "x"

    cut = text[:MAX_STATEMENT_CHARACTERS]
    masked = re.sub(r"\w+", known, cut) if cut.isascii() else placeholder(text)
    return masked if len(text) == len(cut) else placeholder(text)


def _value(quoted: str) -> str:
    try:
        value = ast.literal_eval(quoted)
    except (ValueError, SyntaxError):
        return ""
    return value if isinstance(value, str) else ""
