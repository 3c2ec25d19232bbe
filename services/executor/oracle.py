"""Tests that are code: what they ask of a right solution, and what they say of a submission's answers.

They run in a sandbox of ours that never holds a submission, see `inside/codearena_oracle.py`. What they call of a right
solution is recorded once. A submission is asked the same in its own sandbox; where its answers are the right ones, that
is all. Where one differs, the tests run again with its answers; calls that they would not have made of a right solution
are put to the submission in a further sandbox, and so on, a bounded number of times.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from codearena.v1 import core_pb2 as core
from codearena.v1 import executor_service_pb2 as wire
from services.common import test_points
from services.executor import insiders, values
from services.executor.asks import Ask
from services.executor.jobs import Answer, Call
from services.executor.limits import Limits
from services.executor.refusals import bad_reference
from services.executor.runs import Overran, Runner
from services.executor.sandbox import HarnessDied
from services.executor.suites import HIDDEN_CHARACTERS, SHOWN_CHARACTERS, CheckedCase, CheckedSuite, Recording
from services.executor.verdict import STOPS, CaseVerdict, describe

MAX_ROUNDS = 8
"""How often a submission is asked anew what the tests come to ask of it."""
_LIMITS = Limits(cpu_seconds=30.0, wall_seconds=60.0, memory_bytes=1 << 30, total_wall_seconds=120.0)


@dataclass(frozen=True, slots=True)
class Hearing:
    """What the tests say of a submission's answers.

    Attributes:
        verdicts: One for each test.
        calls: What the tests call, as far as the answers lead and from there on of a right solution.
        visible: How many of these calls are made by tests that may be shown.
        complete: Whether every one of them was answered by the submission.
    """

    verdicts: tuple[CaseVerdict, ...]
    calls: tuple[Call, ...]
    visible: int
    complete: bool


class TestsDidNotEnd(Exception):
    """With a submission's answers the tests do not come to an end: its failure."""


class Oracle:
    """Runs tests that are code, in sandboxes of a runner."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner

    async def record(self, suite: CheckedSuite, ask: Ask) -> tuple[tuple[CheckedCase, ...], int, Recording]:
        """Returns the tests, how many of them may be shown, and what they ask of a right solution.

        Raises:
            StatusError: INVALID_ARGUMENT if the reference solution does not pass the tests, else as `Runner`.
        """
        try:
            told = await self._run(suite, [], ask)
        except TestsDidNotEnd as error:
            raise bad_reference(str(error)) from error
        cases: list[CheckedCase] = []
        spans: list[tuple[int, int]] = []
        visible = 0
        for number, (source, hidden) in enumerate(_scripts(suite.message)):
            found = test_points.find(source, are_functions=_are_functions(suite.message))
            for point, (reached, _, failure, begin, end) in zip(found, told["points"][number], strict=True):
                if failure and reached:
                    raise bad_reference(f"it fails the test {point.text[:200]!r}: {failure}")
                if reached:
                    cases.append(_case(point, hidden=hidden))
                    spans.append((begin, end))
                    visible += not hidden
        if not cases:
            raise bad_reference("it reaches none of the tests")
        reached_points = tuple(tuple(reached for reached, *_ in points) for points in told["points"])
        calls = tuple(_call(name, graph) for name, graph in told["calls"])
        visible_calls = _visible_calls(suite.message, told)
        recording = Recording(calls, visible_calls, tuple(told["digests"]), reached_points, tuple(spans))
        return tuple(cases), visible, recording

    async def hear(self, suite: CheckedSuite, calls: Sequence[Call], answers: Sequence[Answer], ask: Ask) -> Hearing:
        """Returns what the tests say of a submission's answers to some calls.

        Raises:
            TestsDidNotEnd: They say nothing.
            StatusError: As `Runner`.
        """
        assert suite.recording is not None, "the suite is prepared"
        given = [
            [[_function(call), call.graph], answer_parts(answer)] for call, answer in zip(calls, answers, strict=False)
        ]
        told = await self._run(suite, given, ask)
        verdicts = [
            _verdict(passed=passed, failure=failure, answer=dearest(answers, begin, end))
            for points, reached_points in zip(told["points"], suite.recording.points, strict=True)
            for (_, passed, failure, begin, end), counts in zip(points, reached_points, strict=True)
            if counts
        ]
        asked = tuple(_call(name, graph) for name, graph in told["calls"])
        complete = told["covered"] == len(asked)
        return Hearing(tuple(verdicts), asked, _visible_calls(suite.message, told), complete)

    async def _run(self, suite: CheckedSuite, answers: list[Any], ask: Ask) -> dict[str, Any]:
        message = suite.message
        plan = {
            "scripts": [source for source, _ in _scripts(message)],
            "functions": list(message.functions),
            "style": "functions" if _are_functions(message) else "asserts",
            "module": message.tests.module,
            "seed": message.draw_seed,
        }
        modules = {**message.modules, **insiders.ORACLE}
        setup = "import codearena_oracle"
        given = json.dumps([plan, answers])
        call = f"codearena_oracle.run(globals(), *__import__('json').loads({given!r}))"
        try:
            async with self._runner.program(message.reference_code, _LIMITS, modules, trusted=True, ask=ask) as run:
                reply = await run.batch([Call(setup, call)], visible=0)
        except (HarnessDied, Overran) as error:
            raise TestsDidNotEnd(str(error)) from error
        answer = reply.cases[0] if reply.cases else reply.load
        if answer.state != "value":
            raise TestsDidNotEnd(f"the tests do not end: {describe(answer)}")
        told = values.decode(answer.payload)
        assert isinstance(told, dict), "codearena_oracle returns a dict"
        return told


def answer_parts(answer: Answer) -> list[str]:
    """Returns an answer as the tests take it: its state, and its payload."""
    if answer.state == "raised":
        try:
            content = json.loads(answer.payload)
            kinds = [str(kind) for kind in content["types"]]
            parts = [kinds, str(content["message"])]
        except (ValueError, TypeError, KeyError, RecursionError):
            return ["unfit", "that was forged"]
        return ["raised", json.dumps(parts, separators=(",", ":"))]
    if answer.state in ("value", "unfit"):
        return [answer.state, answer.payload]
    return ["stopped", describe(answer)]


def are_right(recording: Recording, answers: Sequence[Answer]) -> bool:
    """Returns whether answers to all recorded calls are those of the reference solution."""
    return len(answers) == len(recording.digests) and all(
        hashlib.sha256("\0".join(answer_parts(answer)).encode()).hexdigest() == digest
        for answer, digest in zip(answers, recording.digests, strict=True)
    )


def _scripts(message: wire.Suite) -> list[tuple[str, bool]]:
    """Returns the scripts, those that may be shown first, and whether each is hidden."""
    return [(message.tests.visible, False), (message.tests.hidden, True)]


def _are_functions(message: wire.Suite) -> bool:
    return message.tests.style == wire.TEST_STYLE_FUNCTIONS


def _visible_calls(message: wire.Suite, told: dict[str, Any]) -> int:
    ends: list[int] = told["ends"]
    return ends[sum(not hidden for _, hidden in _scripts(message)) - 1]


def _call(name: str, graph: str) -> Call:
    return Call("", f"{name}(*_arguments, **_options)", graph=graph, whole=True)


def _function(call: Call) -> str:
    return call.call.partition("(")[0]


def _case(point: test_points.Point, *, hidden: bool) -> CheckedCase:
    shown = HIDDEN_CHARACTERS if hidden else SHOWN_CHARACTERS
    result = core.TestResult(
        name=f"hidden {point.name}"[:100] if hidden else point.name[:100],
        hidden=hidden,
        call=values.clean(point.text, shown),
        expected="the test passes",
    )
    return CheckedCase(Call("", ""), None, "", shown, result)


def all_passed(recording: Recording, answers: Sequence[Answer]) -> list[CaseVerdict]:
    """Returns the verdicts of a program whose answers are those of the reference solution."""
    return [_verdict(passed=True, failure="", answer=dearest(answers, *span)) for span in recording.spans]


def dearest(answers: Sequence[Answer], begin: int, end: int) -> Answer | None:
    """Returns the answer of one test's calls that took the most CPU time; None if there is none."""
    return max(answers[begin:end], key=lambda answer: answer.cpu, default=None)


def _verdict(*, passed: bool, failure: str, answer: Answer | None) -> CaseVerdict:
    if passed:
        return CaseVerdict(core.OUTCOME_PASSED, "the test passes", answer)
    failure = values.clean(failure or "not reached with these answers", SHOWN_CHARACTERS)
    stops = (outcome for outcome, text in STOPS.items() if failure.startswith(text))
    return CaseVerdict(next(stops, core.OUTCOME_TESTS_FAILED), failure, answer)
