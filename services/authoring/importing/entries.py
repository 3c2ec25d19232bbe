"""Entries of a data set: read one by one, converted or dropped with a reason."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from pydantic import ValidationError

from services.env.task_schema import Task

MAX_LINE_BYTES = 1 << 20
MAX_ENTRIES = 100_000
MAX_ARRAY_BYTES = 256 << 20


class SourceError(ValueError):
    """A source is missing, or is no data set of this kind."""


class Unusable(ValueError):
    """An entry cannot become a task; the message says why."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a data set.

    Attributes:
        name: What the data set calls it.
        line: Where it is, from 1; 0 where it is a file of its own.
        fields: What it holds; None if it cannot be read.
        problem: Why it cannot be read.
    """

    name: str
    line: int
    fields: Mapping[str, Any] | None
    problem: str = ""

    @property
    def digest(self) -> str:
        """SHA-256 of its content, as 64 hex digits."""
        return hashlib.sha256(json.dumps(self.fields, sort_keys=True, default=str).encode()).hexdigest()


Convert = Callable[[Mapping[str, Any]], Task]


@dataclass(frozen=True, slots=True)
class DataSet:
    """How one data set is read.

    Attributes:
        name: Its name on the command line.
        name_field: The field that names an entry.
        required: Fields without which an entry is none.
        also_called: What another release of the data set calls a field.
        convert: Makes a task of an entry's fields, or raises `Unusable` or pydantic's ValidationError.
        read_folder: Reads entries from a folder, where the data set may be one.
    """

    name: str
    name_field: str
    required: Sequence[str]
    convert: Convert
    read_folder: Callable[[Path], list[Entry]] | None = None
    also_called: Mapping[str, str] = field(default_factory=dict)

    def read(self, source: Path) -> list[Entry]:
        """Returns every entry of a source.

        Raises:
            SourceError: There is no such file or folder, or nothing in it is an entry.
        """
        if source.is_dir():
            if self.read_folder is None:
                raise SourceError(f"{source} is a folder; {self.name} is a JSONL file")
            entries = self.read_folder(source)
        else:
            entries = list(self._lines(source))
        if not entries:
            raise SourceError(f"{source} is empty")
        if all(entry.fields is None for entry in entries):
            shown = "; ".join(f"line {entry.line}: {entry.problem}" for entry in entries[:3])
            raise SourceError(f"{source} is no {self.name} data set: {shown}")
        return entries

    def _lines(self, source: Path) -> Iterator[Entry]:
        try:
            with source.open("rb") as file:
                found = _array(file) if _is_array(file) else _lines(file)
                for count, (number, line) in enumerate(found):
                    if count == MAX_ENTRIES:
                        raise SourceError(f"{source} has more than {MAX_ENTRIES} entries")
                    yield self._entry(number, line)
        except OSError as error:
            raise SourceError(f"{source}: {error.strerror or error}") from error

    def _entry(self, number: int, line: bytes) -> Entry:
        name = f"line {number}"
        if len(line) > MAX_LINE_BYTES:
            return Entry(name, number, None, f"longer than {MAX_LINE_BYTES} bytes")
        try:
            fields = json.loads(line)
        except (ValueError, RecursionError) as error:
            return Entry(name, number, None, f"is not JSON: {error}")
        if not isinstance(fields, dict):
            return Entry(name, number, None, "is not a JSON object")
        for name_here, other in self.also_called.items():
            if name_here not in fields and other in fields:
                fields[name_here] = fields[other]
        name = printable(str(fields.get(self.name_field, name)))
        if missing := [field for field in self.required if not isinstance(fields.get(field), str)]:
            return Entry(name, number, None, f"lacks the field{'s' * (len(missing) > 1)} {', '.join(missing)}")
        return Entry(name, number, fields)

    def task(self, entry: Entry) -> Task:
        """Returns an entry as a task.

        Raises:
            Unusable: It cannot become one.
        """
        if entry.fields is None:
            raise Unusable(entry.problem)
        try:
            return self.convert(entry.fields)
        except ValidationError as error:
            problem = error.errors(include_url=False, include_input=False, include_context=False)[0]
            place = ".".join(map(str, problem["loc"]))
            raise Unusable(f"{place}: {problem['msg'].removeprefix('Value error, ')}") from error
        except Unusable:
            raise
        except (ValueError, RecursionError, MemoryError) as error:  # what ast makes of NUL, surrogates and deep nesting
            raise Unusable(f"cannot be read as Python: {error}") from error


def printable(text: str) -> str:
    """Returns a text of a data set as it may be shown: cut to 200 characters, what does not print as an escape."""
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text[:200])


def _is_array(file: IO[bytes]) -> bool:
    """Whether a file is one JSON array of objects, and not one object a line."""
    start = file.read(4096).lstrip(b"\xef\xbb\xbf \t\r\n")
    file.seek(0)
    return start.startswith(b"[") and start[1:].lstrip().startswith(b"{")


def _lines(file: IO[bytes]) -> Iterator[tuple[int, bytes]]:
    """Yields the lines that are not blank, with their numbers; of one that is too long no more than shows that."""
    number = 0
    while line := file.readline(MAX_LINE_BYTES + 1):
        number += 1
        end = line
        while len(end) > MAX_LINE_BYTES and not end.endswith(b"\n"):
            end = file.readline(MAX_LINE_BYTES + 1)
        if line.strip():
            yield number, line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line


def _array(file: IO[bytes]) -> Iterator[tuple[int, bytes]]:
    """Yields the objects of an array, with the numbers of the lines where they begin."""
    content = file.read(MAX_ARRAY_BYTES + 1)
    if len(content) > MAX_ARRAY_BYTES:
        raise SourceError(f"an array of more than {MAX_ARRAY_BYTES} bytes; give one object a line")
    text = content.decode(errors="replace")
    decoder, place, number = json.JSONDecoder(), text.index("[") + 1, 1
    counted = 0
    while (start := _skip(text, place)) < len(text) and text[start] != "]":
        number, counted = number + text.count("\n", counted, start), start
        try:
            _, place = decoder.raw_decode(text, start)
        except (ValueError, RecursionError):
            yield number, text[start : start + 1].encode() + b"..."  # is no JSON, and nor is what follows
            return
        yield number, text[start:place].encode()


def _skip(text: str, place: int) -> int:
    while place < len(text) and text[place] in " \t\r\n,":
        place += 1
    return place
