"""DebugBench (Apache-2.0), Python part: bugs planted into solutions of LeetCode. It has no tests but examples in words.

Source: Tian et al., "DebugBench: Evaluating Debugging Capability of Large Language Models", 2024.
"""

from __future__ import annotations

import ast
import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from services.authoring.importing import examples
from services.authoring.importing.entries import DataSet, Unusable
from services.authoring.importing.examples import Example
from services.env.task_schema import Task

# As LeetCode gives them; where a star hides a builtin, the builtin comes last.
_HEAD = """import bisect, collections, copy, functools, heapq, itertools, math, operator, random, re, string
from bisect import *
from collections import *
from functools import *
from heapq import *
from itertools import *
from math import *
from typing import *
from builtins import pow

"""
_NODES = re.compile(r"\b(?:ListNode|TreeNode)\b|:\s*['\"]?(?:Optional\[)?['\"]?Node\b")


def _convert(fields: Mapping[str, Any]) -> Task:
    language = str(fields.get("language") or "python3").lower()
    if language not in ("python3", "python"):
        raise Unusable(f"is in {language[:20]!r}, not in Python")
    bug, fixed = _code(fields["buggy_code"]), _code(fields["solution"])
    methods = _methods(fixed)
    if _NODES.search("\n".join(line for line in fixed.splitlines() if not line.lstrip().startswith("#"))):
        raise Unusable("its values are nodes, which examples in words do not give")
    question = str(fields.get("question") or "").strip()
    found = list(examples.read(_text(fields.get("examples")) or question))
    if not found:
        raise Unusable("it has no examples whose values are literals")
    method = _method(methods, found)
    kind = str(fields.get("subtype") or fields.get("category") or "bug")
    return Task.model_validate(
        {
            "id": _id(str(fields["slug"]), bug),
            "title": f"DebugBench: {fields['slug']}"[:200],
            "category": "debugbench",
            "difficulty": {"easy": "easy", "hard": "hard"}.get(str(fields.get("level")).lower(), "medium"),
            "function": "Solution",
            "description": _description(method, question, _text(fields.get("constraints"))),
            "bug": f"{kind}. {_text(fields.get('bug_explanation')).strip()}".strip()[:20_000],
            "origin": f"DebugBench, {fields['slug']}, {kind}; Apache-2.0"[:500],
            "buggy_code": _HEAD + bug,
            "reference": _HEAD + fixed,
            "cases": list(_cases(found, method.name, any_order="any order" in question.lower())),
        }
    )


def _code(text: str) -> str:
    return text.replace("\r\n", "\n").strip("\n") + "\n"


def _text(value: object) -> str:
    return "\n".join(map(str, value)) if isinstance(value, list) else str(value or "")


def _id(slug: str, bug: str) -> str:
    """Returns an id that the other bugs of the same problem do not have."""
    plain = re.sub(r"[^A-Za-z0-9]+", "-", slug).strip("-")[:60] or "entry"
    return f"debugbench-{plain}-{hashlib.sha256(bug.encode(errors='replace')).hexdigest()[:8]}"


def _methods(source: str) -> list[ast.FunctionDef]:
    try:
        tree = ast.parse(source)
    except SyntaxError as error:
        raise Unusable(f"its solution does not compile: {error.msg}") from error
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and node.name == "Solution":
            parts = [part for part in node.body if isinstance(part, ast.FunctionDef)]
            if methods := [part for part in parts if not part.name.startswith("_")]:
                return methods
    raise Unusable("its solution is no class Solution with a method")


def _method(methods: Sequence[ast.FunctionDef], found: Sequence[Example]) -> ast.FunctionDef:
    """Returns the method that the examples call: the one whose parameters have their names, else the only one."""
    names = found[0].names
    named = [method for method in methods if names and tuple(_parameters(method)) == names]
    if len(named) != 1 and len(methods) > 1:
        raise Unusable("its solution has several methods, and its examples do not tell which one to call")
    method = (named or methods)[0]
    if len(_parameters(method)) != len(found[0].arguments):
        raise Unusable(f"its examples do not give {method.name!r} as many arguments as it takes")
    if isinstance(method.returns, ast.Constant) and method.returns.value is None:
        raise Unusable("its solution answers by changing its argument")
    return method


def _parameters(method: ast.FunctionDef) -> list[str]:
    return [argument.arg for argument in method.args.args[1:]]


def _description(method: ast.FunctionDef, question: str, constraints: str) -> str:
    signature = f"`Solution().{method.name}({', '.join(map(ast.unparse, method.args.args[1:]))})`"
    parts = [signature, question, f"Constraints:\n{constraints.strip()}" if constraints.strip() else ""]
    return "\n\n".join(filter(None, parts))[:19_999] + "\n"


def _cases(found: Sequence[Example], method: str, *, any_order: bool) -> Iterator[dict[str, Any]]:
    """Yields cases: the first one is shown, unless it is the only one."""
    for number, example in enumerate(found, 1):
        if len(example.arguments) != len(found[0].arguments):
            continue
        case = {
            "name": f"example {number}",
            "hidden": number > 1 or len(found) == 1,
            "call": f"Solution().{method}({', '.join(map(repr, example.arguments))})",
            "expected_literal": repr(example.answer),
        }
        if any_order and isinstance(example.answer, list):
            case["checker"] = "unordered"
        elif _has_float(example.answer):
            case["checker"] = "approx"
        yield case


def _has_float(value: object) -> bool:
    return any(map(_has_float, value)) if isinstance(value, list | tuple) else isinstance(value, float)


DEBUGBENCH = DataSet(
    "debugbench",
    "slug",
    ("slug", "buggy_code", "solution"),
    _convert,
    also_called={"solution": "oracle_code", "question": "description", "constraints": "constrains"},
)
