"""Keeps those programs with planted bugs that make a task."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from grpc.aio import AioRpcError

from codearena.v1 import core_pb2 as core
from codearena.v1 import executor_service_pb2 as wire
from services.authoring.generate.candidates import Candidate, candidates
from services.authoring.sandboxes import Sandboxes
from services.env.task_schema import Task

_AHEAD = 64
_LIMIT_SECONDS = 0.5
_SLOWEST_SHARE = 0.4

KEPT = "kept"


class Generator:
    """Makes tasks of other tasks' references and tests.

    A program is kept if a hidden test fails with it, and no test with any of its bugs alone passes unseen: each bug
    matters. One that hangs, dies or runs close to a limit is dropped: whether it fails would be up to the machine. What
    is kept depends on the seed and the bases alone.

    Args:
        boxes: Where programs are graded.
        dropped: Counts why programs are dropped.
    """

    def __init__(self, boxes: Sandboxes, dropped: Counter[str]) -> None:
        self._boxes = boxes
        self._dropped = dropped

    async def run(self, bases: Sequence[Task], seed: int, count: int, tell: Callable[[Task], None]) -> list[Task]:
        """Returns up to `count` tasks; fewer if the bases give no more. Tells each as it is kept.

        Raises:
            AioRpcError: A program could not be graded for a reason of ours.
        """
        kept: list[Task] = []
        stream = await asyncio.to_thread(lambda: candidates(bases, seed))
        while len(kept) < count:
            batch = await asyncio.to_thread(_take, stream)
            if not batch:
                break
            reasons = await asyncio.gather(*map(self._reason, batch))
            for candidate, reason in zip(batch, reasons, strict=True):
                if reason != KEPT:
                    self._dropped[reason] += 1
                elif len(kept) < count:
                    kept.append(candidate.task())
                    tell(kept[-1])
        return kept

    async def _reason(self, candidate: Candidate) -> str:
        suite = _suite(candidate.base)
        try:
            responses = await asyncio.gather(
                self._boxes.grade(candidate.code, suite, fresh=False),
                *(
                    self._boxes.grade(bug.source, suite, fresh=False)
                    for bug in candidate.bugs
                    if len(candidate.bugs) > 1
                ),
            )
        except AioRpcError as error:
            if error.code().name != "INVALID_ARGUMENT":
                raise
            return f"{candidate.base.id} cannot be graded: {error.details()}"
        for response in responses:
            if response.outcome == core.OUTCOME_PASSED:
                return "no test notices it, or one of its bugs"
            if response.outcome != core.OUTCOME_TESTS_FAILED:
                return "does not run to its end within limits"
            if any(_is_close(test) for test in response.tests):
                return "runs close to a limit"
        if all(test.passed for test in responses[0].tests if test.hidden):
            return "no hidden test notices it"
        return KEPT


def _take(stream: Iterator[Candidate]) -> list[Candidate]:
    return list(itertools.islice(stream, _AHEAD))


def _suite(base: Task) -> wire.Suite:
    """Returns the tests of a base with a small limit, so that a program that never ends is dropped soon."""
    suite = wire.Suite()
    suite.CopyFrom(base.to_suite())
    suite.ClearField("growth")
    if base.limits is None or base.limits.cpu_seconds is None or base.limits.cpu_seconds > _LIMIT_SECONDS:
        suite.limits.cpu_time.FromMilliseconds(round(1000 * _LIMIT_SECONDS))
    return suite


def _is_close(test: core.TestResult) -> bool:
    return test.cpu_time.ToNanoseconds() / 1e9 > _SLOWEST_SHARE * _LIMIT_SECONDS
