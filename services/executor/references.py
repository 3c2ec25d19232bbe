"""What reference solutions cost on this node, measured once for each suite and refreshed."""

from __future__ import annotations

import secrets
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

from codearena.v1 import executor_service_pb2 as wire
from services.executor import values
from services.executor.asks import ANYONE, Ask
from services.executor.jobs import Answer, Call, Reply
from services.executor.once import Once
from services.executor.refusals import bad_reference
from services.executor.runs import Overran, Run, Runner
from services.executor.sandbox import HarnessDied
from services.executor.suites import CheckedSuite
from services.executor.values import Wanted
from services.executor.verdict import describe, judge_cases, load_error

_REPEATS = 3
# A single round may be this much dearer than the budget before it ends: one slow moment is not the reference's cost.
_SPIKE = 4.0
_KEPT = 1000
_DEFAULT_BUDGET_SECONDS = 0.15


@dataclass(frozen=True, slots=True)
class Growth:
    """A reference solution on growing inputs.

    Attributes:
        calls: One for each size, ascending; the sizes that the reference reached within its budget.
        sizes: The sizes.
        wanted: What it answered, by size: the expected values.
        costs: CPU seconds of its calls, by size.
        setups: CPU seconds of making the inputs, by size.
        budget_seconds: CPU seconds of a size after which no larger one is tried.
    """

    calls: tuple[Call, ...]
    sizes: tuple[int, ...]
    wanted: dict[int, Wanted]
    costs: dict[int, float]
    setups: dict[int, float]
    budget_seconds: float


@dataclass(frozen=True, slots=True)
class Reference:
    """What a reference solution cost.

    Attributes:
        setups: CPU seconds of each case's setup, in order.
        cost: CPU seconds of all cases' calls together.
        growth: Its growth, where the suite has growing inputs.
        measured: Monotonic time of the measurement.
    """

    setups: tuple[float, ...]
    cost: float
    growth: Growth | None
    measured: float = field(default_factory=time.monotonic)


class References:
    """Measurements by suite; one at a time for each, kept for a while.

    Args:
        runner: Where they are made: sandboxes like those of submissions.
        refresh_seconds: Age after which a measurement is made anew, with fresh growing inputs.
    """

    def __init__(self, runner: Runner, refresh_seconds: float) -> None:
        self._runner = runner
        self._refresh = refresh_seconds
        self._known: Once[Reference] = Once(_KEPT)

    async def get(self, suite: CheckedSuite, ask: Ask = ANYONE, *, older_than: float | None = None) -> Reference:
        """Returns the measurement of a suite's reference solution.

        It is made on behalf of the run that asks first, but not by its deadline, for others may wait for it.

        Args:
            suite: Suites of one `cost_digest` share a measurement.
            ask: On whose behalf it is made if there is none.
            older_than: Monotonic time; one that was made before is made anew.

        Raises:
            StatusError: INVALID_ARGUMENT if the reference fails its own suite, UNAVAILABLE at shutdown, else as
                `Runner`.
        """

        def good(reference: Reference) -> bool:
            measured = reference.measured
            fresh = time.monotonic() - measured <= self._refresh
            return fresh and (older_than is None or measured >= older_than)

        make = partial(self._measure, suite, Ask(ask.run_id, weight=ask.weight))
        return await self._known.get(suite.cost_digest, make, good)

    async def stop(self) -> None:
        """Ends measurements under way."""
        await self._known.stop()

    async def _measure(self, suite: CheckedSuite, ask: Ask) -> Reference:
        message = suite.message
        try:
            modules = message.modules
            async with self._runner.program(
                message.reference_code, suite.limits, modules, trusted=True, ask=ask
            ) as run:
                reply = await run.batch(suite.measured_calls, visible=0)
                _require_passed(suite, reply)
                growth = await self._grow(run, message.growth) if message.HasField("growth") else None
        except (HarnessDied, Overran) as error:
            raise bad_reference(str(error)) from error
        setups = tuple(answer.mark / 1e9 for answer in reply.cases)
        return Reference(setups, sum(_call_seconds(answer) for answer in reply.cases), growth)

    async def _grow(self, run: Run, growth: wire.Growth) -> Growth:
        seed = secrets.randbelow(1 << 31)
        budget = growth.budget.ToNanoseconds() / 1e9 or _DEFAULT_BUDGET_SECONDS
        calls = tuple(Call(growth.setup, growth.call, {"n": size, "seed": seed}) for size in growth.sizes)
        rounds: list[list[Answer]] = []
        for _ in range(_REPEATS):
            rounds.append((await run.batch(calls, visible=0, stop_seconds=_SPIKE * budget)).cases)
        reached = min(map(len, rounds))
        wrong = next((answer for answers in rounds for answer in answers if answer.state != "value"), None)
        if reached < 2 or wrong is not None:
            detail = f": {describe(wrong)}" if wrong is not None else ", it reaches one size only"
            raise bad_reference(f"it does not master the growing inputs{detail}")
        columns = {size: [answers[index] for answers in rounds] for index, size in enumerate(growth.sizes[:reached])}
        dear = [size for size, answers in columns.items() if _median_seconds(answers) > budget]
        sizes = tuple(size for size in columns if not dear or size <= dear[0])
        reached = len(sizes)
        columns = {size: columns[size] for size in sizes}
        return Growth(
            calls[:reached],
            sizes,
            {size: Wanted.of(values.decode(answers[0].payload)) for size, answers in columns.items()},
            {size: _median_seconds(answers) for size, answers in columns.items()},
            {size: statistics.median(answer.mark / 1e9 for answer in answers) for size, answers in columns.items()},
            budget,
        )


def _median_seconds(answers: Sequence[Answer]) -> float:
    return statistics.median(map(_call_seconds, answers))


def _call_seconds(answer: Answer) -> float:
    return max(0, answer.cpu - answer.mark) / 1e9


def _require_passed(suite: CheckedSuite, reply: Reply) -> None:
    if reply.load.state != "loaded":
        raise bad_reference(f"it does not load: {load_error(reply.load)}")
    if suite.recording is not None:
        return  # what it answers was compared when its calls were recorded
    fixed = suite.cases[: len(suite.measured_calls)]
    for case, verdict in zip(fixed, judge_cases(fixed, reply.cases), strict=True):
        if not verdict.passed:
            raise bad_reference(f"it fails the case {case.result.name!r}: {verdict.actual}")
