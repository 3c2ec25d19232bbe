"""A compact notation of a fix: the lines that change, instead of the whole program.

It is what a tiny model writes, whose programs come as numbered lines. A line of an edit is one of ::

    4|    return total      line 4 becomes this
    4+    total += 1        this line follows line 4
    4-                      line 4 goes

Numbers are those of the program as it was. Line 0 precedes the first.
"""

from __future__ import annotations

import re
from difflib import SequenceMatcher
from typing import Final

_LINE: Final = re.compile(r"(\d{1,4})([|+-])(.*)")


def numbered(program: str) -> str:
    """Returns a program with a number before each of its lines."""
    return "".join(f"{number}|{line}\n" for number, line in enumerate(program.splitlines(), start=1))


def edit(before: str, after: str) -> str:
    """Returns the edit that makes one program of another."""
    old, new = before.splitlines(), after.splitlines()
    changes = []
    for kind, start, end, new_start, new_end in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if kind == "equal":
            continue
        both = min(end - start, new_end - new_start)
        changes += [f"{start + place + 1}|{new[new_start + place]}" for place in range(both)]
        changes += [f"{number + 1}-" for number in range(start + both, end)]
        changes += [f"{end}+{line}" for line in new[new_start + both : new_end]]
    return "\n".join(changes)


def apply(program: str, text: str) -> str:
    """Returns a program with an edit applied; "" if the text is none, or names a line that the program has not."""
    lines = program.splitlines()
    replaced: dict[int, str | None] = {}
    added: dict[int, list[str]] = {}
    for change in text.strip("\n").split("\n"):
        found = _LINE.fullmatch(change)
        if found is None:
            return ""
        number, kind, line = int(found[1]), found[2], found[3]
        if number > len(lines) or (number == 0 and kind != "+") or (kind == "-" and line):
            return ""
        if kind == "+":
            added.setdefault(number, []).append(line)
        else:
            replaced[number] = None if kind == "-" else line
    edited = list(added.get(0, []))
    for number, old in enumerate(lines, start=1):
        line = replaced.get(number, old)
        edited += [] if line is None else [line]
        edited += added.get(number, [])
    return "".join(f"{line}\n" for line in edited)
