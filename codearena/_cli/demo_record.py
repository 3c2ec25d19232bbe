"""What the demo leaves behind: a CSV of every step and a chart of the rewards."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from codearena._cli.demo_play import PlayedStep
from codearena._cli.render import short_name
from codearena._models import REWARD_COMPONENTS, REWARD_PENALTIES

COLUMNS: Final = ("timestamp", "task_id", "step", "reward", *REWARD_COMPONENTS, *REWARD_PENALTIES, "outcome", "method")


class RewardLog(AbstractContextManager["RewardLog"]):
    """Writes a CSV, a line for each step, as the steps come.

    Args:
        path: The file; it is replaced.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("w", newline="", encoding="utf-8")
        self._writer = csv.writer(self._file)
        self._writer.writerow(COLUMNS)

    def write(self, step: PlayedStep) -> None:
        """Writes a step. A component that the arena did not score stays empty."""
        result = step.result
        scores = [_rounded(result.breakdown.get(name)) for name in REWARD_COMPONENTS]
        penalties = [_rounded(result.breakdown.penalties.get(name, 0.0)) for name in REWARD_PENALTIES]
        at = step.at.isoformat(timespec="milliseconds")
        row = [at, step.task.task_id, step.number, _rounded(result.reward), *scores, *penalties]
        self._writer.writerow([*row, result.outcome.value, step.proposal.method])
        self._file.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()


def draw_rewards(played: Mapping[str, Sequence[PlayedStep]], path: Path) -> None:
    """Draws the last reward of each task, split into its components, and the first one as a mark.

    Args:
        played: Task id to its steps.
        path: Where the PNG goes.

    Raises:
        ImportError: matplotlib is not installed.
    """
    from matplotlib.figure import Figure  # an optional extra, and slow to import

    steps = {task_id: taken for task_id, taken in played.items() if taken}
    names = list(steps)
    figure = Figure(figsize=(10, 1.5 + 0.45 * len(names)), layout="constrained")
    axes = figure.subplots()
    lefts = [0.0] * len(names)
    for component in REWARD_COMPONENTS:
        parts = [_part(steps[name][-1], component) for name in names]
        axes.barh(names, parts, left=lefts, label=short_name(component))
        lefts = [left + part for left, part in zip(lefts, parts, strict=True)]
    axes.scatter([steps[name][-1].result.reward for name in names], names, c="black", marker="|", s=220, label="reward")
    axes.scatter([steps[name][0].result.reward for name in names], names, c="black", marker=".", label="first step")
    axes.set(xlim=(0, 1), xlabel="weight * score, before penalties", title="Rewards of the last step")
    axes.invert_yaxis()
    figure.legend(loc="outside right upper")
    figure.savefig(path, dpi=130)


def _rounded(number: float | None) -> float | None:
    return None if number is None else round(number, 6)


def _part(step: PlayedStep, component: str) -> float:
    breakdown = step.result.breakdown
    return breakdown.get(component, 0.0) * breakdown.weights.get(component, 0.0)
