"""What must be known of a suite before a submission is graded against it, found once for equal suites."""

from __future__ import annotations

import dataclasses
from functools import partial

from services.executor import draws
from services.executor.asks import Ask
from services.executor.once import Once
from services.executor.oracle import Oracle
from services.executor.runs import Runner
from services.executor.suites import CheckedSuite

_KEPT = 500


class Preparation:
    """Draws random inputs, and records what tests that are code ask.

    Args:
        runner: Where the reference solution answers: sandboxes that hold no submission.
        oracle: Runs tests that are code.
    """

    def __init__(self, runner: Runner, oracle: Oracle) -> None:
        self._runner = runner
        self._oracle = oracle
        self._known: Once[CheckedSuite] = Once(_KEPT)

    async def of(self, suite: CheckedSuite, ask: Ask) -> CheckedSuite:
        """Returns a suite with every test that it has.

        Raises:
            StatusError: INVALID_ARGUMENT if the reference solution is unfit, UNAVAILABLE at shutdown, else as `Runner`.
        """
        if suite.message.HasField("tests"):
            work = self._record
        elif suite.message.draws:
            work = self._draw
        else:
            return suite
        return await self._known.get(suite.digest, partial(work, suite, Ask(ask.run_id, weight=ask.weight)))

    async def stop(self) -> None:
        """Ends work under way."""
        await self._known.stop()

    async def _draw(self, suite: CheckedSuite, ask: Ask) -> CheckedSuite:
        drawn = await draws.draw(self._runner, suite, ask)
        return dataclasses.replace(suite, cases=(*suite.cases, *drawn))

    async def _record(self, suite: CheckedSuite, ask: Ask) -> CheckedSuite:
        cases, visible, recording = await self._oracle.record(suite, ask)
        return dataclasses.replace(suite, cases=cases, visible=visible, recording=recording)
