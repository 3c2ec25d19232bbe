"""The scripted agents of the panel: each knows a way to look for a repair, and none understands the task."""

from __future__ import annotations

import random
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Self

from services.authoring.mutation import mutants
from services.env.task_schema import Task

SAMPLE = 400
"""Candidates of one agent that are graded for one task at most: mostly all, so that a solve rate is exact."""


def by_mutation(task: Task, seed: int) -> tuple[list[str], int]:
    """Returns candidates of an agent that changes one thing, drawn from all, and how many there are in all."""
    try:
        every = [mutant.source for mutant in mutants(task.buggy_code)]
    except ValueError:
        return [], 0
    return _sample(every, f"mutation/{seed}/{task.id}"), len(every)


@dataclass(frozen=True, slots=True)
class Reversal:
    """What an agent has to undo that puts lines back as the reference solution has them, without knowing which.

    Attributes:
        buggy: Lines of the buggy code.
        reference: Those of the reference solution.
        blocks: Where they differ, as slices of both.
    """

    buggy: tuple[str, ...]
    reference: tuple[str, ...]
    blocks: tuple[tuple[slice, slice], ...]

    @classmethod
    def of(cls, task: Task) -> Self:
        """Returns how a task's buggy code differs from its reference solution."""
        buggy, reference = task.buggy_code.splitlines(), task.reference.splitlines()
        found = SequenceMatcher(None, buggy, reference, autojunk=False).get_opcodes()
        blocks = tuple((slice(a, b), slice(c, d)) for kind, a, b, c, d in found if kind != "equal")
        return cls(tuple(buggy), tuple(reference), blocks)

    @property
    def places(self) -> int:
        """How many lines there are to choose from."""
        return max(len(self.blocks), sum(1 for line in self.buggy if line.strip()))

    def program(self, chosen: Collection[int]) -> str:
        """Returns the program in which these blocks are put back."""
        lines: list[str] = []
        end = 0
        for number, (old, new) in enumerate(self.blocks):
            lines += self.buggy[end : old.start]
            lines += self.reference[new] if number in chosen else self.buggy[old]
            end = old.stop
        return "\n".join([*lines, *self.buggy[end:]]) + "\n"


def _sample(every: Sequence[str], seed: str) -> list[str]:
    chosen = random.Random(seed).sample(range(len(every)), min(SAMPLE, len(every)))  # noqa: S311
    return [every[number] for number in sorted(chosen)]
