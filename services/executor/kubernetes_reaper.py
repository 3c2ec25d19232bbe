"""Deletes pods, whatever happens: at once, again once the API server is back, and after dead executors."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable

import structlog

from services.executor.docker_owner import INSTANCE_LABEL, ROLE, ROLE_LABEL
from services.executor.kubernetes_api import PodApi
from services.executor.kubernetes_status import Pod
from services.executor.kubernetes_watch import PodWatch
from services.executor.sandbox import SandboxLost

_RETRY_FIRST_SECONDS = 1.0
_RETRY_MOST_SECONDS = 30.0
_FINISHED_SECONDS = 120.0


class PodReaper:
    """Knows which pods of this executor are in use and deletes the others.

    Pods of other executors are deleted when they are older than pods get (`lifetime_seconds`), or have ended two
    minutes ago and are still there: nobody looks after them. A pod whose executor is gone ends by itself: its stdin is
    closed, or nobody greets its harness.

    Attributes:
        removal_failures: Deletions that the API server did not carry out at the first attempt.
        orphans_removed: Leftovers that a sweep found and deleted.
    """

    def __init__(
        self, api: PodApi, watch: PodWatch, instance: str, sweep_seconds: float, lifetime_seconds: float
    ) -> None:
        self.removal_failures = 0
        self.orphans_removed = 0
        self._api = api
        self._watch = watch
        self._instance = instance
        self._sweep_seconds = sweep_seconds
        self._lifetime_seconds = lifetime_seconds
        self._in_use: set[str] = set()
        self._ended: dict[str, float] = {}
        self._wake = asyncio.Event()
        self._sweeper: asyncio.Task[None] | None = None
        self._removals: set[asyncio.Task[None]] = set()
        self._stopped = False
        self._log = structlog.get_logger("kubernetes")

    async def start(self) -> None:
        """Sweeps once, then again every now and then.

        Raises:
            SandboxLost: The API server does not answer.
        """
        await self.sweep()
        self._sweeper = asyncio.create_task(self._sweep_forever(), name="pod-reaper")

    async def stop(self) -> None:
        """Deletes all pods of this executor, as far as the API server answers. Idempotent; raises nothing."""
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
            self._log.warning("pods left behind; they end by themselves", error=str(error))

    def keep(self, name: str) -> None:
        """Marks a pod that is about to be made as in use."""
        self._in_use.add(name)
        self._watch.follow(name)

    def release(self, name: str, after: Awaitable[object] | None = None) -> asyncio.Task[None]:
        """Deletes a pod in the background; a failed deletion is made up for by the next sweep.

        Args:
            name: The pod; need not exist.
            after: Something that may still be using or making it: waited for first.

        Returns:
            The deletion. It raises nothing, and goes on if the one who waits for it is cancelled, as long as he waits
            for it with `asyncio.shield`.
        """
        removal = asyncio.create_task(self._release(name, after))
        self._removals.add(removal)
        removal.add_done_callback(self._removals.discard)
        return removal

    async def sweep(self) -> None:
        """Deletes pods of this executor that are not in use, and those that nobody looks after.

        Raises:
            SandboxLost: The API server does not answer, or does not delete one; the others are deleted.
        """
        found, _ = await self._api.list(f"{ROLE_LABEL}={ROLE}")
        now = time.time()
        self._ended = {pod.name: self._ended.get(pod.name, now) for pod in found if pod.over}
        removed, failures = 0, []
        for pod in found:
            if not self._is_leftover(pod, now):
                continue
            try:
                await self._api.delete(pod.name)
                removed += 1
            except SandboxLost as error:
                failures.append(error)
        self.orphans_removed += removed
        if removed:
            self._log.info("leftover pods deleted", count=removed)
        if failures:
            raise failures[0]

    def _is_leftover(self, pod: Pod, now: float) -> bool:
        if pod.labels.get(INSTANCE_LABEL) == self._instance:
            return pod.name not in self._in_use
        if now - pod.created > self._lifetime_seconds + _FINISHED_SECONDS:
            return True
        return pod.over and now - self._ended[pod.name] >= _FINISHED_SECONDS

    async def _release(self, name: str, after: Awaitable[object] | None) -> None:
        if after is not None:
            await asyncio.wait([asyncio.ensure_future(after)])
        self._in_use.discard(name)
        self._watch.forget(name)
        if self._stopped:
            return
        try:
            await self._api.delete(name)
        except SandboxLost as error:
            self.removal_failures += 1
            self._wake.set()
            self._log.warning("a pod was not deleted; trying again", pod=name, error=str(error))

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
