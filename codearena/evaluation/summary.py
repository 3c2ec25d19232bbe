"""The figures of an evaluation. They follow from the rollouts alone: the same rollouts give the same figures."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from codearena.evaluation.rollouts import Answer, Rollout

CONFIDENCE: Final = 0.95
_RESAMPLES: Final = 10_000
_SEED: Final = 0


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean and its interval.

    Attributes:
        mean: Over tasks, of each task's mean over its samples.
        low: Lower end of the 95 % interval, by bootstrap over tasks; None with fewer than two tasks.
        high: Upper end.
    """

    mean: float
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Summary:
    """What an evaluation found.

    Attributes:
        tasks: How many tasks have a rollout that counts.
        rollouts: How many rollouts count.
        failed: Rollouts that do not count, by reason.
        reward: The highest reward of an episode.
        first_reward: The reward of its first answer.
        solved: Share of episodes in which every test passed at some turn.
        pass_at: k to pass@k: how likely one of k first answers passes every test, without bias (Chen et al. 2021).
        solved_by_turn: Share of episodes that are solved by turn 1, 2, and so on.
        by_category: Mean reward by category of tasks.
        by_difficulty: The same by difficulty.
        answers: How many answers were graded, held no code, or were refused.
        repeat_rate: Share of graded answers that repeat an earlier fix of their episode.
        prompt_tokens: Of all answers together.
        completion_tokens: The same.
        cost_usd: The same; 0 where no prices are known.
    """

    tasks: int
    rollouts: int
    failed: Mapping[str, int]
    reward: Estimate
    first_reward: Estimate
    solved: Estimate
    pass_at: Mapping[int, Estimate]
    solved_by_turn: Sequence[float]
    by_category: Mapping[str, float]
    by_difficulty: Mapping[str, float]
    answers: Mapping[str, int]
    repeat_rate: float
    prompt_tokens: int
    completion_tokens: int
    cost_usd: float


def summarise(rollouts: Sequence[Rollout]) -> Summary:
    """Returns the figures.

    Args:
        rollouts: In any order; those that failed are counted, and are in no other figure.

    Raises:
        ValueError: None of them counts.
    """
    counted = sorted((rollout for rollout in rollouts if not rollout.failure), key=lambda rollout: rollout.key)
    failed = Counter(rollout.failure for rollout in rollouts if rollout.failure)
    if not counted:
        raise ValueError("no rollout counts: none was played to its end")
    turns = [turn for rollout in counted for turn in rollout.turns]
    graded = [turn for turn in turns if turn.answer is Answer.GRADED]
    return Summary(
        tasks=len({rollout.task_id for rollout in counted}),
        rollouts=len(counted),
        failed=dict(sorted(failed.items())),
        reward=estimate(counted, lambda rollout: rollout.reward),
        first_reward=estimate(counted, first_reward),
        solved=estimate(counted, lambda rollout: float(rollout.solved_at is not None)),
        pass_at=_pass_at(counted),
        solved_by_turn=_solved_by_turn(counted),
        by_category=_means(counted, lambda rollout: rollout.category),
        by_difficulty=_means(counted, lambda rollout: rollout.difficulty),
        answers={answer.value: sum(turn.answer is answer for turn in turns) for answer in Answer},
        repeat_rate=sum(turn.repeated for turn in graded) / len(graded) if graded else 0.0,
        prompt_tokens=sum(turn.prompt_tokens for turn in turns),
        completion_tokens=sum(turn.completion_tokens for turn in turns),
        cost_usd=math.fsum(turn.cost_usd for turn in turns),
    )


def estimate(rollouts: Sequence[Rollout], value: Callable[[Rollout], float]) -> Estimate:
    """Returns the mean of a value over tasks, with its interval."""
    return interval(list(task_means(rollouts, value).values()))


def task_means(rollouts: Sequence[Rollout], value: Callable[[Rollout], float]) -> dict[str, float]:
    """Returns each task's mean of a value over its samples, by task id."""
    values: dict[str, list[float]] = defaultdict(list)
    for rollout in rollouts:
        values[rollout.task_id].append(value(rollout))
    return {task_id: math.fsum(found) / len(found) for task_id, found in sorted(values.items())}


def interval(values: Sequence[float]) -> Estimate:
    """Returns the mean of one value a task, with a bootstrap interval (percentiles) over the tasks.

    Raises:
        ImportError: scipy is not installed; it is in the extra `eval`.
    """
    import numpy as np  # an optional extra, and slow to import
    from scipy.stats import bootstrap

    mean = math.fsum(values) / len(values)
    if len(values) < 2:
        return Estimate(mean, None, None)
    found = bootstrap(
        (np.asarray(values),),
        np.mean,
        n_resamples=_RESAMPLES,
        batch=1_000,
        confidence_level=CONFIDENCE,
        method="percentile",
        rng=np.random.default_rng(_SEED),
    ).confidence_interval
    return Estimate(mean, float(found.low), float(found.high))


def first_reward(rollout: Rollout) -> float:
    """Returns the reward of an episode's first answer; 0 without one."""
    return rollout.turns[0].reward if rollout.turns else 0.0


def solved_first(rollout: Rollout) -> bool:
    """Returns whether an episode's first answer passed every test."""
    return rollout.solved_at == 1


def _pass_at(rollouts: Sequence[Rollout]) -> dict[int, Estimate]:
    """Returns pass@k for k of 1, 2, 4 and so on, up to what every task has samples for."""
    counts: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for rollout in rollouts:
        counts[rollout.task_id][0] += 1
        counts[rollout.task_id][1] += solved_first(rollout)
    least = min(samples for samples, _ in counts.values())
    ks = [2**power for power in range(least.bit_length()) if 2**power <= least]
    return {k: interval([_unbiased(n, c, k) for n, c in counts.values()]) for k in ks}


def _unbiased(samples: int, solved: int, k: int) -> float:
    return 1.0 - math.comb(samples - solved, k) / math.comb(samples, k)


def _solved_by_turn(rollouts: Sequence[Rollout]) -> list[float]:
    longest = max((len(rollout.turns) for rollout in rollouts), default=0)
    at = [rollout.solved_at for rollout in rollouts]
    return [sum(turn is not None and turn <= number for turn in at) / len(at) for number in range(1, longest + 1)]


def _means(rollouts: Sequence[Rollout], key: Callable[[Rollout], str]) -> dict[str, float]:
    groups: dict[str, list[Rollout]] = defaultdict(list)
    for rollout in rollouts:
        groups[key(rollout)].append(rollout)
    means = {name: task_means(group, lambda rollout: rollout.reward) for name, group in groups.items()}
    return {name: math.fsum(found.values()) / len(found) for name, found in sorted(means.items())}
