"""What is known of a piece of code that fails."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from services.judge.fixer.edits import Function

_EXCEPTION = re.compile(r"\b([A-Z]\w*(?:Error|Exception|Interrupt|Exit|Iteration))\b")
_FAILED = re.compile(
    r"^FAILED (?P<name>[^\n]*?): (?P<call>[^\n]*)\n\s+expected (?P<expected>[^\n]*)\n\s+got (?P<got>[^\n]*)",
    re.MULTILINE,
)


@dataclass(frozen=True)
class FailedTest:
    """A visible test that failed.

    Attributes:
        call: The call as a Python expression.
        expected: What was expected, as Python prints it, or "raises X".
        got: What came back, or the exception with its message.
    """

    call: str
    expected: str
    got: str


@dataclass(frozen=True)
class Evidence:
    """The code, and what is said of it.

    Attributes:
        code: Source that parses.
        tree: Its syntax tree.
        error_log: The error log of the last attempt; may be empty.
        description: What the code should do; may be empty.
        last_reward: Reward of the last attempt, in [0, 1]; None before the first one.
    """

    code: str
    tree: ast.Module
    error_log: str = ""
    description: str = ""
    last_reward: float | None = None

    @cached_property
    def exceptions(self) -> frozenset[str]:
        """Names of the exceptions in the error log."""
        return frozenset(_EXCEPTION.findall(self.error_log))

    @cached_property
    def failures(self) -> tuple[FailedTest, ...]:
        """The visible tests that failed."""
        return tuple(
            FailedTest(found["call"].strip(), found["expected"].strip(), found["got"].strip())
            for found in _FAILED.finditer(self.error_log)
        )

    @property
    def all_tests_pass(self) -> bool:
        """Whether the code is known to be correct, so that only better code is wanted.

        The log says so, or it is empty although the code was graded: a failed test would stand in it.
        """
        return "All tests pass" in self.error_log or (not self.error_log and self.last_reward is not None)

    @property
    def functions(self) -> Iterator[Function]:
        """The functions, outermost first."""
        for node in ast.walk(self.tree):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                yield node

    def logged(self, pattern: str) -> bool:
        """Returns whether the error log matches."""
        return re.search(pattern, self.error_log, re.IGNORECASE) is not None

    def told(self, pattern: str) -> bool:
        """Returns whether the error log or the description matches."""
        return self.logged(pattern) or re.search(pattern, self.description, re.IGNORECASE) is not None

    def result_for_argument(self, function: Function, parameter: str, literals: Sequence[str]) -> str | None:
        """Returns what a failed test expects where it gives one of the literals to a parameter.

        Args:
            function: The function that is called.
            parameter: Name of its parameter.
            literals: Arguments as Python prints them, e.g. "[]".

        Returns:
            A literal or "raises X"; None if no test shows it.
        """
        names = [argument.arg for argument in (*function.args.posonlyargs, *function.args.args)]
        for failure in self.failures:
            if _argument(failure.call, function.name, parameter, names) in literals:
                return failure.expected
        return None


@dataclass(frozen=True)
class Change:
    """A proposed program.

    Attributes:
        code: The whole program.
        explanation: What was changed and why, one sentence.
    """

    code: str
    explanation: str


def _argument(call: str, function: str, parameter: str, names: Sequence[str]) -> str | None:
    """Returns the argument that a call gives to a parameter, as Python prints it."""
    try:
        node = ast.parse(call, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == function):
        return None
    given = dict(zip(names, node.args, strict=False))
    given |= {keyword.arg: keyword.value for keyword in node.keywords if keyword.arg is not None}
    return ast.unparse(given[parameter]) if parameter in given else None
