"""Memories in a file: JSON of version 1, one memory a line, so that a damaged one can be named by its line.

    {"version": 1, "memories": [
    {"task_id": "easy-1", "code": "…", "reward": 0.98, "time_complexity": "O(n)", "create_time": "2026-01-31T12:00Z"},
    {"task_id": "hard-1", "code": "…", "reward": 0.91, "time_complexity": "", "create_time": null}
    ]}

`time_complexity` and `create_time` may be left out. Any other layout of the same JSON is read as well.
"""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from codearena._files import replacing
from codearena._run_models import Memory

VERSION: Final = 1
MAX_CODE_BYTES: Final = 262_144
MAX_ID_CHARACTERS: Final = 128
_MAX_COMPLEXITY_CHARACTERS = 64
_MAX_DIGITS = 40
_SPACE = re.compile(r"[ \t\n\r]+")
_FIELDS = ("task_id", "code", "reward", "time_complexity", "create_time")


class MemoryFileError(ValueError):
    """A memory file that cannot be used; nothing of it was.

    Attributes:
        path: The file.
        line: The line that is at fault, from 1.
        problem: What is wrong with it.
    """

    def __init__(self, path: str, line: int, problem: str) -> None:
        super().__init__(path, line, problem)
        self.path = path
        self.line = line
        self.problem = problem

    def __str__(self) -> str:
        return f"{self.path}, line {self.line}: {self.problem}"


def read_memory_file(path: str | os.PathLike[str]) -> list[Memory]:
    """Reads memories, such as for `ArenaClient.import_memories`. Checks all of them before it returns any.

    Args:
        path: A file that `write_memory_file` wrote.

    Raises:
        MemoryFileError: The file is damaged or of another version; it says which line and what is wrong.
        OSError: The file cannot be read.
    """
    data = Path(path).read_bytes()
    name = os.fspath(path)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise MemoryFileError(name, line, f"is not UTF-8: {error.reason}") from error
    reader = _Reader(text)
    try:
        return list(reader.memories())
    except json.JSONDecodeError as error:
        raise MemoryFileError(name, error.lineno, f"is no JSON: {error.msg}") from error
    except RecursionError as error:
        raise MemoryFileError(name, reader.line, "is nested too deeply") from error
    except ValueError as error:
        raise MemoryFileError(name, reader.line, str(error)) from error


def write_memory_file(path: str | os.PathLike[str], memories: Iterable[Memory]) -> int:
    """Writes memories, such as those of `ArenaClient.list_memories`, in one move: a file that was there stays whole.

    Args:
        path: The file; it is replaced.
        memories: What to write. Where it raises, nothing is written.

    Returns:
        How many there were.

    Raises:
        MemoryFileError: One of them is such that it could not be read again.
        OSError: The file cannot be written.
    """
    count = 0
    with replacing(path) as draft, draft.open("x", encoding="utf-8", newline="\n") as file:
        file.write(f'{{"version": {VERSION}, "memories": [')
        for memory in memories:
            document = _document(memory)
            try:
                _memory(document)
            except ValueError as error:
                raise MemoryFileError(os.fspath(path), count + 2, str(error)) from error
            file.write((",\n" if count else "\n") + json.dumps(document, ensure_ascii=False))
            count += 1
        file.write("\n]}\n")
    return count


class _Reader:
    """Reads a document piece by piece, and knows where it is.

    Args:
        text: The document.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._decoder = json.JSONDecoder(
            parse_int=_integer, parse_constant=_refuse_constant, object_pairs_hook=_without_duplicates
        )

    @property
    def line(self) -> int:
        """The line of what is being read."""
        return self._text.count("\n", 0, self._at) + 1

    def memories(self) -> Iterator[Memory]:
        """Yields the memories of the document. Raises a ValueError about what is at `line`."""
        seen: set[str] = set()
        version: object = None
        for key in self._members("{", "}", self._key):
            if key in seen:
                raise ValueError(f'has "{key}" twice')
            seen.add(key)
            if key == "version":
                version = self._value()
                _check_version(version)
            elif key == "memories":
                if self._peek() != "[":
                    raise ValueError('"memories" must be a list')
                for start, document in self._members("[", "]", self._element):
                    after, self._at = self._at, start
                    yield _memory(document)
                    self._at = after
            else:
                raise ValueError(f'has an unknown key "{key}"')
        if self._peek():
            raise ValueError("has something after its end")
        if missing := {"version", "memories"} - seen:
            raise ValueError(f'lacks "{min(missing)}"')

    def _members(self, first: str, last: str, read: Callable[[], Any]) -> Iterator[Any]:
        """Yields what `read` returns for each member of an object or list, which must be the next value."""
        self._expect(first, 'must be an object with "version" and "memories"')
        if self._peek() == last:
            self._at += 1
            return
        while True:
            yield read()
            if self._peek() == last:
                self._at += 1
                return
            self._expect(",", f"is no JSON: expected , or {last}" + ("" if self._peek() else ", but the file ends"))

    def _key(self) -> str:
        if self._peek() != '"':
            raise ValueError('is no JSON: expected a key in "')
        key = str(self._value())
        self._expect(":", "is no JSON: expected : after a key")
        self._peek()
        return key

    def _element(self) -> tuple[int, object]:
        self._peek()
        start = self._at
        return start, self._value()

    def _value(self) -> object:
        self._peek()
        value, self._at = self._decoder.raw_decode(self._text, self._at)
        return value

    def _expect(self, character: str, problem: str) -> None:
        if self._peek() != character:
            raise ValueError(problem)
        self._at += 1

    def _peek(self) -> str:
        """Skips white space and returns the next character; empty at the end."""
        if (space := _SPACE.match(self._text, self._at)) is not None:
            self._at = space.end()
        return self._text[self._at : self._at + 1]


def _document(memory: object) -> dict[str, object]:
    if not isinstance(memory, Memory):
        raise TypeError(f"memories must be Memory, not {type(memory).__name__}")
    created = memory.created_at
    return {
        "task_id": memory.task_id,
        "code": memory.code,
        "reward": memory.reward,
        "time_complexity": memory.time_complexity,
        "create_time": None if created is None else created.isoformat(),
    }


def _memory(document: object) -> Memory:
    if not isinstance(document, dict):
        raise ValueError(f"a memory must be an object, not {_kind(document)}")
    if missing := [field for field in _FIELDS[:3] if field not in document]:
        raise ValueError(f'a memory lacks "{missing[0]}"')
    if unknown := [field for field in document if field not in _FIELDS]:
        raise ValueError(f'a memory has an unknown key "{unknown[0]}"')
    code = _text(document, "code")
    if not code.strip():
        raise ValueError('"code" is empty')
    if "\0" in code:
        raise ValueError('"code" holds a NUL character')
    if len(code.encode()) > MAX_CODE_BYTES:
        raise ValueError(f'"code" is longer than {MAX_CODE_BYTES} bytes')
    return Memory(
        task_id=_name(document, "task_id", 1, MAX_ID_CHARACTERS),
        code=code,
        reward=_reward(document["reward"]),
        time_complexity=_name(document, "time_complexity", 0, _MAX_COMPLEXITY_CHARACTERS),
        created_at=_time(document.get("create_time")),
    )


def _text(document: dict[str, object], field: str) -> str:
    value = document.get(field, "")
    if not isinstance(value, str):
        raise ValueError(f'"{field}" must be a string, not {_kind(value)}')
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f'"{field}" is not valid Unicode: it holds a lone surrogate') from error
    return value


def _name(document: dict[str, object], field: str, least: int, most: int) -> str:
    value = _text(document, field)
    if not (least <= len(value) <= most and value.isprintable()) or (value and not value.strip()):
        raise ValueError(f'"{field}" must be {least} to {most} printable characters')
    return value


def _reward(value: object) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise ValueError(f'"reward" must be a number, not {_kind(value)}')
    if not 0 <= value <= 1 or math.isnan(value):
        raise ValueError('"reward" must be from 0 to 1')
    return float(value)


def _time(value: object) -> datetime | None:
    if value is None:
        return None
    try:
        moment = datetime.fromisoformat(value if isinstance(value, str) else "")
        if moment.utcoffset() is not None:
            return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise ValueError('"create_time" must be a time with its zone, such as "2026-01-31T12:00:00Z", or null')


def _check_version(version: object) -> None:
    if isinstance(version, bool) or version != VERSION:
        shown = version if isinstance(version, int) else _kind(version)
        raise ValueError(f'"version" is {shown}; this release reads version {VERSION}')


def _kind(value: object) -> str:
    if value is None:
        return "null"
    names = {bool: "a boolean", int: "a number", float: "a number", str: "a string", list: "a list"}
    return names.get(type(value), "an object")


def _integer(digits: str) -> int:
    if len(digits) > _MAX_DIGITS:
        raise ValueError(f"holds a number of {len(digits)} digits")
    return int(digits)


def _refuse_constant(name: str) -> float:
    raise ValueError(f"holds {name}, which is no JSON")


def _without_duplicates(pairs: list[tuple[str, object]]) -> dict[str, object]:
    document = dict(pairs)
    if len(document) != len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f'has "{next(key for key in keys if keys.count(key) > 1)}" twice')
    return document
