"""Prometheus metrics of the judge, fed by its observer."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Histogram

from services.common import tracing
from services.judge.failure import FailureReason
from services.judge.proposal import Declined

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0)
_OUTCOMES = ("ok", "cancelled", *(reason.value for reason in FailureReason))


class JudgeMetrics:
    """Everything the judge exports; an `Observer`.

    Args:
        registry: Where to.
        models: The names that calls will carry.
    """

    def __init__(self, registry: CollectorRegistry, models: Iterable[str]) -> None:
        self._requests = Counter(
            "codearena_judge_requests", "Answers asked for, by how that ended.", ("model", "outcome"), registry=registry
        )
        self._seconds = Histogram(
            "codearena_judge_duration_seconds",
            "Time until there was an answer or none.",
            ("model",),
            buckets=_SECONDS,
            registry=registry,
        )
        self._tokens = Counter("codearena_judge_tokens", "Tokens used.", ("model", "direction"), registry=registry)
        self._cost = Counter("codearena_judge_cost_usd", "US dollars spent.", ("model",), registry=registry)
        self._fallbacks = Counter(
            "codearena_judge_fallbacks",
            "Built-in answers although a model is configured.",
            ("reason",),
            registry=registry,
        )
        for model in models:
            self._declare(model)
        for reason in (*FailureReason, *Declined):
            self._fallbacks.labels(reason.value)
        self._known = Counter(
            "codearena_judge_cache",
            "Opinions asked of a model, by whether they were known.",
            ("result",),
            registry=registry,
        )
        for result in ("hit", "miss"):
            self._known.labels(result)

    def model_call(self, model: str, outcome: str, seconds: float) -> None:
        """Counts one question."""
        self._requests.labels(model, outcome).inc()
        self._seconds.labels(model).observe(seconds, tracing.exemplar())

    def tokens(self, model: str, prompt: int, completion: int, cost_usd: float) -> None:
        """Counts tokens and what they cost."""
        self._tokens.labels(model, "prompt").inc(prompt)
        self._tokens.labels(model, "completion").inc(completion)
        self._cost.labels(model).inc(cost_usd)

    def fallback(self, reason: str) -> None:
        """Counts one built-in answer in the model's place."""
        self._fallbacks.labels(reason).inc()

    def asked(self, *, known: bool) -> None:
        """Counts an opinion that was known, or had to be formed."""
        self._known.labels("hit" if known else "miss").inc()

    def _declare(self, model: str) -> None:
        """Creates a model's label sets, so that their rates exist from zero."""
        for outcome in _OUTCOMES:
            self._requests.labels(model, outcome)
        for direction in ("prompt", "completion"):
            self._tokens.labels(model, direction)
        self._seconds.labels(model)
        self._cost.labels(model)
