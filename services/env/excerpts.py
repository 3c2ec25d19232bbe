"""Excerpts of what a program said: its own frames, no paths of the host, cut to a bound. Pure.

Every text is hostile: it may be long, hold control characters, or imitate tracebacks. A program that spells a path of
its sandbox in a way of its own, letter by letter say, still gets it through; it could not learn a secret there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

FIX_FILE = "fix.py"
"""The name under which a fix is compiled."""

MAX_FRAMES = 5
"""Frames shown of one text, the last ones. As many as the sandbox sends of one exception."""

MAX_READ_CHARACTERS = 16_384
"""Of one text that are looked at, half from each end: several times what is shown of any."""

_MARKER_ROOM = 48
_CONTROL = {
    code: chr(code).encode("unicode_escape").decode()
    for codes in ((0, 9), (0x0B, 0x20), (0x7F, 0xA0), (0x202A, 0x202F), (0x2066, 0x206A))
    for code in range(*codes)
}
_TERMINAL = re.compile("\x1b\\[[0-?]*[ -/]*[@-~]")
_VALUE = re.compile(r"""[\[({'"\d-]|b['"]|(?:True|False|None|nan|inf)$|(?:frozen)?set\(""")

_FRAME = re.compile(r'(?P<margin>[\s|]*)File "(?P<file>[^"]*)", line \d+(?P<scope>, in .*)?$')
_FRAME_WITHIN = re.compile(r'File \\?"[^"\n/]*/[^"\n]*", line \d+(?:, in [\w<>.]+)?')
_OTHER_CODE = "a frame of other code"

_PART = r"""[^\s'"<>:/()\[\],;|]"""
_PATHS = (
    re.compile(r"""(?P<before>(?P<quote>['"]))/[^'"\n]*/(?P<name>[^'"/\n]*)(?=(?P=quote))"""),
    re.compile(
        r"(?P<before>)(?:(?<![\w./:…])/+|(?<=:)/(?!/)|(?<=file:)//+|(?<=\\[nrt])/+)"
        rf"(?:{_PART}+/)+(?P<name>{_PART}*)"
    ),
)
_CODE_PATH = re.compile(r"\.(?:pyc?|so)\b|/python\d|/site-packages|/lib-dynload")


def said(text: str) -> str:
    """Returns an exception's text or what was printed, as an agent may see it.

    Frames of code other than the fix's are dropped, and all but the last `MAX_FRAMES` of its own; absolute paths keep
    their last part only; control characters are escaped.
    """
    return _without_paths(_own_frames(_plain(text)))


def answered(text: str) -> str:
    """Returns what came back from a call, a value or an exception, as an agent may see it.

    An exception is treated by `said`. Of a value only paths to files of Python are shortened: it stands beside the
    expected one, and a task may well be about paths.
    """
    is_value = _VALUE.match(text) and "\n" not in text
    return _without_paths(_plain(text), code_only=True) if is_value else said(text)


def cut(text: str, characters: int, lines: int) -> str:
    """Returns a text within two bounds; markers in its middle tell how much was left out.

    Args:
        text: Any text.
        characters: How many the result has at most, markers included; at least 100.
        lines: How many lines it has at most, the marker's included; at least 2.
    """
    rows = text.split("\n")
    if len(rows) > lines:
        head, tail = lines // 2, lines - lines // 2 - 1
        marker = f"… {len(rows) - head - tail} lines left out …"
        text = "\n".join([*rows[:head], marker, *rows[len(rows) - tail :]])
    if len(text) <= characters:
        return text
    head = (characters - _MARKER_ROOM) // 2
    tail = characters - _MARKER_ROOM - head
    return f"{text[:head]}… {len(text) - head - tail} characters left out …{text[-tail:]}"


def _plain(text: str) -> str:
    """Returns a text with one kind of line break, without a terminal's colours, other control characters escaped."""
    read = cut(text, MAX_READ_CHARACTERS, MAX_READ_CHARACTERS)
    return "\n".join(_TERMINAL.sub("", read).splitlines()).translate(_CONTROL)


def _own_frames(text: str) -> str:
    if "File" not in text:
        return text
    blocks = list(_blocks(text.split("\n")))
    own = [number for number, (kind, _) in enumerate(blocks) if kind == "own"]
    dropped = {number for number, (kind, _) in enumerate(blocks) if kind == "other"} | set(own[:-MAX_FRAMES])
    rows = [row for number, (_, block) in enumerate(blocks) if number not in dropped for row in block]
    return _FRAME_WITHIN.sub(_OTHER_CODE, "\n".join(rows))


def _blocks(rows: list[str]) -> Iterator[tuple[str, list[str]]]:
    """Yields a text's parts: "own" and "other" frames, each with the lines indented below it, and "text"."""
    position = 0
    while position < len(rows):
        start, found = position, _FRAME.match(rows[position])
        position += 1
        if found is None:
            yield "text", [rows[start]]
            continue
        below = found["margin"] + "  "
        while position < len(rows) and rows[position].startswith(below) and not _FRAME.match(rows[position]):
            position += 1
        yield _kind(found), rows[start:position]


def _kind(frame: re.Match[str]) -> str:
    if frame["file"] == FIX_FILE:
        return "own"
    return "other" if frame["scope"] or "/" in frame["file"] else "text"


def _without_paths(text: str, *, code_only: bool = False) -> str:
    def shortened(found: re.Match[str]) -> str:
        if code_only and not _CODE_PATH.search(found[0]):
            return found[0]
        return f"{found['before']}…/{found['name']}"

    for pattern in _PATHS:
        text = pattern.sub(shortened, text)
    return text
