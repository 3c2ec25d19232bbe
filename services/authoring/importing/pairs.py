"""Tasks from files: a module with a bug, the same module mended, and its tests in unittest's or pytest's style."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from services.authoring.importing.entries import DataSet, Entry, SourceError, Unusable
from services.env.task_schema import Task

_BUG, _FIXED = "bug.py", "fixed.py"
_MAX_FILE_BYTES = 1 << 20


def _convert(fields: Mapping[str, Any]) -> Task:
    name, bug, fixed, tests = (fields[field] for field in ("name", "bug", "fixed", "tests"))
    try:
        defined = {node.name: ast.dump(node) for node in ast.parse(fixed).body if isinstance(node, ast.FunctionDef)}
        beside: Mapping[str, str] = fields.get("modules", {})
        module = _module(ast.parse(tests), beside)
    except SyntaxError as error:
        raise Unusable(f"does not compile: {error.msg} (line {error.lineno})") from error
    if not defined:
        raise Unusable(f"{_FIXED} defines no function; tests of classes cannot be imported")
    slug = re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-")[:80] or "pair"
    function = _changed(bug, defined) or next(iter(defined))
    return Task.model_validate(
        {
            "id": f"pair-{slug}",
            "title": name[:200],
            "category": "pairs",
            "difficulty": "medium",
            "function": function,
            "description": (ast.get_docstring(ast.parse(fixed)) or f"The module {module}: make its tests pass.") + "\n",
            "bug": f"What {_BUG} and {_FIXED} differ by.",
            "origin": name[:500],
            "buggy_code": bug,
            "reference": fixed,
            **({"modules": dict(beside)} if beside else {}),
            "tests": {"style": "functions", "module": module, "hidden": tests},
        }
    )


def _changed(bug: str, fixed: Mapping[str, str]) -> str | None:
    """Returns the first function that the bug is in."""
    try:
        buggy = {node.name: ast.dump(node) for node in ast.parse(bug).body if isinstance(node, ast.FunctionDef)}
    except SyntaxError:
        return None
    return next((name for name, dump in fixed.items() if buggy.get(name) != dump), None)


def _module(tests: ast.Module, beside: Mapping[str, str]) -> str:
    """Returns the name by which the tests import what they test: "bug" or "fixed" if they do, else their first own."""
    names = []
    for node in ast.walk(tests):
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.append(node.module)
        elif isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
    known = sys.stdlib_module_names | {"pytest", *beside}
    foreign = [name for name in names if name.partition(".")[0] not in known]
    if not foreign:
        raise Unusable("its tests import no module to test")
    return next((name for name in foreign if name in ("bug", "fixed")), foreign[0])


def _read_folder(folder: Path) -> list[Entry]:
    folder = folder.resolve()
    folders = [folder] if (folder / _BUG).exists() else sorted(path for path in folder.iterdir() if path.is_dir())
    entries = [_entry(path) for path in folders if (path / _BUG).exists()]
    if not entries:
        raise SourceError(f"{folder} holds no {_BUG} with {_FIXED} and test_*.py beside it, nor folders that do")
    return entries


def _entry(folder: Path) -> Entry:
    tests = sorted(folder.glob("test_*.py"))
    if not tests or not (folder / _FIXED).exists():
        return Entry(folder.name, 0, None, f"there is no {'test_*.py' if not tests else _FIXED} beside {_BUG}")
    if len(tests) > 1:
        return Entry(folder.name, 0, None, "there are several test_*.py; a pair has one")
    files = {"bug": folder / _BUG, "fixed": folder / _FIXED, "tests": tests[0]}
    known = {*files.values(), folder / "conftest.py", folder / "__init__.py"}
    files |= {file.stem: file for file in sorted(folder.glob("*.py")) if file not in known}
    try:
        if large := [file for file in files.values() if file.stat().st_size > _MAX_FILE_BYTES]:
            return Entry(folder.name, 0, None, f"{large[0].name} is larger than {_MAX_FILE_BYTES} bytes")
        texts = {name: file.read_text(encoding="utf-8") for name, file in files.items()}
    except (OSError, UnicodeDecodeError) as error:
        return Entry(folder.name, 0, None, f"cannot be read: {error}")
    fields = {name: texts.pop(name) for name in ("bug", "fixed", "tests")}
    return Entry(folder.name, 0, {"name": folder.name, **fields, "modules": texts})


PAIRS = DataSet("pytest", "name", ("name", "bug", "fixed", "tests"), _convert, _read_folder)
