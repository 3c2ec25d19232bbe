"""On whose behalf a sandbox is asked for, and until when it is of use."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass

from services.executor.refusals import too_late


@dataclass(frozen=True, slots=True)
class Ask:
    """One request for a sandbox.

    Attributes:
        run_id: The training run; runs share the executor fairly. "" is a run of its own.
        deadline: Monotonic time after which nobody waits for the answer; None if it has none.
        weight: The run's share against that of others; 0 for the one that is configured.
    """

    run_id: str = ""
    deadline: float | None = None
    weight: float = 0.0

    @property
    def too_late(self) -> bool:
        """Whether the deadline has gone."""
        return self.deadline is not None and time.monotonic() >= self.deadline


ANYONE = Ask()
"""Asks for no run in particular, and waits for ever."""


@contextlib.asynccontextmanager
async def in_time(ask: Ask) -> AsyncIterator[None]:
    """Ends the block at the deadline.

    Raises:
        StatusError: DEADLINE_EXCEEDED; the block was cancelled.
    """
    try:
        async with asyncio.timeout_at(ask.deadline):
            yield
    except TimeoutError as error:
        raise too_late() from error
