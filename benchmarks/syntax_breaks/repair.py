"""Lets the built-in fixer repair broken programs, as in an episode: with the error of its last proposal."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable

from benchmarks.syntax_breaks.functions import Function, functions
from benchmarks.syntax_breaks.generator import Broken
from services.judge.fixer.engine import propose

ROUNDS = 5
_SECONDS = 10.0
_RUNNER = """
import io, json, sys
job = json.load(sys.stdin)
out, sys.stdout = sys.stdout, io.StringIO()
answers = []
for check in job["checks"]:
    names = {}
    try:
        exec(compile(job["code"], "fix.py", "exec"), names)
        answers.append(repr(eval(check, names)))
    except Exception as error:
        answers.append(f"{type(error).__name__}: {error}")
out.write(json.dumps(answers))
"""


def repaired(program: Broken) -> str | None:
    """Returns the program that the fixer makes within an episode, or None if it does not do what the function did."""
    (function,) = (each for each in functions() if each.id == program.function)
    right = answers(function.code, function.checks)
    code, attempts = program.code, [program.code]
    for _ in range(ROUNDS):
        code, explanations = propose(code, error_log(function, code, right), "", attempts)
        if not explanations:
            return None
        if answers(code, function.checks) == right:
            return code
        attempts.append(code)
    return None


def error_log(function: Function, code: str, right: Iterable[str]) -> str:
    """Returns what an episode shows of a program's failed checks."""
    given = zip(function.checks, right, answers(code, function.checks), strict=True)
    return "".join(
        f"FAILED check: {check}\n  expected {expected}\n  got {got}\n"
        for check, expected, got in given
        if got != expected
    )


def answers(code: str, checks: Iterable[str]) -> list[str]:
    """Returns the value of each expression, or its exception, from a process of their own."""
    checks = list(checks)
    try:
        run = subprocess.run(
            [sys.executable, "-I", "-S", "-W", "ignore", "-c", _RUNNER],
            input=json.dumps({"code": code, "checks": checks}),
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=True,
        )
    except subprocess.TimeoutExpired:
        return ["TimeoutError: no answer"] * len(checks)
    given: list[str] = json.loads(run.stdout)
    return given
