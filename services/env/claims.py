"""One grader of an episode at a time, among all replicas."""

from __future__ import annotations

import asyncio
import contextlib
import time
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol

import grpc
import structlog

from codearena.v1 import error_reason_pb2 as reasons
from services.common.errors import StatusError
from services.env.store import Claimed, Episode, StoreDown

_FIRST_PAUSE, _LONGEST_PAUSE = 0.02, 0.25
_RENEWALS = 3  # within the time of a lease


class ClaimStore(Protocol):
    """What claims need of a store; see `services.env.store.Store`."""

    async def claim(self, episode_id: str, holder: str, seconds: float) -> Episode:
        """Takes a claim and returns the episode."""
        ...

    async def renew(self, episode_id: str, holder: str, seconds: float) -> bool:
        """Holds a claim for longer."""
        ...

    async def release(self, episode_id: str, holder: str) -> None:
        """Gives a claim back."""
        ...


@dataclass
class Claim:
    """A claim that is held.

    Attributes:
        holder: By whom: a name that nobody else has.
        episode: As it was when the claim was taken.
        seconds: What the store took for it.
        spent: Set by who gave it back to the store in another way.
    """

    holder: str
    episode: Episode
    seconds: float
    spent: bool = False


class Claims:
    """Takes claims, keeps them while they are used, and gives them back.

    A claim is a lease: its holder renews it, and one of whom nothing was heard for the time of a lease has lost it. A
    holder that only seemed dead finds that out when it writes, so that clocks that differ cost time and nothing else.

    Args:
        store: Where they are.
        lease_seconds: Time of a lease.
    """

    def __init__(self, store: ClaimStore, lease_seconds: float) -> None:
        self._store = store
        self._lease = lease_seconds
        self._log = structlog.get_logger("claims")

    @contextlib.asynccontextmanager
    async def held(self, episode_id: str, deadline: float) -> AsyncIterator[Claim]:
        """Waits for an episode's claim and holds it while the block runs.

        Args:
            episode_id: The episode.
            deadline: Monotonic time until which to wait for it.

        Raises:
            UnknownEpisode: There is no such episode.
            StoreDown: The store does not answer.
            StatusError: DEADLINE_EXCEEDED, another one held it for too long.
        """
        holder = uuid.uuid4().hex
        claim = await self._take(episode_id, holder, deadline)
        renewing = asyncio.create_task(self._renew(episode_id, holder))
        try:
            yield claim
        finally:
            renewing.cancel()
            if not claim.spent:
                await asyncio.shield(self._release(episode_id, holder))

    async def _take(self, episode_id: str, holder: str, deadline: float) -> Claim:
        pause = _FIRST_PAUSE
        while True:
            began = time.monotonic()
            try:
                episode = await self._store.claim(episode_id, holder, self._lease)
                return Claim(holder, episode, time.monotonic() - began)
            except Claimed as claimed:
                left = deadline - time.monotonic()
                if left <= 0:
                    raise _too_late() from claimed
                await asyncio.sleep(max(0.0, min(pause, claimed.seconds, left)))
                pause = min(2 * pause, _LONGEST_PAUSE)

    async def _renew(self, episode_id: str, holder: str) -> None:
        held = True
        while held:
            await asyncio.sleep(self._lease / _RENEWALS)
            try:
                held = await self._store.renew(episode_id, holder, self._lease)
            except StoreDown as error:
                self._log.warning("a claim was not renewed", episode=episode_id, why=str(error))

    async def _release(self, episode_id: str, holder: str) -> None:
        try:
            await self._store.release(episode_id, holder)
        except StoreDown as error:
            self._log.warning("a claim was not given back; it runs out", episode=episode_id, why=str(error))


def _too_late() -> StatusError:
    return StatusError(
        grpc.StatusCode.DEADLINE_EXCEEDED,
        reasons.ERROR_REASON_DEADLINE,
        "another step of this episode was still being graded when the deadline passed; retry",
    )
