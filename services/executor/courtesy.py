"""When sandboxes are made ahead and removed, so that the programs that run are not held up by it.

To make a container takes the cores for as long as dozens of short programs. So it waits while a program runs, and for a
moment after it, in which its answer goes out and is stored; but not for long, not while somebody waits for a slot, and
never for one who waits for a sandbox. What is cheap to make waits for next to nothing.
"""

from __future__ import annotations

_PATIENCE, _MOST_PATIENCE_SECONDS = 3.0, 0.25
_REST, _MOST_REST_SECONDS = 0.35, 0.04


class Courtesy:
    """Gives way to programs for a while."""

    def __init__(self) -> None:
        self._until = 0.0
        self._programs = 0

    def working(self, programs: int, refill_seconds: float, now: float, *, pressed: bool) -> float:
        """Says how many programs run now.

        Args:
            programs: They.
            refill_seconds: How long a sandbox takes to make.
            now: Monotonic time.
            pressed: Whether others wait for a slot.

        Returns:
            For how many seconds programs are given way to.
        """
        began = programs > self._programs
        self._programs = programs
        if pressed:
            self._until = now
        elif began:
            self._until = now + min(_PATIENCE * refill_seconds, _MOST_PATIENCE_SECONDS)
        elif programs == 0:
            self._until = now + rest_seconds(refill_seconds)
        return self._until - now

    def holds(self, now: float) -> bool:
        """Whether programs are given way to."""
        return now < self._until


def rest_seconds(refill_seconds: float) -> float:
    """Returns the seconds for which the end of a program is given way to."""
    return min(_REST * refill_seconds, _MOST_REST_SECONDS)
