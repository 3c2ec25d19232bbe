"""Programs and explanations in the free text of a model's reply.

The text is hostile and is read on the event loop: every step takes time that grows with its length alone, and no
Python is parsed.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

_MAX_EXPLANATIONS = 10
_MAX_EXPLANATION_CHARACTERS = 300
_LANGUAGES = frozenset({"", "py", "py3", "python", "python3", "text", "txt", "plaintext"})
_MAX_FURTHER_INDENT = 3
_CODE_KEYS = ("code", "fixed_code", "fix")

_FENCE = re.compile(r"([ \t]*)(`{3,}|~{3,})[ \t]*(.*)")
_LANGUAGE = re.compile(r"\{?[ \t]*\.?([\w+-]*)")
_THOUGHT = re.compile(r"\s*<(think|thinking|reasoning)>")
_END_OF_THOUGHT = re.compile(r"^[ \t]*</(?:think|thinking|reasoning)>", re.MULTILINE)
_CHANGE = re.compile(r"^[-*\s]*change:[ \t]*(\S.*)$", re.IGNORECASE)
_DEFINITION = re.compile(r"^[ \t]*(?:async[ \t]+)?(?:def|class)[ \t]+(\w+)", re.MULTILINE)
_BEGIN = re.compile(
    r"(?:async )?def \w+ *\(|class \w+ *[:(]|import [\w.]+ *(?:$|,|as |#)|from [\w.]+ import |@\w[\w.]*(?:\(|$)|#!"
)
_BEGIN_OF_REPLY = re.compile(r"#|\"\"\"|'''|[A-Za-z_]\w* *=[^=]")


@dataclass(frozen=True)
class _Block:
    language: str
    body: str
    is_closed: bool


def extract_code(text: str, original: str = "") -> str:
    """Returns the program in a model's reply; "" if it holds none.

    Thoughts before the answer are dropped. Of fenced blocks in Python or in no language, those count that define most
    of the original's functions and classes, and of these the last; where none is defined, the longest block. Without a
    fenced block the reply may be a JSON object with the program as "code", or begin with the program itself, after
    some prose or none.

    Args:
        text: The reply.
        original: The program that was to be repaired.
    """
    answer = _without_thoughts(text.replace("\r\n", "\n").replace("\r", "\n"))
    if (program := _from_json(answer)) is not None:
        answer = program
    blocks = _blocks(answer)
    if not blocks:
        return _tidy(answer) if program is not None else _bare(answer)
    usable = [block for block in blocks if block.language in _LANGUAGES and block.body.strip()]
    closed = [block.body for block in usable if block.is_closed]
    if bodies := closed or [block.body for block in usable]:
        return _tidy(_best(bodies, original))
    found = (_from_json(block.body) for block in blocks if block.language == "json")
    return _tidy(next((code for code in found if code), ""))


def extract_explanations(text: str) -> tuple[str, ...]:
    """Returns the lines of a reply that begin with "Change:", without that."""
    found: list[str] = []
    for line in _without_thoughts(text).splitlines():
        if (change := _CHANGE.match(line)) is not None:
            found.append(" ".join(change.group(1).split())[:_MAX_EXPLANATION_CHARACTERS])
        if len(found) == _MAX_EXPLANATIONS:
            break
    return tuple(found)


def _without_thoughts(text: str) -> str:
    """Returns what follows the thoughts, whose opening tag may be part of the prompt; "" if they do not end."""
    ends = list(_END_OF_THOUGHT.finditer(text))
    if (begin := _THOUGHT.match(text)) is not None:
        inline = text.find(f"</{begin.group(1)}>")
        if inline < 0:
            return ""
        return text[inline + len(begin.group(1)) + 3 :]
    return text[ends[-1].end() :] if ends else text


def _from_json(text: str) -> str | None:
    """Returns the program of a JSON object that holds one."""
    if not text.lstrip().startswith("{"):
        return None
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return None
    values = [document[key] for key in _CODE_KEYS if key in document] if isinstance(document, dict) else []
    return next((value.replace("\r\n", "\n") for value in values if isinstance(value, str)), None)


def _blocks(text: str) -> list[_Block]:
    """Returns the fenced blocks, without the indentation of their fences."""
    blocks: list[_Block] = []
    body: list[str] = []
    opened: re.Match[str] | None = None
    for line in text.split("\n"):
        fence = _FENCE.fullmatch(line)
        if opened is None:
            if fence is not None and "`" not in fence.group(3):
                opened, body = fence, []
        elif fence is not None and _closes(fence, opened):
            blocks.append(_block(opened, body, is_closed=True))
            opened = None
        else:
            body.append(line)
    if opened is not None:
        last = body[-1].rstrip() if body else ""
        ends_in_line = last.endswith(opened.group(2))
        if ends_in_line:
            body[-1] = last.removesuffix(opened.group(2))
        blocks.append(_block(opened, body, is_closed=ends_in_line))
    return blocks


def _closes(fence: re.Match[str], opened: re.Match[str]) -> bool:
    """Returns whether a fence ends a block; one that is indented further, as in a docstring, is part of it."""
    if len(fence.group(1)) > len(opened.group(1)) + _MAX_FURTHER_INDENT:
        return False
    return fence.group(2).startswith(opened.group(2)) and not fence.group(3).strip()


def _block(opened: re.Match[str], body: list[str], *, is_closed: bool) -> _Block:
    indent, info = opened.group(1), opened.group(3)
    language = _LANGUAGE.match(info)
    lines = [line.removeprefix(indent) for line in body]
    return _Block(language.group(1).lower() if language else "", "\n".join(lines), is_closed)


def _best(bodies: list[str], original: str) -> str:
    """Returns the body that is most likely the repaired program; one that quotes the original only if it is alone."""
    others = [body for body in bodies if body.strip() != original.strip()] or bodies
    wanted = set(_DEFINITION.findall(original))
    counts = [len(wanted & set(_DEFINITION.findall(body))) for body in others]
    if not any(counts):
        return max(others, key=len)
    return next(body for body, count in zip(reversed(others), reversed(counts), strict=True) if count == max(counts))


def _bare(text: str) -> str:
    """Returns the program of a reply without fences, from its first line to the explanations."""
    lines = text.strip("\n").split("\n")
    if not _BEGIN_OF_REPLY.match(lines[0].lstrip()):
        begin = next((number for number, line in enumerate(lines) if _BEGIN.match(line)), None)
        if begin is None:
            return ""
        lines = lines[begin:]
    end = next((number for number, line in enumerate(lines) if _CHANGE.match(line)), len(lines))
    return _tidy("\n".join(lines[:end]))


def _tidy(code: str) -> str:
    stripped = code.strip("\n").rstrip()
    return stripped + "\n" if stripped else ""
