"""Evaluates trusted programs in a process of their own."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterable, Mapping

_RUNNER = """
import io, json, sys, math, random
job = json.load(sys.stdin)
out, sys.stdout = sys.stdout, io.StringIO()
answers = []
for setup, call in job["calls"]:
    names = {"math": math, "random": random}
    try:
        exec(compile(job["code"], "fix.py", "exec"), names)
        exec(setup, names)
        answers.append(["value", repr(eval(call, names))])
    except Exception as error:
        kinds = [kind.__name__ for kind in type(error).__mro__]
        answers.append(["raised", kinds, f"{kinds[0]}: {error}"])
out.write(json.dumps(answers))
"""


def answers(code: str, calls: Iterable[tuple[str, str]]) -> list[list[object]]:
    """Returns for each setup and call ["value", repr] or ["raised", type names, message]."""
    run = subprocess.run(
        [sys.executable, "-I", "-W", "ignore", "-c", _RUNNER],
        input=json.dumps({"code": code, "calls": list(calls)}),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return json.loads(run.stdout)


def wrong_answers(code: str, expected: Mapping[str, object]) -> list[str]:
    """Returns a line for each expression whose value is not the expected one."""
    wrong = []
    for (call, right), answer in zip(expected.items(), answers(code, [("", call) for call in expected]), strict=True):
        if not is_right(answer, right):
            wrong.append(f"{call}: {answer[-1]} instead of {right!r}")
    return wrong


def is_right(answer: list[object], expected: object, tolerance: float = 0.0) -> bool:
    """Returns whether an answer is a value, or an exception for "raises X"."""
    if isinstance(expected, str) and expected.startswith("raises "):
        return answer[0] == "raised" and expected.removeprefix("raises ") in answer[1]
    if answer[0] != "value":
        return False
    value = ast.literal_eval(str(answer[1]))
    if tolerance:
        return abs(value - expected) <= tolerance
    return value == expected
