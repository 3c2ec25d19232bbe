"""Reading one task file: YAML, bounded, with the line of everything that is wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import yaml
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from services.env.task_parts import FieldError, Model
from services.env.task_schema import FORMAT, Task

M = TypeVar("M", bound=Model)

MAX_FILE_BYTES = 1_048_576
MAX_EXPANDED_NODES = 200_000

_LOADER: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml reads the catalogue ten times as fast, where PyYAML was built with it, and bounds how deep it nests."""


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with a task file.

    Attributes:
        file: The file.
        line: Line in it, from 1.
        field: Path of the field, e.g. "cases[2].call"; empty if it is the file as a whole.
        message: What is wrong.
    """

    file: Path
    line: int
    field: str
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.field + ': ' if self.field else ''}{self.message}"


class CatalogueError(ValueError):
    """Task files are missing or wrong.

    Attributes:
        problems: All that was found, in the order of the files.
    """

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = tuple(problems)


def load_task(file: Path) -> Task:
    """Reads one task file.

    Raises:
        CatalogueError: The file cannot be read, is longer than `MAX_FILE_BYTES`, or is not a valid task.
    """
    return read(file, Task).value


@dataclass(frozen=True, slots=True)
class Document(Generic[M]):
    """A file that was read.

    Attributes:
        file: The file.
        value: What it holds.
        root: Where each field stands in it.
    """

    file: Path
    value: M
    root: yaml.Node | None

    def problem(self, message: str, *location: int | str) -> Problem:
        """Returns what is wrong with a field, with its line; of an absent one the line of what is around it."""
        return Problem(self.file, _line(self.root, location), _field(location), message)


def read(file: Path, kind: type[M]) -> Document[M]:
    """Reads one YAML file as a model; the same bounds hold as for a task.

    Raises:
        CatalogueError: The file cannot be read, is longer than `MAX_FILE_BYTES`, or is not a valid one.
    """
    root, data = _parse(file, _read(file))
    if not isinstance(data, dict):
        raise CatalogueError([Problem(file, 1, "", f"a {kind.__name__.lower()} is a mapping of fields")])
    version = data.get("format")
    if isinstance(version, int) and version > FORMAT:
        message = f"{version} is later than {FORMAT}, the latest that this CodeArena reads"
        raise CatalogueError([Problem(file, _line(root, ("format",)), "format", message)])
    try:
        return Document(file, kind.model_validate(data), root)
    except ValidationError as error:
        raise CatalogueError([_problem(file, root, item) for item in error.errors(include_url=False)]) from error


def _problem(file: Path, root: yaml.Node | None, item: ErrorDetails) -> Problem:
    cause = item.get("ctx", {}).get("error")
    location = item["loc"] + (cause.location if isinstance(cause, FieldError) else ())
    location = location[:-1] if location[-1:] == ("[key]",) else location
    return Problem(file, _line(root, location), _field(location), item["msg"].removeprefix("Value error, "))


def _read(file: Path) -> str:
    try:
        with file.open("rb") as stream:
            content = stream.read(MAX_FILE_BYTES + 1)
        if len(content) > MAX_FILE_BYTES:
            raise CatalogueError([Problem(file, 1, "", f"larger than {MAX_FILE_BYTES} bytes")])
        return content.decode()
    except OSError as error:
        raise CatalogueError([Problem(file, 1, "", error.strerror or str(error))]) from error
    except UnicodeDecodeError as error:
        raise CatalogueError([Problem(file, 1, "", "is not UTF-8")]) from error


def _parse(file: Path, text: str) -> tuple[yaml.Node | None, object]:
    try:
        loader = _LOADER(text)
        root = loader.get_single_node()
        if root is None:
            return None, None
        if _expanded_size(root, {}) > MAX_EXPANDED_NODES:
            raise CatalogueError([Problem(file, 1, "", f"more than {MAX_EXPANDED_NODES} values")])
        _refuse_repeated_keys(file, root)
        return root, loader.construct_document(root)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        raise CatalogueError([Problem(file, line, "", error.problem or "not YAML")]) from error
    except (yaml.YAMLError, ValueError, TypeError, RecursionError) as error:
        if isinstance(error, CatalogueError):
            raise
        raise CatalogueError([Problem(file, 1, "", f"not YAML: {error}")]) from error


def _children(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [child for pair in node.value for child in pair]
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []


def _expanded_size(node: yaml.Node, known: dict[int, int]) -> int:
    """How many nodes there are once every alias is followed; an alias within its own anchor is refused."""
    if id(node) not in known:
        known[id(node)] = MAX_EXPANDED_NODES + 1
        known[id(node)] = 1 + sum(_expanded_size(child, known) for child in _children(node))
    return known[id(node)]


def _refuse_repeated_keys(file: Path, root: yaml.Node) -> None:
    pending, visited = [root], set()
    while pending:
        node = pending.pop()
        if id(node) in visited:
            continue
        visited.add(id(node))
        pending.extend(_children(node))
        keys = [key for key, _ in node.value] if isinstance(node, yaml.MappingNode) else []
        names = [str(key.value) for key in keys]
        for position, (key, name) in enumerate(zip(keys, names, strict=True)):
            if name in names[:position]:
                raise CatalogueError([Problem(file, key.start_mark.line + 1, name, "is given twice")])


def _line(root: yaml.Node | None, location: tuple[int | str, ...]) -> int:
    """The line of a field, or of the closest thing around it that is in the file."""
    node, line = root, 1
    for part in location:
        if isinstance(node, yaml.MappingNode):
            pairs = [(key, value) for key, value in node.value if key.value == part]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            pairs = [(node.value[part], node.value[part])]
        else:
            break
        if not pairs:
            break
        line, node = pairs[0][0].start_mark.line + 1, pairs[0][1]
    return line


def _field(location: tuple[int | str, ...]) -> str:
    parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)
    return "".join(parts).lstrip(".")
