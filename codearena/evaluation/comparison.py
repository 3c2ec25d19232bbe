"""Two evaluations of the same tasks, side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from codearena.evaluation.rollouts import Rollout
from codearena.evaluation.summary import Estimate, first_reward, interval, solved_first, task_means

_RESAMPLES: Final = 9_999
_SEED: Final = 0


@dataclass(frozen=True, slots=True)
class Difference:
    """How much more B has than A, by tasks that both played.

    Attributes:
        a: A's mean over these tasks.
        b: B's.
        difference: B minus A, with its 95 % interval, by bootstrap over tasks.
        p_value: Of the paired permutation test, two-sided: how likely a difference so large is where A and B are alike.
    """

    a: float
    b: float
    difference: Estimate
    p_value: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two evaluations.

    Attributes:
        tasks: How many tasks both played.
        only_a: Tasks that A alone played; they are in no figure.
        only_b: The same of B.
        reward: The highest reward of an episode.
        first_reward: The reward of the first answer.
        solved: Share of episodes solved at some turn.
        pass_at_1: Share of first answers that pass every test.
        better: Tasks on which B's mean reward is higher by more than a thousandth.
        worse: On which it is lower.
        equal: The others.
    """

    tasks: int
    only_a: Sequence[str]
    only_b: Sequence[str]
    reward: Difference
    first_reward: Difference
    solved: Difference
    pass_at_1: Difference
    better: int
    worse: int
    equal: int


def compare(a: Sequence[Rollout], b: Sequence[Rollout]) -> Comparison:
    """Compares B with A. Rollouts that failed are left out.

    Raises:
        ValueError: No task was played by both.
    """
    a = [rollout for rollout in a if not rollout.failure]
    b = [rollout for rollout in b if not rollout.failure]
    of_a, of_b = ({rollout.task_id for rollout in rollouts} for rollouts in (a, b))
    both = sorted(of_a & of_b)
    if not both:
        raise ValueError("no task was played to its end in both evaluations")
    reward = _Pairs(a, b, both, lambda rollout: rollout.reward)
    steps = [later - earlier for earlier, later in zip(reward.a, reward.b, strict=True)]
    better, worse = (sum(step * sign > 0.001 for step in steps) for sign in (1, -1))
    return Comparison(
        tasks=len(both),
        only_a=sorted(of_a - of_b),
        only_b=sorted(of_b - of_a),
        reward=reward.difference(),
        first_reward=_Pairs(a, b, both, first_reward).difference(),
        solved=_Pairs(a, b, both, lambda rollout: float(rollout.solved_at is not None)).difference(),
        pass_at_1=_Pairs(a, b, both, lambda rollout: float(solved_first(rollout))).difference(),
        better=better,
        worse=worse,
        equal=len(both) - better - worse,
    )


class _Pairs:
    """One value of each task in both evaluations."""

    def __init__(
        self, a: Sequence[Rollout], b: Sequence[Rollout], tasks: Sequence[str], value: Callable[[Rollout], float]
    ) -> None:
        of_a, of_b = task_means(a, value), task_means(b, value)
        self.a = [of_a[task] for task in tasks]
        self.b = [of_b[task] for task in tasks]

    def difference(self) -> Difference:
        found = interval([b - a for a, b in zip(self.a, self.b, strict=True)])
        count = len(self.a)
        return Difference(sum(self.a) / count, sum(self.b) / count, found, self._p_value())

    def _p_value(self) -> float:
        """Returns the chance of so large a mean difference if A and B might as well be exchanged, task by task."""
        import numpy as np
        from scipy.stats import permutation_test

        if self.a == self.b or len(self.a) < 2:
            return 1.0
        found = permutation_test(
            (np.asarray(self.b), np.asarray(self.a)),
            lambda b, a, axis: np.round(np.mean(b - a, axis=axis), 12),
            permutation_type="samples",
            vectorized=True,
            n_resamples=_RESAMPLES,
            batch=1_000,
            rng=np.random.default_rng(_SEED),
        )
        return float(found.pvalue)
