"""What the demo leaves behind: lines of a log of every step, and a chart of the rewards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from codearena._cli.demo_play import PlayedStep
from codearena._cli.render import short_name
from codearena._models import REWARD_COMPONENTS
from codearena.reward_log import LoggedStep


def logged(step: PlayedStep) -> LoggedStep:
    """Returns a step as the log has it."""
    result = step.result
    return LoggedStep(
        task_id=step.task.task_id,
        step=step.number,
        reward=result.reward,
        timestamp=step.at.isoformat(timespec="milliseconds"),
        category=step.task.category,
        difficulty=step.task.difficulty.value,
        scores=result.breakdown,
        penalties=result.breakdown.penalties,
        outcome=result.outcome.value,
        complexity=result.grade.complexity.time_complexity,
        method=step.proposal.method,
    )


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


def _part(step: PlayedStep, component: str) -> float:
    breakdown = step.result.breakdown
    return breakdown.get(component, 0.0) * breakdown.weights.get(component, 0.0)
