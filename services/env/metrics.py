"""Prometheus metrics of the env service, fed by observers."""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Iterable, Iterator, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

from codearena.v1 import core_pb2 as core
from services.common import tracing
from services.common.metrics import LATENCY_BUCKETS
from services.env.rewards import COMPONENTS, Reward
from services.env.task_schema import Difficulty

_SHARES = tuple(tenth / 10 for tenth in range(11))
_STAGES = ("queue", "provision", "execute", "judge", "store", "total")
_MAX_CATEGORIES = 16  # for fewer than 3,000 series in the worst case
_OTHER = "other"
_WHOLE = "reward"
INFRA_ERROR = "infra_error"


class EnvMetrics:
    """Everything the env service exports.

    Args:
        registry: Where.
        categories: That of each task. The sixteen with most tasks have their own counts, the rest is "other".
    """

    def __init__(self, registry: CollectorRegistry, categories: Iterable[str]) -> None:
        tasks = Tally(sorted(categories))
        self._categories = frozenset(name for name, _ in tasks.most_common(_MAX_CATEGORIES))
        self._active = Gauge("codearena_episodes_active", "Open episodes.", registry=registry)
        self._levels = Gauge(
            "codearena_curriculum_level",
            "Training runs at each level of the curriculum.",
            ("level",),
            registry=registry,
        )
        labels = ("task_category", "outcome")
        self._episodes = Counter("codearena_episodes", "Finished episodes.", labels, registry=registry)
        self._steps = Counter("codearena_steps", "Graded steps.", labels, registry=registry)
        self._seconds = Histogram(
            "codearena_step_duration_seconds",
            "Where a step's time goes.",
            ("stage",),
            buckets=LATENCY_BUCKETS,
            registry=registry,
        )
        self._reward = Histogram(
            "codearena_reward",
            "Rewards and their components.",
            ("task_category", "component"),
            buckets=_SHARES,
            registry=registry,
        )
        self._totals = _RewardTotals()
        registry.register(self._totals)
        rest = [_OTHER] if len(tasks) > _MAX_CATEGORIES else []
        self._declare([*sorted(self._categories), *rest])

    def _declare(self, categories: Iterable[str]) -> None:
        self.levels({})
        for stage in _STAGES:
            self._seconds.labels(stage)
        for category in categories:
            self._totals.add(category, 0.0, 0)
            for component in (_WHOLE, *COMPONENTS):
                self._reward.labels(category, component)
            for outcome in ("solved", "exhausted", "closed"):
                self._episodes.labels(category, outcome)
            for value in core.Outcome.values()[1:]:
                self._steps.labels(category, _outcome(value))
            self._steps.labels(category, INFRA_ERROR)

    def stage(self, name: str, seconds: float) -> None:
        """Counts one stage of a step."""
        self._seconds.labels(name).observe(seconds, tracing.exemplar())

    def open_episodes(self, count: int) -> None:
        """Sets the number of open episodes."""
        self._active.set(count)

    def levels(self, runs: Mapping[str, int]) -> None:
        """Sets how many training runs are at each level."""
        for level in Difficulty:
            self._levels.labels(level.value).set(runs.get(level.value, 0))

    def episode_ended(self, category: str, outcome: str) -> None:
        """Counts an episode that ended: solved, exhausted or closed."""
        self._episodes.labels(self._category(category), outcome).inc()

    def step(self, category: str, outcome: core.Outcome.ValueType, earned: Reward) -> None:
        """Counts a graded step."""
        self._steps.labels(self._category(category), _outcome(outcome)).inc()
        self.rewarded(category, earned)

    def rewarded(self, category: str, earned: Reward) -> None:
        """Counts a reward, of a step or outside an episode."""
        category = self._category(category)
        self._totals.add(category, earned.value, 1)
        self._reward.labels(category, _WHOLE).observe(earned.value)
        for name in COMPONENTS:
            self._reward.labels(category, name).observe(earned.scores[name])

    def step_failed(self, category: str) -> None:
        """Counts a step that was not graded for a reason of ours."""
        self._steps.labels(self._category(category), INFRA_ERROR).inc()

    def _category(self, name: str) -> str:
        return name if name in self._categories else _OTHER


class _RewardTotals(Collector):
    """Sum and number of rewards by category, of which rate by rate is the mean reward.

    A collector of its own, because a plain counter `codearena_reward_sum` is refused beside a histogram
    `codearena_reward`, whose own sum has that name.
    """

    def __init__(self) -> None:
        self._totals: dict[str, tuple[float, int]] = {}

    def add(self, category: str, value: float, count: int) -> None:
        """Adds rewards."""
        total, number = self._totals.get(category, (0.0, 0))
        self._totals[category] = (total + value, number + count)

    def collect(self) -> Iterator[CounterMetricFamily]:
        """Yields the two counters."""
        total = CounterMetricFamily("codearena_reward_sum", "Sum of rewards.", labels=("task_category",))
        number = CounterMetricFamily("codearena_rewards", "Number of rewards.", labels=("task_category",))
        for category, (value, count) in self._totals.items():
            total.add_metric((category,), value)
            number.add_metric((category,), count)
        yield total
        yield number


def _outcome(value: core.Outcome.ValueType) -> str:
    return core.Outcome.Name(value).removeprefix("OUTCOME_").lower()
