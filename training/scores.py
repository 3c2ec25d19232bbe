"""Rewards on held-out tasks, and the file that keeps them."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

SAMPLED: Final = "sampled"
GREEDY: Final = "greedy"


@dataclass(frozen=True, slots=True)
class Scores:
    """What the completions of one decoding earned.

    Attributes:
        rewards: Mean reward of each task, by its id, in [0, 1).
        components: What the reward is made of, as the mean over all completions.
        failed: Completions that the arena could not grade. They are in no other figure.
    """

    rewards: Mapping[str, float]
    components: Mapping[str, float]
    failed: int

    @property
    def mean(self) -> float:
        """The mean over tasks."""
        return math.fsum(self.rewards.values()) / len(self.rewards)


class NothingGradedError(RuntimeError):
    """The arena graded no completion, so that there is no figure."""


def scores_of(rewards: Mapping[str, Sequence[float]], components: Mapping[str, float], failed: int) -> Scores:
    """Returns the scores of rewards by task.

    Raises:
        NothingGradedError: There are none.
    """
    if not rewards:
        raise NothingGradedError("the arena graded none of the completions; see its log")
    means = {task_id: math.fsum(values) / len(values) for task_id, values in rewards.items()}
    return Scores(means, components, failed)


def save(found: Mapping[str, Scores], file: Path) -> None:
    """Writes scores as JSON."""
    document = {name: asdict(one) for name, one in found.items()}
    file.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


def load(file: Path) -> dict[str, Scores]:
    """Reads what `save` wrote.

    Raises:
        OSError: There is no such file.
        ValueError: It holds something else.
    """
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
        return {name: Scores(**one) for name, one in document.items()}
    except (AttributeError, TypeError, ValueError) as error:
        raise ValueError(f"{file} holds no scores: {error}") from error
