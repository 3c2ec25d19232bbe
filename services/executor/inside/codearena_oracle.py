"""Runs tests that are code against answers that came out of a submission's sandbox.

The functions under repair are proxies. Each call of one is written down; as long as the answers given cover the calls
that are made, a proxy gives the submission's answer, and from the first call that they do not cover on the reference
solution's. So a run with no answers tells what calls the tests make of a right solution; a run whose calls are all
covered tells what the tests say of the submission; and one in between tells what to ask the submission next.
"""

from __future__ import annotations

import ast
import builtins
import hashlib
import json
import random
import sys
import types
from collections.abc import Callable
from typing import Any

import codearena_graphs as graphs
import codearena_points
import codearena_pytest

MAX_CALLS = 2000
_SHOWN = 200


class SubmissionError(Exception):
    """The submission raised what has no name here, or answered what is no value."""


class _Stopped(BaseException):
    """The submission was stopped during a call, or there are too many. No test may catch it."""


class _Calls:
    """The calls that the tests make, and whence their answers come."""

    def __init__(self, reference: dict[str, Any], answers: list[Any]) -> None:
        self._reference = reference
        self._answers = answers
        self._classes = {name: kind for name, kind in reference.items() if _is_plain(kind)}
        self.made: list[list[str]] = []
        self.digests: list[str] = []
        self.covered = 0
        self.astray = False
        self.last = ""

    def proxy(self, name: str) -> Callable[..., Any]:
        """Returns what stands in for a function under repair."""

        def call(*arguments: Any, **options: Any) -> Any:
            try:
                graph, objects = graphs.pack({"_arguments": arguments, "_options": options})
            except graphs.Unfit as error:
                self.last = f"an argument is {error}"
                raise _Stopped(self.last) from None
            for value in objects:
                if _is_plain(type(value)):
                    self._classes.setdefault(type(value).__name__, type(value))
            return self._give(self._answer(name, _text(graph)), objects)

        call.__name__ = call.__qualname__ = name
        call.__doc__ = getattr(self._reference.get(name), "__doc__", None)
        return call

    def _answer(self, name: str, text: str) -> list[Any]:
        number = len(self.made)
        if number >= MAX_CALLS:
            self.last = f"more than {MAX_CALLS} calls"
            raise _Stopped(self.last)
        self.made.append([name, text])
        if not self.astray and number < len(self._answers) and self._answers[number][0] == [name, text]:
            self.covered += 1
            answer: list[Any] = self._answers[number][1]
        else:
            self.astray = True
            answer = self._of_reference(name, text)
        self.digests.append(digest(answer))
        return answer

    def _of_reference(self, name: str, text: str) -> list[Any]:
        before = random.getstate()  # the draws of the tests do not depend on who answers
        try:
            names, sent = graphs.unpack(json.loads(text), self._new)
            value = self._reference[name](*names["_arguments"], **names["_options"])
            graph, _ = graphs.pack(value, sent)
            return ["value", _text(graph)]
        except graphs.Unfit as error:
            return ["unfit", str(error)]
        except Exception as error:  # noqa: BLE001  what the reference raises is its answer
            kinds = [f"{kind.__module__}.{kind.__qualname__}" for kind in type(error).__mro__]
            return ["raised", _text([kinds, str(error)[:2000]])]
        finally:
            random.setstate(before)

    def _give(self, answer: list[Any], objects: list[Any]) -> Any:
        """Returns what a call returns, with its arguments brought to the state that the answer tells; or raises."""
        state, payload = answer
        if state == "value":
            try:
                value, _ = graphs.unpack(json.loads(payload), self._new, objects)
            except (graphs.BadGraph, ValueError, RecursionError) as error:
                self.last = "a forged answer"
                raise SubmissionError(self.last) from error
            self.last = f"returned {_shown(value)}"
            return value
        if state == "raised":
            kinds, message = json.loads(payload)
            self.last = f"raised {str(kinds[0]).removeprefix('builtins.')}: {message}"[:_SHOWN]
            raise self._exception(kinds, message)
        if state == "unfit":
            self.last = f"returned a value {payload}"[:_SHOWN]
            raise SubmissionError(self.last)
        self.last = payload
        raise _Stopped(payload)

    def _exception(self, kinds: list[str], message: str) -> Exception:
        for name in kinds:
            module, _, plain = name.rpartition(".")
            found = getattr(builtins, plain, None) if module == "builtins" else self._reference.get(plain)
            if isinstance(found, type) and issubclass(found, Exception) and found.__module__ == module:
                error = found.__new__(found)
                error.args = (message,)
                return error
        return SubmissionError(f"{kinds[0]}: {message}")

    def _new(self, name: str) -> Any:
        kind = self._classes.get(name)
        if kind is None:
            kind = self._classes[name] = type(name, (), {})
        return object.__new__(kind)


def digest(answer: list[Any]) -> str:
    """Returns the SHA-256 of an answer; see `services.executor.oracle`."""
    return hashlib.sha256("\0".join(answer).encode()).hexdigest()


def _text(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))


def _shown(value: object) -> str:
    try:
        text = repr(value)
    except Exception:  # noqa: BLE001  a class of the tests' own
        text = f"an object of type {type(value).__name__}"
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"


def _is_plain(kind: object) -> bool:
    """Whether objects of a class are no more than their attributes."""
    heap = 1 << 9
    return isinstance(kind, type) and all(base is object or base.__flags__ & heap for base in kind.__mro__)


class _Ledger:
    """What became of each test of one script."""

    def __init__(self, calls: _Calls, count: int) -> None:
        self._calls = calls
        self._reached = [False] * count
        self._failures: dict[int, str] = {}
        self._open: set[int] = set()
        self._spans = [[0, 0] for _ in range(count)]
        self.trouble = ""

    def point(self, number: int) -> _Point:
        """Returns what a test runs in."""
        return _Point(self, number)

    def rest(self) -> _Point:
        """Returns what statements run in that belong to no test."""
        return _Point(self, None)

    def enter(self, number: int | None) -> None:
        """A test begins, or what belongs to none."""
        self._calls.last = ""
        if number is not None and not self._reached[number]:
            self._reached[number] = True
            self._spans[number][0] = len(self._calls.made)

    def leave(self, number: int | None, error: BaseException | None) -> None:
        """A test ends, or what belongs to none."""
        said = self._calls.last or (f"{type(error).__name__}: {error}"[:_SHOWN] if error is not None else "")
        if number is None:
            self.trouble = self.trouble or (said if error is not None else "")
            return
        self._spans[number][1] = len(self._calls.made)
        if error is not None:
            self._failures.setdefault(number, said)
        if self._calls.astray:
            self._open.add(number)

    def results(self) -> list[list[Any]]:
        """Returns for each test whether it was reached, whether it passed for certain, what was wrong, and its calls.

        Of its calls the number of the first one, and one more than that of the last one.
        """
        found = []
        for number, reached in enumerate(self._reached):
            failure = self._failures.get(number, "" if reached else self.trouble or "not reached")
            passed = reached and number not in self._failures and number not in self._open
            found.append([reached, passed, failure, *self._spans[number]])
        return found


class _Point:
    def __init__(self, ledger: _Ledger, number: int | None) -> None:
        self._ledger = ledger
        self._number = number

    def __enter__(self) -> None:
        self._ledger.enter(self._number)

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> bool:
        self._ledger.leave(self._number, error)
        return isinstance(error, (Exception, _Stopped))


class _Instrument(ast.NodeTransformer):
    """Puts each assert statement into its test."""

    def __init__(self, numbers: dict[int, int]) -> None:
        self._numbers = numbers

    def visit_Assert(self, node: ast.Assert) -> ast.stmt:
        """See ast.NodeTransformer."""
        if id(node) not in self._numbers:
            return node
        return _within("_codearena_point", node, self._numbers[id(node)])


def _within(name: str, node: ast.stmt, *arguments: int) -> ast.With:
    call = ast.Call(ast.Name(name, ast.Load()), [ast.Constant(argument) for argument in arguments], [])
    return ast.copy_location(ast.With([ast.withitem(call)], [node]), node)


_FREE = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom)


def _run_asserts(source: str, scope: dict[str, Any], calls: _Calls) -> list[list[Any]]:
    tree = ast.parse(source)
    points = codearena_points.asserts(tree)
    ledger = _Ledger(calls, len(points))
    tree = _Instrument({id(point.node): number for number, point in enumerate(points)}).visit(tree)
    tree.body = [node if isinstance(node, _FREE) else _within("_codearena_rest", node) for node in tree.body]
    scope |= {"_codearena_point": ledger.point, "_codearena_rest": ledger.rest}
    with ledger.rest():
        exec(compile(ast.fix_missing_locations(tree), "tests", "exec", dont_inherit=True), scope)  # noqa: S102
    return ledger.results()


def _run_functions(source: str, scope: dict[str, Any], calls: _Calls) -> list[list[Any]]:
    points = codearena_points.functions(ast.parse(source))
    ledger = _Ledger(calls, len(points))
    with ledger.rest():
        exec(compile(source, "tests", "exec", dont_inherit=True), scope)  # noqa: S102
    for number, point in enumerate(points):
        owner, _, name = point.name.rpartition(".")
        with ledger.point(number):
            _run_test(scope[owner] if owner else None, name, scope)
    return ledger.results()


def _run_test(owner: Any, name: str, scope: dict[str, Any]) -> None:
    import unittest  # takes its time, and is there if the tests are of its kind

    if isinstance(owner, type) and issubclass(owner, unittest.TestCase):
        owner.setUpClass()
        try:
            owner(name).debug()
        finally:
            owner.tearDownClass()
        return
    test = scope[name] if owner is None else getattr(owner(), name)
    for row in getattr(test, "codearena_rows", [{}]):
        try:
            test(**row)
        except (codearena_pytest.Skipped, unittest.SkipTest):
            continue


def run(reference: dict[str, Any], plan: dict[str, Any], answers: list[Any]) -> dict[str, Any]:
    """Runs every script of a plan.

    Args:
        reference: The namespace of the reference solution.
        plan: "scripts", each a text; "functions", the names of those under repair; "style", "asserts" or
            "functions"; "module", a name for the module under repair or ""; "seed" of the module random.
        answers: For each call [[name, arguments' graph], [state, payload]], in order.

    Returns:
        "points": for each script its results, as `_Ledger.results`; "ends": how many calls had been made after each;
        "calls": [name, arguments' graph] of each; "digests" of their answers; "covered": to how many of them the
        submission's answer was given, from the first on.
    """
    calls = _Calls(reference, answers)
    shown = {name: value for name, value in reference.items() if not name.startswith("__")}
    shown |= {name: calls.proxy(name) for name in plan["functions"]}
    sys.modules["pytest"] = codearena_pytest
    if plan["module"]:
        module = types.ModuleType(plan["module"])
        module.__dict__.update(shown)
        sys.modules[plan["module"]] = module
    points, ends = [], []
    runner = _run_asserts if plan["style"] == "asserts" else _run_functions
    for script in plan["scripts"]:
        random.seed(plan["seed"])
        points.append(runner(script, {**shown, "__name__": "tests", "__builtins__": builtins}, calls))
        ends.append(len(calls.made))
    return {
        "points": points,
        "ends": ends,
        "calls": calls.made,
        "digests": calls.digests,
        "covered": calls.covered,
    }
