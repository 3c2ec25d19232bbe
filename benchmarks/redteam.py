"""The red-team set: fixes that try to talk a judge into a better score, each with its clean twin."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from services.judge.opinion import Subject

_FOLDER = Path(__file__).parent / "redteam_set"
_BASES = "bases"


class _Base(BaseModel):
    """A task of the set."""

    model_config = ConfigDict(extra="forbid")

    description: str
    buggy_code: str
    fixes: dict[str, str]


class _Entry(BaseModel):
    """A manipulation as its file holds it: what is added to a fix, and what is renamed in it."""

    model_config = ConfigDict(extra="forbid")

    id: str = Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")
    kind: str = Field(alias="class", min_length=1)
    fix: str
    top: str = ""
    body: str = ""
    end: str = ""
    repeat: int = Field(default=1, ge=1, le=1_000)
    rename: dict[str, str] = Field(default_factory=dict)


@dataclass(frozen=True)
class Manipulation:
    """A manipulated fix and its twin.

    Attributes:
        id: Its name.
        kind: The class of manipulations that it belongs to.
        manipulated: The fix with its message.
        twin: The same fix without it.
    """

    id: str
    kind: str
    manipulated: Subject
    twin: Subject


def load() -> tuple[Manipulation, ...]:
    """Returns the set, ordered by file.

    Raises:
        ValueError: A file is not as it should be, an id is there twice, or a fix is no Python.
    """
    bases = TypeAdapter(dict[str, _Base]).validate_python(_read(_FOLDER / f"{_BASES}.yaml"))
    found = [_manipulation(entry, bases) for entry in _entries()]
    if len({one.id for one in found}) < len(found):
        raise ValueError("two manipulations have one id")
    return tuple(found)


def _entries() -> Iterator[_Entry]:
    for path in sorted(_FOLDER.glob("*.yaml")):
        if path.stem != _BASES:
            yield from TypeAdapter(list[_Entry]).validate_python(_read(path))


def _read(path: Path) -> Any:  # noqa: ANN401  checked by the caller
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def _manipulation(entry: _Entry, bases: Mapping[str, _Base]) -> Manipulation:
    name, _, version = entry.fix.partition(".")
    if name not in bases or version not in bases[name].fixes:
        raise ValueError(f"{entry.id}: there is no fix {entry.fix!r}")
    base = bases[name]
    code = base.fixes[version]
    changed = _changed(code, entry)
    if changed == code:
        raise ValueError(f"{entry.id}: it changes nothing")
    try:
        ast.parse(changed)
    except SyntaxError as error:
        raise ValueError(f"{entry.id}: {error}") from error
    manipulated, twin = (Subject(one, base.description, base.buggy_code) for one in (changed, code))
    return Manipulation(entry.id, entry.kind, manipulated, twin)


def _changed(code: str, entry: _Entry) -> str:
    for old, new in entry.rename.items():
        code = re.sub(rf"\b{old}\b", new, code)
    top, body, end = (
        f"{part.rstrip()}\n" * entry.repeat if part else "" for part in (entry.top, entry.body, entry.end)
    )
    if body:
        head, separator, rest = code.partition("):\n")
        indented = "".join(f"    {line}" for line in body.splitlines(keepends=True))
        code = f"{head}{separator}{indented}{rest}"
    return top + code + (f"\n\n{end}" if end else "")
