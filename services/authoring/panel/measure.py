"""Solve rates of the panel, and the difficulty that follows from them."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from dataclasses import dataclass

from codearena.v1 import executor_service_pb2 as wire
from services.authoring.check.strength import dearest_seconds, passes
from services.authoring.panel.agents import Reversal, by_mutation
from services.authoring.sandboxes import Sandboxes
from services.env.feedback import Feedback, error_log
from services.env.task_schema import Difficulty, Task
from services.judge.fixer.engine import propose

TRIES = 5
"""Tries of an agent: the steps of an episode."""
EASY, MEDIUM, HARD = 0.15, 0.05, 0.01
"""Solve rates from which a task is easy, medium, hard; below the last one it is expert."""


@dataclass(frozen=True, slots=True)
class Measured:
    """How the panel fares with one task: solve rates in [0, 1] with `TRIES` tries.

    Attributes:
        task: The task.
        identity: Of an agent that hands in what it was given.
        pattern: Of the built-in fixer, which is deterministic: 0 or 1.
        mutation: Of one that changes one thing at random.
        line: Of one that puts lines back as they were before the bug, and does not know which.
    """

    task: Task
    identity: float
    pattern: float
    mutation: float
    line: float

    @property
    def rate(self) -> float:
        """The panel's solve rate: the mean of its agents'."""
        return (self.identity + self.pattern + self.mutation + self.line) / 4

    @property
    def difficulty(self) -> Difficulty:
        """The label that follows."""
        if self.rate >= EASY:
            return Difficulty.EASY
        if self.rate >= MEDIUM:
            return Difficulty.MEDIUM
        return Difficulty.HARD if self.rate >= HARD else Difficulty.EXPERT


async def measure(task: Task, boxes: Sandboxes, seed: int) -> Measured:
    """Has the panel play one task.

    Raises:
        AioRpcError: A program could not be graded.
    """
    reference = await boxes.grade(task.reference, task.to_suite(), fresh=False)
    suite = wire.Suite()
    suite.CopyFrom(task.to_suite())
    suite.limits.cpu_time.FromMilliseconds(round(1000 * min(2.0, max(0.2, 20 * dearest_seconds(reference)))))
    identity = passes(await boxes.grade(task.buggy_code, suite, fresh=False))
    pattern = await _pattern(task, suite, boxes)
    mutation = await _search(*by_mutation(task, seed), suite, boxes)
    line = await _reversal(Reversal.of(task), suite, boxes)
    return Measured(task, float(identity), float(pattern), mutation, line)


async def _pattern(task: Task, suite: wire.Suite, boxes: Sandboxes) -> bool:
    code, attempts = task.buggy_code, [task.buggy_code]
    response = await boxes.grade(code, suite, fresh=False)
    for _ in range(TRIES):
        code, changes = await asyncio.to_thread(
            propose, code, error_log(response, Feedback.FULL), task.description, attempts
        )
        if not changes:
            return False
        attempts.append(code)
        response = await boxes.grade(code, suite, fresh=False)
        if passes(response):
            return True
    return False


async def _search(candidates: Sequence[str], total: int, suite: wire.Suite, boxes: Sandboxes) -> float:
    responses = await asyncio.gather(*(boxes.grade(code, suite, fresh=False) for code in candidates))
    return chance(len(candidates), sum(map(passes, responses)), total)


async def _reversal(parts: Reversal, suite: wire.Suite, boxes: Sandboxes) -> float:
    """Finds out which blocks have to be put back; each of them has to be among the lines that are tried."""

    async def solved(*chosen: int) -> bool:
        return passes(await boxes.grade(parts.program(chosen), suite, fresh=False))

    every = range(len(parts.blocks))
    enough = await asyncio.gather(*(solved(*(other for other in every if other != block)) for block in every))
    needed = [block for block in every if not enough[block]]
    if needed and len(needed) < len(every) and not await solved(*needed):
        needed = list(every)
    if not needed and not any(await asyncio.gather(*(solved(block) for block in every))):
        needed = list(every)
    return met(parts.places, max(1, len(needed)))


def met(places: int, needed: int, tries: int = TRIES) -> float:
    """Returns the chance that a few lines, drawn without replacement, hold all that are needed.

    Args:
        places: Lines to draw from.
        needed: How many of them are needed.
        tries: How many are drawn.
    """
    drawn = min(tries, places)
    return math.comb(places - needed, drawn - needed) / math.comb(places, drawn) if needed <= drawn else 0.0


def chance(graded: int, solved: int, total: int, tries: int = TRIES) -> float:
    """Returns the chance that one of a few candidates, drawn without replacement, is a solution.

    Args:
        graded: Candidates of a sample.
        solved: Solutions among them.
        total: Candidates in all; as many of them are solutions as the sample's share tells, rounded.
        tries: How many are drawn.
    """
    if not graded or not solved:
        return 0.0
    solutions = max(1, round(solved * total / graded))
    return 1.0 - math.comb(total - solutions, min(tries, total)) / math.comb(total, min(tries, total))
