"""Test strength: how many mutants of a task's reference solution its tests tell from it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from codearena.v1 import core_pb2 as core
from codearena.v1 import executor_service_pb2 as wire
from services.authoring.mutation import Mutant, mutants
from services.authoring.sandboxes import Sandboxes
from services.env.task_schema import Task

DEFAULT_CPU_SECONDS = 2.0
"""What a test may take where its task says nothing."""
_LEAST_CPU_SECONDS, _TIMES_THE_REFERENCE = 0.2, 20.0
_GLANCE = 3
"""Of so many of a task's cases one is looked at first."""


@dataclass(frozen=True, slots=True)
class Strength:
    """What the tests of one task notice.

    Attributes:
        mutants: How many mutants there are.
        graded: How many of them were graded; those that are listed as equivalent are not among them.
        survivors: The labels of those that pass everything, with full efficiency.
        equivalent: How many are listed as equivalent.
        stale: Labels in that list which are no mutant, or one that a test tells from the reference.
    """

    mutants: int
    graded: int
    survivors: tuple[str, ...]
    equivalent: int
    stale: tuple[str, ...]

    @property
    def killed(self) -> int:
        """How many of the graded ones a test notices."""
        return self.graded - len(self.survivors)

    @property
    def share(self) -> float:
        """Killed of graded; 1 if there are none."""
        return self.killed / self.graded if self.graded else 1.0


async def measure(task: Task, boxes: Sandboxes, reference: wire.ExecuteResponse, most: int) -> Strength:
    """Grades the mutants of a task's reference solution.

    Args:
        task: The task.
        boxes: Where they are graded.
        reference: How the reference fared, for limits that stop a mutant which never ends soon.
        most: Mutants that are graded at most, taken evenly from all of them.

    Raises:
        AioRpcError: One could not be graded.
    """
    suite = wire.Suite()
    suite.CopyFrom(task.to_suite())
    limit = (task.limits and task.limits.cpu_seconds) or DEFAULT_CPU_SECONDS
    suite.limits.cpu_time.FromNanoseconds(round(min(limit, _cpu_seconds(reference)) * 1e9))
    every = mutants(task.reference)
    listed = [mutant for mutant in every if mutant.label in task.equivalent]
    others = _evenly([mutant for mutant in every if mutant.label not in task.equivalent], most)
    alive = await _survivors(others, suite, boxes)
    truly = set(await _survivors(listed, suite, boxes))
    stale = [label for label in task.equivalent if label not in truly]
    return Strength(len(every), len(others), tuple(alive), len(listed), tuple(stale))


async def _survivors(chosen: Sequence[Mutant], suite: wire.Suite, boxes: Sandboxes) -> list[str]:
    """Returns the labels of those that pass. Most fail one of a few cases already, and are spared the others."""
    glance = wire.Suite()
    glance.CopyFrom(suite)
    glance.ClearField("growth")
    glance.ClearField("draws")
    del glance.cases[1 + len(suite.cases) // _GLANCE :]
    if glance.cases:
        first = await _graded(chosen, glance, boxes)
        chosen = [mutant for mutant, response in first if response.outcome == core.OUTCOME_PASSED]
    return [mutant.label for mutant, response in await _graded(chosen, suite, boxes) if passes(response)]


async def _graded(
    chosen: Sequence[Mutant], suite: wire.Suite, boxes: Sandboxes
) -> list[tuple[Mutant, wire.ExecuteResponse]]:
    responses = await asyncio.gather(*(boxes.grade(mutant.source, suite, fresh=False) for mutant in chosen))
    return list(zip(chosen, responses, strict=True))


def passes(response: wire.ExecuteResponse) -> bool:
    """Returns whether a program passes every test with full efficiency."""
    return response.outcome == core.OUTCOME_PASSED and response.efficiency.score >= 1.0


def dearest_seconds(response: wire.ExecuteResponse) -> float:
    """Returns the CPU seconds of the dearest test; of growing inputs those of the largest."""
    return max((test.cpu_time.ToNanoseconds() / 1e9 for test in response.tests), default=0.0)


def _cpu_seconds(reference: wire.ExecuteResponse) -> float:
    return max(_LEAST_CPU_SECONDS, _TIMES_THE_REFERENCE * dearest_seconds(reference))


def _evenly(every: Sequence[Mutant], most: int) -> list[Mutant]:
    if len(every) <= most:
        return list(every)
    return [every[number * len(every) // most] for number in range(most)]
