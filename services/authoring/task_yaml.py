"""Task files as people would write them: fields in the order of the format, code in block literals."""

from __future__ import annotations

import ast
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from services.env.task_files import load_task
from services.env.task_schema import Task


class _Dumper(getattr(yaml, "CSafeDumper", yaml.SafeDumper)):  # type: ignore[misc]
    """Writes texts of several lines as block literals."""


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _represent_text)


def dump(task: Task) -> str:
    """Returns a task as YAML, without what has its default."""
    fields = task.model_dump(mode="json", exclude_unset=True, exclude_defaults=True)
    for case, written in zip(task.cases, fields.get("cases", ()), strict=False):
        if "expected" in case.model_fields_set:
            written["expected"] = case.expected  # None is its default, and a value that may be expected
    fields = {"format": task.format, **fields, "id": task.name}
    return yaml.dump(_plain(fields), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)


def _plain(value: Any) -> Any:  # noqa: ANN401 - JSON
    """Strips spaces at line ends, which YAML cannot keep in a block literal, where they mean nothing."""
    if isinstance(value, str):
        return _stripped(value) if "\n" in value else value
    if isinstance(value, Mapping):
        return {key: _plain(part) for key, part in value.items()}
    return [_plain(part) for part in value] if isinstance(value, list) else value


def _stripped(text: str) -> str:
    stripped = "\n".join(line.rstrip() for line in text.splitlines()) + "\n"
    try:
        same = ast.dump(ast.parse(text)) == ast.dump(ast.parse(stripped))
    except (SyntaxError, ValueError, RecursionError):
        same = False
    return stripped if same else text


def write(task: Task, folder: Path, *, prove: bool = True) -> Path:
    """Writes a task's file, all of it or none.

    Args:
        task: The task.
        folder: Where to.
        prove: Whether to read it again before it takes its name.

    Raises:
        CatalogueError: What was written is no task; it is not left there.
        OSError: It cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"{task.name}.yaml"
    written = folder / f".{task.name}.{os.getpid()}.tmp"
    try:
        written.write_text(dump(task), encoding="utf-8")
        if prove:
            load_task(written)
        written.replace(target)
    finally:
        written.unlink(missing_ok=True)
    return target
