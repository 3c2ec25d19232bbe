"""QuixBugs (MIT): 40 classic algorithms with one defect in one line each, as JSONL or as the project's own folders.

Source: Lin et al., "QuixBugs: A Multi-Lingual Program Repair Benchmark Set Based on the Quixey Challenge", 2017.
"""

from __future__ import annotations

import ast
import doctest
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from services.authoring.importing.entries import DataSet, Entry, SourceError, Unusable
from services.env.task_schema import Task

_MAX_FILE_BYTES = 1 << 20
_PROGRAMS, _CORRECT, _ROWS, _TESTS = "python_programs", "correct_python_programs", "json_testcases", "python_testcases"
_HELPERS = ("node", "load_testdata", "conftest", "__init__")


def _convert(fields: Mapping[str, Any]) -> Task:
    name = fields["name"]
    if not name.isidentifier():
        raise Unusable(f"name {name[:60]!r} is not that of a function")
    about = str(fields.get("docstring") or "").strip().strip('"').strip()
    return Task.model_validate(
        {
            "id": f"quixbugs-{name}",
            "title": f"QuixBugs: {name}",
            "category": "quixbugs",
            "difficulty": "medium",
            "function": name,
            "description": (about or f"`{name}`, see the code.")[:20_000],
            "bug": "One defect, in one line.",
            "origin": f"QuixBugs, {name}; MIT",
            "buggy_code": fields["buggy_program"],
            "reference": fields["solution"],
            "tests": {
                "style": fields.get("style", "asserts"),
                "visible": "" if fields.get("style") == "functions" else _examples(about, name),
                "hidden": fields["tests"],
            },
        }
    )


def _examples(about: str, name: str) -> str:
    """Returns the examples of a docstring as assert statements, as far as their results are literals."""
    lines = []
    try:
        examples = doctest.DocTestParser().get_examples(about)
    except ValueError:
        return ""
    for example in examples:
        call, wanted = example.source.strip(), example.want.strip()
        try:
            ast.literal_eval(wanted)
            node = ast.parse(call, mode="eval").body
        except (ValueError, SyntaxError):
            continue
        if name in {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}:
            lines.append(f"assert {ast.unparse(node)} == {wanted}\n")
    return "".join(lines)


def _read_folder(folder: Path) -> list[Entry]:
    """Reads a checkout of the project."""
    if missing := [name for name in (_PROGRAMS, _CORRECT) if not (folder / name).is_dir()]:
        raise SourceError(f"{folder} is no checkout of QuixBugs: there is no {missing[0]}/")
    files = sorted((folder / _PROGRAMS).glob("*.py"))
    names = [file.stem for file in files if file.stem not in _HELPERS and not file.stem.endswith("_test")]
    return [_entry_of(folder, name) for name in names]


def _entry_of(folder: Path, name: str) -> Entry:
    try:
        buggy, docstring = _split(_text(folder / _PROGRAMS / f"{name}.py"))
        solution, _ = _split(_text(folder / _CORRECT / f"{name}.py"))
        tests = _tests(folder, name)
    except (OSError, ValueError) as error:
        return Entry(name, 0, None, f"cannot be read: {error}")
    fields = {
        "name": name,
        "buggy_program": buggy,
        "solution": solution,
        "docstring": docstring,
        "tests": tests,
        "style": "functions",
    }
    return Entry(name, 0, fields)


def _text(file: Path) -> str:
    if file.stat().st_size > _MAX_FILE_BYTES:
        raise ValueError(f"{file.name} is larger than {_MAX_FILE_BYTES} bytes")
    return file.read_text(encoding="utf-8")


def _split(source: str) -> tuple[str, str]:
    """Returns a program without the text that stands for its docstring, and that text."""
    tree = ast.parse(source)
    for node in tree.body:
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            lines = source.splitlines(keepends=True)
            rest = lines[: node.lineno - 1] + lines[node.end_lineno :]
            return "".join(rest).strip() + "\n", node.value.value
    return source, ""


def _tests(folder: Path, name: str) -> str:
    rows_file, test_file = folder / _ROWS / f"{name}.json", folder / _TESTS / f"test_{name}.py"
    rows = [json.loads(line) for line in _text(rows_file).splitlines() if line.strip()] if rows_file.exists() else []
    if not test_file.exists():
        if not rows:
            raise ValueError("it has no tests")
        return "".join(f"def test_{n}():\n    assert {name}(*{a!r}) == {e!r}\n" for n, (a, e) in enumerate(rows))
    tree = ast.parse(_text(test_file))
    tree.body = [node for node in tree.body if not _chooses_program(node)]
    parts = ["import pytest\npytest.use_correct, pytest.run_slow = True, False\n", _node_class(folder)]
    if rows:
        parts += [f"def load_json_testcases(name):\n    return {rows!r}\n"]
        tree.body = [_without_rows(node) for node in tree.body]
    given = "testdata" if "testdata" in _assigned(tree) else "load_json_testcases('')"
    parts.append(ast.unparse(tree) + "\n")
    for node in tree.body if rows else []:
        if isinstance(node, ast.FunctionDef) and node.name.startswith("each_"):
            calls = (f"def test_{n}():\n    {node.name}(*{given}[{n}])\n" for n in range(len(rows)))
            parts.extend(calls)
    return "\n".join(filter(None, parts))


def _assigned(tree: ast.Module) -> set[str]:
    targets = [target for node in tree.body if isinstance(node, ast.Assign) for target in node.targets]
    return {target.id for target in targets if isinstance(target, ast.Name)}


def _chooses_program(node: ast.stmt) -> bool:
    """Whether a statement imports the program under test or a helper, which are there already."""
    text = ast.unparse(node)
    return isinstance(node, ast.Import | ast.ImportFrom | ast.If) and bool(
        re.search(r"python_programs|use_correct|load_testdata|\bnode\b", text)
    )


def _without_rows(node: ast.stmt) -> ast.stmt:
    """Makes a test that runs for each row a function that is called with one; each row is a test by itself then."""
    if isinstance(node, ast.FunctionDef) and node.name.startswith("test") and len(node.args.args) == 2:
        node.decorator_list = []
        node.name = f"each_{node.name}"
    return node


def _node_class(folder: Path) -> str:
    for file in (folder / _PROGRAMS / "node.py", folder / "node.py", folder / _TESTS / "node.py"):
        if file.exists():
            return _text(file)
    return ""


QUIXBUGS = DataSet("quixbugs", "name", ("name", "buggy_program", "solution", "tests"), _convert, _read_folder)
