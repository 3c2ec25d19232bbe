"""How much may be spent on models: tokens and US dollars, in an hour and for a training run."""

from __future__ import annotations

import time
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass

_HOUR_SECONDS = 3600.0
_BUCKET_SECONDS = 60.0
_KEPT_RUNS = 4096


@dataclass(frozen=True)
class Spending:
    """An amount of both."""

    tokens: int = 0
    usd: float = 0.0

    def __add__(self, other: Spending) -> Spending:
        return Spending(self.tokens + other.tokens, self.usd + other.usd)

    def __sub__(self, other: Spending) -> Spending:
        return Spending(self.tokens - other.tokens, self.usd - other.usd)


@dataclass(frozen=True)
class Limit:
    """What may be spent; None for any amount."""

    tokens: int | None = None
    usd: float | None = None

    def allows(self, spending: Spending) -> bool:
        """Returns whether an amount is within it."""
        return (self.tokens is None or spending.tokens <= self.tokens) and (
            self.usd is None or spending.usd <= self.usd
        )

    @property
    def unlimited(self) -> bool:
        """Whether anything is within it."""
        return self.tokens is None and self.usd is None


NO_LIMIT = Limit()


class Account:
    """Spending of an hour, by the minute, and of each training run, against their limits.

    The most that a call can cost is reserved before it is made, so that calls under way cannot overdraw together.
    Each process counts for itself, from its start. Of more than 4,096 runs the one that spent last longest ago is
    forgotten.

    Args:
        hourly: For an hour.
        per_run: For a training run.
        clock: Monotonic seconds.
    """

    def __init__(
        self, hourly: Limit = NO_LIMIT, per_run: Limit = NO_LIMIT, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._hourly = hourly
        self._per_run = per_run
        self._clock = clock
        self._minutes: deque[tuple[int, Spending]] = deque()
        self._runs: OrderedDict[str, Spending] = OrderedDict()
        self._reserved = Spending()

    def reserve(self, most: Spending, run_id: str) -> Reservation | None:
        """Sets the most that a call can cost aside; None if that is more than is left.

        Args:
            most: The most that it can cost.
            run_id: The training run; "" for none.
        """
        within_hour = self._hourly.unlimited or self._hourly.allows(self._last_hour() + self._reserved + most)
        within_run = not run_id or self._per_run.unlimited or self._per_run.allows(self._of_run(run_id) + most)
        if not (within_hour and within_run):
            return None
        self._reserved += most
        self._spend_of_run(run_id, most)
        return Reservation(self, most, run_id)

    def settle(self, reservation: Reservation, actual: Spending) -> None:
        """Puts what a call did cost in the place of what was reserved for it."""
        self._reserved -= reservation.most
        self._spend_of_run(reservation.run_id, actual - reservation.most)
        minute = int(self._clock() // _BUCKET_SECONDS)
        if self._minutes and self._minutes[-1][0] == minute:
            actual += self._minutes.pop()[1]
        self._minutes.append((minute, actual))
        self._forget_old()

    def _of_run(self, run_id: str) -> Spending:
        return self._runs.get(run_id, Spending())

    def _spend_of_run(self, run_id: str, amount: Spending) -> None:
        if not run_id or self._per_run.unlimited:
            return
        self._runs[run_id] = self._of_run(run_id) + amount
        self._runs.move_to_end(run_id)
        while len(self._runs) > _KEPT_RUNS:
            self._runs.popitem(last=False)

    def _last_hour(self) -> Spending:
        self._forget_old()
        return sum((spending for _, spending in self._minutes), start=Spending())

    def _forget_old(self) -> None:
        oldest = int((self._clock() - _HOUR_SECONDS) // _BUCKET_SECONDS)
        while self._minutes and self._minutes[0][0] < oldest:
            self._minutes.popleft()


@dataclass
class Reservation:
    """What was set aside for one call. Settle it once."""

    account: Account
    most: Spending
    run_id: str

    def settle(self, actual: Spending) -> None:
        """See `Account.settle`."""
        self.account.settle(self, actual)
