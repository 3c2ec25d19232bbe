"""Removes containers, whatever happens: at once, again once an engine is back, and after dead executors."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from typing import Any

import structlog
from docker import APIClient
from docker.errors import APIError, NotFound

from services.executor.docker_engine import DockerEngine
from services.executor.docker_owner import INSTANCE_LABEL, ROLE, ROLE_LABEL, Owner, is_orphan
from services.executor.sandbox import SandboxLost

_RETRY_FIRST_SECONDS = 1.0
_RETRY_MOST_SECONDS = 30.0
_RUNNING = ("running", "paused", "restarting")
_IN_PROGRESS = "already in progress"


class Reaper:
    """Knows which containers of this executor are in use and removes the others.

    Attributes:
        removal_failures: Removals that the engine did not carry out at the first attempt.
        orphans_removed: Leftovers that a sweep found and removed.
    """

    def __init__(self, engine: DockerEngine, owner: Owner, sweep_seconds: float) -> None:
        self.removal_failures = 0
        self.orphans_removed = 0
        self._engine = engine
        self._owner = owner
        self._sweep_seconds = sweep_seconds
        self._in_use: set[str] = set()
        self._wake = asyncio.Event()
        self._sweeper: asyncio.Task[None] | None = None
        self._removals: set[asyncio.Task[None]] = set()
        self._stopped = False
        self._log = structlog.get_logger("docker")

    async def start(self) -> None:
        """Sweeps once, then again every now and then.

        Raises:
            SandboxLost: The engine does not answer.
        """
        await self.sweep()
        self._sweeper = asyncio.create_task(self._sweep_forever(), name="docker-reaper")

    async def stop(self) -> None:
        """Removes all containers of this executor, as far as the engine answers. Idempotent; raises nothing."""
        sweeper, self._sweeper = self._sweeper, None
        if sweeper is not None:
            sweeper.cancel()
            await asyncio.wait([sweeper])
        if self._removals:
            await asyncio.wait(self._removals)
        self._in_use.clear()
        self._stopped = True
        try:
            await self.sweep()
        except SandboxLost as error:
            self._log.warning("sandboxes left behind; the next executor removes them", error=str(error))

    def keep(self, name: str) -> None:
        """Marks a container that is about to be made as in use."""
        self._in_use.add(name)

    def release(self, name: str, after: Awaitable[object] | None = None) -> asyncio.Task[None]:
        """Removes a container in the background; a failed removal is made up for by the next sweep.

        Args:
            name: The container; need not exist.
            after: Something that may still be making it: waited for first.

        Returns:
            The removal. It raises nothing, and goes on if the one who waits for it is cancelled, as long as
            he waits for it with `asyncio.shield`.
        """
        removal = asyncio.create_task(self._release(name, after))
        self._removals.add(removal)
        removal.add_done_callback(self._removals.discard)
        return removal

    async def sweep(self) -> None:
        """Removes containers of this executor that are not in use, and those of executors that are gone.

        Raises:
            SandboxLost: The engine does not answer, or does not remove one; the others are removed.
        """
        found = await self._engine.call("list containers", _sandboxes)
        removed, failures = 0, []
        for name in filter(None, map(self._leftover, found)):
            try:
                await self._engine.call("remove a container", _remover(name))
                removed += 1
            except SandboxLost as error:
                failures.append(error)
        self.orphans_removed += removed
        if removed:
            self._log.info("leftover sandboxes removed", count=removed)
        if failures:
            raise failures[0]

    def _leftover(self, container: dict[str, Any]) -> str:
        """Returns the container's name if it is to be removed, else ""."""
        name = str((container.get("Names") or [container.get("Id", "")])[0]).lstrip("/")
        labels = container.get("Labels") or {}
        if labels.get(INSTANCE_LABEL) == self._owner.instance:
            return "" if name in self._in_use else name
        running = container.get("State") in _RUNNING
        age_seconds = time.time() - float(container.get("Created", time.time()))
        return name if is_orphan(labels, running=running, age_seconds=age_seconds, me=self._owner) else ""

    async def _release(self, name: str, after: Awaitable[object] | None) -> None:
        if after is not None:
            await asyncio.wait([asyncio.ensure_future(after)])
        self._in_use.discard(name)
        if self._stopped:
            return
        try:
            await self._engine.call("remove a container", _remover(name))
        except SandboxLost as error:
            self.removal_failures += 1
            self._wake.set()
            self._log.warning("a sandbox was not removed; trying again", container=name, error=str(error))

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


def _sandboxes(client: APIClient) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = client.containers(all=True, filters={"label": [f"{ROLE_LABEL}={ROLE}"]})
    return found


def _remover(name: str) -> Callable[[APIClient], None]:
    def remove(client: APIClient) -> None:
        try:
            client.remove_container(name, v=True, force=True)
        except NotFound:
            pass
        except APIError as error:
            if _IN_PROGRESS not in str(error):
                raise

    return remove
