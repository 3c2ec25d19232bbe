"""Removes sandboxes, whatever happens: at once, again once their engine is back, and after dead executors."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Sequence
from collections.abc import Set as AbstractSet
from typing import Protocol

import structlog

from services.executor.sandbox import SandboxLost

_RETRY_FIRST_SECONDS = 1.0
_RETRY_MOST_SECONDS = 30.0


class Shelf(Protocol):
    """Where an executor's sandboxes stand: an engine's containers, or a cluster's pods."""

    async def leftovers(self, in_use: AbstractSet[str]) -> Sequence[str]:
        """Returns the names of what is to be removed: this executor's, except those in use, and what nobody owns.

        Raises:
            SandboxLost: It does not answer.
        """
        ...

    async def remove(self, name: str) -> None:
        """Removes a sandbox, which need not exist.

        Raises:
            SandboxLost: It does not answer, or refuses.
        """
        ...


class Reaper:
    """Knows which sandboxes of this executor are in use and removes the others.

    Args:
        shelf: Where they stand.
        name: Of the backend, for the log.
        sweep_seconds: How often leftovers are looked for.

    Attributes:
        removal_failures: Removals that were not carried out at the first attempt.
        orphans_removed: Leftovers that a sweep found and removed.
    """

    def __init__(self, shelf: Shelf, name: str, sweep_seconds: float) -> None:
        self.removal_failures = 0
        self.orphans_removed = 0
        self._shelf = shelf
        self._sweep_seconds = sweep_seconds
        self._in_use: set[str] = set()
        self._wake = asyncio.Event()
        self._sweeper: asyncio.Task[None] | None = None
        self._removals: set[asyncio.Task[None]] = set()
        self._stopped = False
        self._log = structlog.get_logger(name)

    async def start(self) -> None:
        """Sweeps once, then again every now and then.

        Raises:
            SandboxLost: There is no answer.
        """
        await self.sweep()
        self._sweeper = asyncio.create_task(self._sweep_forever(), name="reaper")

    async def stop(self) -> None:
        """Removes all sandboxes of this executor, as far as there is an answer. Idempotent; raises nothing."""
        sweeper, self._sweeper = self._sweeper, None
        if sweeper is None:
            return
        sweeper.cancel()
        await asyncio.wait([sweeper, *self._removals])
        self._in_use.clear()
        self._stopped = True
        try:
            await self.sweep()
        except SandboxLost as error:
            self._log.warning("sandboxes left behind; a later sweep removes them", error=str(error))

    def keep(self, name: str) -> None:
        """Marks a sandbox that is about to be made as in use."""
        self._in_use.add(name)

    def release(self, name: str, after: Awaitable[object] | None = None) -> asyncio.Task[None]:
        """Removes a sandbox in the background; a failed removal is made up for by the next sweep.

        Args:
            name: The sandbox; need not exist.
            after: Something that may still be using or making it: waited for first.

        Returns:
            The removal. It raises nothing, and goes on if the one who waits for it is cancelled, as long as
            he waits for it with `asyncio.shield`.
        """
        removal = asyncio.create_task(self._release(name, after))
        self._removals.add(removal)
        removal.add_done_callback(self._removals.discard)
        return removal

    async def sweep(self) -> None:
        """Removes sandboxes of this executor that are not in use, and those that nobody owns.

        Raises:
            SandboxLost: There is no answer, or one is not removed; the others are removed.
        """
        removed, failures = 0, []
        for name in await self._shelf.leftovers(self._in_use):
            try:
                await self._shelf.remove(name)
                removed += 1
            except SandboxLost as error:
                failures.append(error)
        self.orphans_removed += removed
        if removed:
            self._log.info("leftover sandboxes removed", count=removed)
        if failures:
            raise failures[0]

    async def _release(self, name: str, after: Awaitable[object] | None) -> None:
        if after is not None:
            await asyncio.wait([asyncio.ensure_future(after)])
        self._in_use.discard(name)
        if self._stopped:
            return
        try:
            await self._shelf.remove(name)
        except SandboxLost as error:
            self.removal_failures += 1
            self._wake.set()
            self._log.warning("a sandbox was not removed; trying again", sandbox=name, error=str(error))

    async def _sweep_forever(self) -> None:
        retry_seconds = _RETRY_FIRST_SECONDS
        pause_seconds = self._sweep_seconds
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause_seconds):
                    await self._wake.wait()
                await asyncio.sleep(retry_seconds)
            self._wake.clear()
            try:
                await self.sweep()
            except SandboxLost as error:
                self._log.warning("sweep failed", error=str(error), again_in_seconds=retry_seconds)
                retry_seconds = pause_seconds = min(2 * retry_seconds, _RETRY_MOST_SECONDS)
            else:
                retry_seconds, pause_seconds = _RETRY_FIRST_SECONDS, self._sweep_seconds
