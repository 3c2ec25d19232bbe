"""HumanEvalFix: the Python part of HumanEvalPack (MIT), one bug in each of the 164 programs of HumanEval.

Source: Muennighoff et al., "OctoPack: Instruction Tuning Code Large Language Models", 2023.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from typing import Any

from services.authoring.importing.entries import DataSet, Unusable
from services.env.task_schema import Task

_ID = re.compile(r"Python/([0-9]{1,6})")
_IMPORTS = (ast.Import, ast.ImportFrom)


def _convert(fields: Mapping[str, Any]) -> Task:
    match = _ID.fullmatch(fields["task_id"])
    if match is None:
        raise Unusable(f"task_id {fields['task_id'][:60]!r} is not Python/NUMBER")
    head = _head(fields)
    name = fields["entry_point"]
    kind, symptoms = str(fields.get("bug_type") or "unknown"), str(fields.get("failure_symptoms") or "unknown")
    example, hidden = _example(str(fields.get("example_test") or "")), fields["test"]
    return Task.model_validate(
        {
            "id": f"humanevalfix-{match[1]}",
            "title": f"HumanEvalFix {match[1]}: {name}"[:200],
            "category": "humanevalfix",
            "difficulty": "medium",
            "function": name,
            "description": _description(fields),
            "bug": f"Bug type: {kind}. Symptoms: {symptoms}.",
            "origin": f"HumanEvalPack, {fields['task_id']}; MIT",
            "buggy_code": head + fields["buggy_solution"],
            "reference": head + fields["canonical_solution"],
            "tests": {"style": "asserts", "visible": example, "hidden": hidden},
        }
    )


def _example(text: str) -> str:
    """Returns the tests that may be shown; of text that does not compile what follows from `def check` on.

    In front of one of them (Python/119) stands a solution's body, which would not run and must not be shown.
    """
    begin = re.search(r"^def check\(", text, re.MULTILINE)
    for part in (text, text[begin.start() :] if begin else ""):
        try:
            ast.parse(part)
        except (SyntaxError, ValueError):
            continue
        return part
    return ""


def _head(fields: Mapping[str, Any]) -> str:
    """Returns what stands before the body of the function, with imports that only the prompt has."""
    declaration = str(fields["declaration"])
    try:
        there = {ast.unparse(node) for node in ast.parse(declaration + fields["canonical_solution"]).body}
        wanted = [node for node in ast.parse(str(fields.get("prompt") or "")).body if isinstance(node, _IMPORTS)]
    except SyntaxError:
        return declaration
    return "".join(f"{line}\n" for line in map(ast.unparse, wanted) if line not in there) + declaration


def _description(fields: Mapping[str, Any]) -> str:
    about = str(fields.get("docstring") or fields.get("text") or fields.get("instruction") or "")
    signature = str(fields.get("signature") or "").splitlines()
    text = f"`{signature[0] if signature else fields['entry_point']}`\n\n{about.strip()}\n"
    return text[:20_000]


HUMANEVALFIX = DataSet(
    "humanevalfix",
    "task_id",
    ("task_id", "declaration", "buggy_solution", "canonical_solution", "test", "entry_point"),
    _convert,
)
