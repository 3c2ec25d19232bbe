"""How often somebody may do something."""

from __future__ import annotations


class Bucket:
    """A token bucket: so many at once, and so many a second over time.

    Args:
        per_second: What it gains.
        burst: What it holds; it begins full.
    """

    def __init__(self, per_second: float, burst: float) -> None:
        self.per_second = per_second
        self.burst = burst
        self._held = burst
        self._since = 0.0

    def take(self, now: float) -> float:
        """Takes one; returns 0.0, or in how many seconds there will be one.

        Args:
            now: Seconds of a clock that never goes back.
        """
        self._held = min(self.burst, self._held + (now - self._since) * self.per_second)
        self._since = now
        if self._held >= 1:
            self._held -= 1
            return 0.0
        return (1 - self._held) / self.per_second
