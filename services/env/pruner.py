"""Removes old episodes, a few at a time, so that steps are not held up by it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog

from services.env.store import Store, StoreDown

_BATCH = 200
_PAUSE_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Retention:
    """How long episodes are kept.

    Attributes:
        days: Those opened before that are removed, also open ones: nobody plays them any more.
        episodes: The oldest of more than these are removed.
        interval_seconds: Time between two looks.
    """

    days: float
    episodes: int
    interval_seconds: float


class Pruner:
    """Looks for old episodes now and then.

    Args:
        store: Where they are.
        retention: Which are old.
    """

    def __init__(self, store: Store, retention: Retention) -> None:
        self._store = store
        self._retention = retention
        self._log = structlog.get_logger("pruner")

    async def run(self) -> None:
        """Prunes until it is cancelled."""
        while True:
            try:
                removed = await self.prune()
            except StoreDown as error:
                self._log.warning("not pruned", why=str(error))
            else:
                if removed:
                    self._log.info("pruned", episodes=removed)
            await asyncio.sleep(self._retention.interval_seconds)

    async def prune(self) -> int:
        """Removes what is old now, in batches. Returns how many episodes that were. Raises StoreDown."""
        removed = 0
        oldest = datetime.now(UTC) - timedelta(days=self._retention.days)
        while batch := await self._store.prune(oldest, self._retention.episodes, _BATCH):
            removed += batch
            await asyncio.sleep(_PAUSE_SECONDS)
        return removed
