"""What the charts show, as plain numbers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Final, TypeVar

from codearena._models import REWARD_COMPONENTS
from codearena.reward_log import LoggedStep

DIFFICULTIES: Final = ("EASY", "MEDIUM", "HARD", "EXPERT")
ROLLING: Final = 10
"""Steps, or episodes, in a rolling mean."""

K = TypeVar("K", bound=Hashable)


def in_order(steps: Iterable[LoggedStep]) -> list[LoggedStep]:
    """Returns steps by time; those without one keep their places."""
    return sorted(steps, key=lambda step: step.timestamp)


def rolling_mean(values: Sequence[float], window: int = ROLLING) -> list[float]:
    """Returns the mean of each value and those before it, `window` at most."""
    means, total = [], 0.0
    for number, value in enumerate(values):
        total += value - (values[number - window] if number >= window else 0.0)
        means.append(total / min(number + 1, window))
    return means


def grouped(steps: Iterable[LoggedStep], key: Callable[[LoggedStep], K]) -> dict[K, list[LoggedStep]]:
    """Returns steps by a key, in the order in which the keys first occur."""
    groups: dict[K, list[LoggedStep]] = defaultdict(list)
    for step in steps:
        groups[key(step)].append(step)
    return dict(groups)


def episodes(steps: Iterable[LoggedStep]) -> list[list[LoggedStep]]:
    """Returns the steps of each episode, episodes by the time of their last step.

    Where a step names no episode, one that does not follow on the last one of its task and sample begins a new one.
    """
    found: list[list[LoggedStep]] = []
    current: dict[tuple[str, str, int], list[LoggedStep]] = {}
    for step in in_order(steps):
        key = (step.episode_id, step.task_id, step.sample)
        before = current.get(key)
        if before is None or step.step <= before[-1].step:
            before = current[key] = []
            found.append(before)
        before.append(step)
    return sorted(found, key=lambda episode: episode[-1].timestamp)


def mean(values: Sequence[float]) -> float:
    """Returns the mean; of nothing it is 0."""
    return sum(values) / len(values) if values else 0.0


def mean_rewards(steps: Iterable[LoggedStep], key: Callable[[LoggedStep], K]) -> dict[K, float]:
    """Returns the mean reward by a key."""
    return {name: mean([step.reward for step in group]) for name, group in grouped(steps, key).items()}


def solved_by_turn(steps: Iterable[LoggedStep]) -> list[float]:
    """Returns the share of episodes that are solved by step 1, 2, and so on."""
    played = episodes(steps)
    longest = max((step.step for episode in played for step in episode), default=0)
    at = [next((step.step for step in episode if step.outcome == "PASSED"), None) for episode in played]
    return [sum(turn is not None and turn <= number for turn in at) / len(at) for number in range(1, longest + 1)]


def component_means(steps: Iterable[LoggedStep]) -> dict[str, dict[int, float]]:
    """Returns each component's mean score by step number, of the components that were scored."""
    by_number = grouped(steps, lambda step: step.step)
    found = {
        name: {
            number: mean([step.scores[name] for step in group if name in step.scores])
            for number, group in sorted(by_number.items())
            if any(name in step.scores for step in group)
        }
        for name in REWARD_COMPONENTS
    }
    return {name: means for name, means in found.items() if means}


def difficulty_levels(steps: Iterable[LoggedStep]) -> tuple[list[float], list[float]]:
    """Returns the level of each episode, 0 for easy to 3 for expert, and its highest reward, in the order of time."""
    known = [episode for episode in episodes(steps) if episode[0].difficulty.upper() in DIFFICULTIES]
    levels = [float(DIFFICULTIES.index(episode[0].difficulty.upper())) for episode in known]
    return levels, [max(step.reward for step in episode) for episode in known]
