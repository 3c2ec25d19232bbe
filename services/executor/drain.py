"""How fast the queue drains, as measured."""

from __future__ import annotations

from collections import deque

_INTERVALS = 32
_LEAST_SECONDS, _MOST_SECONDS = 0.05, 60.0


class Drain:
    """The mean of the latest intervals between slots given back while requests waited."""

    def __init__(self) -> None:
        self._intervals: deque[float] = deque(maxlen=_INTERVALS)
        self._since: float | None = None

    def waiting(self, now: float) -> None:
        """Says that requests wait; measuring begins unless it is under way."""
        if self._since is None:
            self._since = now

    def gave(self, now: float) -> None:
        """Says that a slot was given back."""
        if self._since is not None:
            self._intervals.append(now - self._since)
            self._since = now

    def nothing_waits(self) -> None:
        """Says that the queue is empty; what passes from now on says nothing of its drain."""
        self._since = None

    def seconds(self, requests: int, guess_seconds: float, now: float) -> float:
        """Returns in how many seconds this many requests will have got their slots.

        Args:
            requests: How many.
            guess_seconds: For each of them, as long as nothing was measured.
            now: Monotonic time; an interval that is longer than usual already counts.

        Returns:
            From 0.05 to 60.
        """
        each = sum(self._intervals) / len(self._intervals) if self._intervals else guess_seconds
        if self._since is not None:
            each = max(each, now - self._since)
        return min(max(requests * each, _LEAST_SECONDS), _MOST_SECONDS)
