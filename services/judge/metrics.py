"""Prometheus metrics of the judge, fed by its observer."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Histogram

from services.judge.failure import FailureReason

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0)
_OUTCOMES = ("ok", "cancelled", *(reason.value for reason in FailureReason))


@dataclass(frozen=True)
class Prices:
    """What a model costs.

    Attributes:
        usd_per_prompt_token: US dollars.
        usd_per_answer_token: US dollars.
    """

    usd_per_prompt_token: float = 0.0
    usd_per_answer_token: float = 0.0


class JudgeMetrics:
    """Everything the judge exports; an `Observer`.

    Args:
        registry: Where to.
        models: The names that calls will carry.
        prices: For the cost.
    """

    def __init__(self, registry: CollectorRegistry, models: Iterable[str], prices: Prices) -> None:
        self._prices = prices
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
        for reason in FailureReason:
            self._fallbacks.labels(reason.value)

    def model_call(self, model: str, outcome: str, seconds: float) -> None:
        """Counts one question."""
        self._requests.labels(model, outcome).inc()
        self._seconds.labels(model).observe(seconds)

    def tokens(self, model: str, prompt: int, completion: int) -> None:
        """Counts tokens and what they cost."""
        self._tokens.labels(model, "prompt").inc(prompt)
        self._tokens.labels(model, "completion").inc(completion)
        prices = self._prices
        self._cost.labels(model).inc(prompt * prices.usd_per_prompt_token + completion * prices.usd_per_answer_token)

    def fallback(self, reason: str) -> None:
        """Counts one built-in answer in the model's place."""
        self._fallbacks.labels(reason).inc()

    def _declare(self, model: str) -> None:
        """Creates a model's label sets, so that their rates exist from zero."""
        for outcome in _OUTCOMES:
            self._requests.labels(model, outcome)
        for direction in ("prompt", "completion"):
            self._tokens.labels(model, direction)
        self._seconds.labels(model)
        self._cost.labels(model)
