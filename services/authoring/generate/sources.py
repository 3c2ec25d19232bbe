"""Whence generated tasks come: the tasks of a catalogue, or a file of tested functions."""

from __future__ import annotations

import ast
import doctest
from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from services.env.catalogue import load_catalogue
from services.env.task_files import CatalogueError, Problem
from services.env.task_schema import Difficulty, Task

_MAX_FILE_BYTES = 262_144


def load_sources(paths: Sequence[Path]) -> list[Task]:
    """Returns the tasks into whose references bugs may be planted, ordered by id.

    Args:
        paths: Task files and folders of them, and Python files. A Python file is tested by the file test_NAME.py beside
            it, in unittest's or pytest's style, or by its own doctests.

    Raises:
        CatalogueError: A file is no task, or a Python file has no tests.
    """
    modules = [path for path in paths if path.suffix == ".py"]
    others = [path for path in paths if path.suffix != ".py"]
    found = [_module(path) for path in modules]
    if others:
        found += load_catalogue(others)
    return sorted(found, key=lambda task: task.id)


def _module(file: Path) -> Task:
    try:
        source = _text(file)
        tests = file.with_name(f"test_{file.name}")
        style = "functions" if tests.exists() else "asserts"
        hidden = _text(tests) if tests.exists() else _doctests(source)
        functions = [node.name for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)]
    except (OSError, SyntaxError, ValueError) as error:
        raise CatalogueError([Problem(file, getattr(error, "lineno", None) or 1, "", str(error))]) from error
    if not hidden or not functions:
        why = "defines no function" if not functions else f"has no tests: add {tests.name} beside it, or doctests"
        raise CatalogueError([Problem(file, 1, "", why)])
    try:
        return Task.model_validate(
            {
                "id": file.stem,
                "title": file.name,
                "category": "own",
                "difficulty": Difficulty.MEDIUM,
                "function": functions[0],
                "description": ast.get_docstring(ast.parse(source))
                or f"The functions of {file.name}, as their tests say.",
                "bug": "None.",
                "buggy_code": source,
                "reference": source,
                "tests": {"style": style, "module": file.stem, "hidden": hidden},
            }
        )
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        raise CatalogueError([Problem(file, 1, ".".join(map(str, first["loc"])), first["msg"])]) from error


def _text(file: Path) -> str:
    if file.stat().st_size > _MAX_FILE_BYTES:
        raise ValueError(f"is larger than {_MAX_FILE_BYTES} bytes")
    return file.read_text(encoding="utf-8")


def _doctests(source: str) -> str:
    """Returns the examples in a module's docstrings as assert statements, as far as their results are literals."""
    lines = []
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Module | ast.FunctionDef) or not (text := ast.get_docstring(node)):
            continue
        for example in doctest.DocTestParser().get_examples(text):
            try:
                wanted = ast.literal_eval(example.want.strip())
                call = ast.unparse(ast.parse(example.source.strip(), mode="eval").body)
            except (ValueError, SyntaxError):
                continue
            lines.append(f"assert {call} == {wanted!r}\n")
    return "".join(lines)
