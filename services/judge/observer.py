"""What the judge tells whoever counts."""

from __future__ import annotations

from typing import Protocol


class Observer(Protocol):
    """Hears of each event once. Names of outcomes and reasons are closed sets; see `failure.FailureReason`."""

    def model_call(self, model: str, outcome: str, seconds: float) -> None:
        """A question ended.

        Args:
            model: The model's name, or "static" or "builtin".
            outcome: "ok", "cancelled" or a failure's reason.
            seconds: Elapsed time.
        """
        ...

    def tokens(self, model: str, prompt: int, completion: int, cost_usd: float) -> None:
        """The model used tokens, for so many US dollars."""
        ...

    def fallback(self, reason: str) -> None:
        """A built-in answer was given although a model is configured, as the last one that was asked gave none."""
        ...

    def asked(self, *, known: bool) -> None:
        """An opinion of a model was known or just being formed, or had to be asked for."""
        ...


class SilentObserver:
    """Counts nothing."""

    def model_call(self, model: str, outcome: str, seconds: float) -> None:
        """Ignores it."""

    def tokens(self, model: str, prompt: int, completion: int, cost_usd: float) -> None:
        """Ignores it."""

    def fallback(self, reason: str) -> None:
        """Ignores it."""

    def asked(self, *, known: bool) -> None:
        """Ignores it."""
