"""The working functions that are broken."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

_FILE = Path(__file__).with_name("functions.yaml")


@dataclass(frozen=True, slots=True)
class Function:
    """A working program of one or two functions.

    Attributes:
        id: Its name.
        code: The source.
        checks: Expressions whose values tell whether a program does the same.
    """

    id: str
    code: str
    checks: tuple[str, ...]


@cache
def functions() -> tuple[Function, ...]:
    """Returns all of them, in the order of the file."""
    entries = yaml.safe_load(_FILE.read_text(encoding="utf-8"))
    return tuple(Function(entry["id"], entry["code"], tuple(entry["checks"])) for entry in entries)
