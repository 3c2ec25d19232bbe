"""What the episodes of `style: environment` come to, told to TensorBoard and to an evaluation."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from statistics import fmean

from codearena.integrations.trl import RepairEnvironment


class EpisodeLog:
    """A reward function that rewards nothing, and logs what the best program of each episode is made of.

    Attributes:
        rewards: Of the episodes since it was last cleared, by task.
        failed: Episodes that the arena failed.
    """

    __name__ = "episodes"

    def __init__(self) -> None:
        self.rewards: dict[str, list[float]] = defaultdict(list)
        self.failed = 0

    def __call__(
        self,
        completions: Sequence[object],
        environments: Sequence[RepairEnvironment],
        task_id: Sequence[str],
        log_metric: Callable[[str, float], None],
        **_: object,
    ) -> list[None]:
        """Returns no reward for any completion."""
        scores: dict[str, list[float]] = defaultdict(list)
        for environment, task in zip(environments, task_id, strict=True):
            reward = environment.get_reward()
            if reward is None:
                self.failed += 1
                continue
            self.rewards[task].append(reward)
            if environment.best is not None:
                for name, score in environment.best.breakdown.items():
                    scores[name].append(score)
        for name, values in scores.items():
            log_metric(f"codearena/{name}", fmean(values))
        return [None] * len(completions)

    def clear(self) -> None:
        """Forgets."""
        self.rewards.clear()
        self.failed = 0
