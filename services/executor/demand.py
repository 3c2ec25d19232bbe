"""How many sandboxes ought to be ready, from what was asked for lately."""

from __future__ import annotations

import math

_FIRST_SECONDS = 0.2
_LEAST_SECONDS = 0.001
_SMOOTHING = 0.2
_MEMORY_SECONDS = 300.0
_MARGIN = 1.25


class Demand:
    """Counts what is asked for while one sandbox is made: demand rate times refill time.

    Such a count, not a mean rate, as training runs ask for a whole group at once and then for nothing. The greatest
    count is remembered, and fades over five minutes or so; a quarter more is kept to be safe.

    Args:
        now: Monotonic time.
    """

    def __init__(self, now: float) -> None:
        self._meanwhile = self._most = 0.0
        self._counted = now
        self._refill_seconds = _FIRST_SECONDS

    def asked(self, now: float) -> None:
        """Counts a request for a sandbox."""
        elapsed = now - self._counted
        self._counted = now
        self._meanwhile = 1 + self._meanwhile * math.exp(-elapsed / self._refill_seconds)
        self._most = max(self._meanwhile, self._most * math.exp(-elapsed / _MEMORY_SECONDS))

    def created(self, seconds: float) -> None:
        """Notes how long a sandbox took to make."""
        self._refill_seconds += _SMOOTHING * (max(seconds, _LEAST_SECONDS) - self._refill_seconds)

    @property
    def refill_seconds(self) -> float:
        """How long a sandbox takes to make, lately."""
        return self._refill_seconds

    def target(self, now: float) -> int:
        """Returns how many sandboxes ought to be ready."""
        return round(_MARGIN * self._most * math.exp((self._counted - now) / _MEMORY_SECONDS))
