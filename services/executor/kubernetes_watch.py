"""One watch for all pods of this executor."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog

from services.executor.backoff import Backoff
from services.executor.kubernetes_api import PodApi
from services.executor.kubernetes_status import Pod
from services.executor.sandbox import SandboxLost

_DOUBT_SECONDS = 2.0


class PodWatch:
    """Knows how the pods that are followed stand, and wakes those who wait for one.

    A watch is listed anew when its version is too old (410), when it breaks and when it is silent. Who waits does not
    depend on it: when nothing has been heard for two seconds the pod is read, and a watch that missed it is replaced.

    Args:
        api: The cluster.
        selector: Labels of the pods.
        seconds: After that the server ends a watch, and the next one begins.

    Attributes:
        relists: How often pods have been listed since the start.
    """

    def __init__(self, api: PodApi, selector: str, seconds: int) -> None:
        self.relists = 0
        self._api = api
        self._selector = selector
        self._seconds = seconds
        self._pods: dict[str, Pod | None] = {}
        self._waiting: dict[str, set[asyncio.Future[None]]] = {}
        self._task: asyncio.Task[None] | None = None
        self._stream: asyncio.Task[None] | None = None
        self._log = structlog.get_logger("kubernetes")

    async def start(self) -> None:
        """Begins to watch.

        Raises:
            SandboxLost: The pods cannot be listed.
        """
        version = await self._list()
        self._task = asyncio.create_task(self._watch_forever(version), name="pod-watch")

    async def stop(self) -> None:
        """Ends the watch. Idempotent."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])

    def follow(self, name: str) -> None:
        """Keeps what is heard of a pod, which may not exist yet, until `forget`."""
        self._pods.setdefault(name, None)

    def forget(self, name: str) -> None:
        """Drops what is known of a pod."""
        self._pods.pop(name, None)
        self._wake(name)

    def last(self, name: str) -> Pod | None:
        """Returns how a pod was last seen; None if it never was."""
        return self._pods.get(name)

    def tell(self, pod: Pod) -> None:
        """Takes in what has been seen of a pod, unless more is known already."""
        if pod.name not in self._pods:
            return
        known = self._pods[pod.name]
        if known is not None and (known.gone or (not pod.gone and pod.is_older_than(known))):
            return
        self._pods[pod.name] = known.deleted() if pod.gone and known is not None else pod
        self._wake(pod.name)

    async def until(self, name: str, condition: Callable[[Pod], bool], seconds: float) -> Pod | None:
        """Waits until a followed pod meets a condition, or `seconds` are over.

        Returns:
            The pod as it was last seen; None if it never was.

        Raises:
            SandboxLost: It cannot be read.
        """
        deadline = asyncio.get_running_loop().time() + seconds
        while not ((pod := self._pods.get(name)) is not None and (pod.gone or condition(pod))):
            left = deadline - asyncio.get_running_loop().time()
            if left <= 0 or name not in self._pods:
                break
            if not await self._hear(name, min(left, _DOUBT_SECONDS)):
                await self._look(name)
        return pod

    async def _hear(self, name: str, seconds: float) -> bool:
        """Whether something was heard of a pod within `seconds`."""
        heard: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(name, set()).add(heard)
        try:
            async with asyncio.timeout(seconds):
                await heard
        except TimeoutError:
            return False
        finally:
            waiting = self._waiting.get(name, set())
            waiting.discard(heard)
            if not waiting:
                self._waiting.pop(name, None)
        return True

    async def _look(self, name: str) -> None:
        """Reads a pod that nothing was heard of; a watch that missed something is replaced."""
        before = self._pods.get(name)
        seen = await self._api.read(name)
        if before is None and seen.gone:
            return  # not made yet
        missed = before is None or seen.gone or before.is_older_than(seen)
        if missed and self._pods.get(name) is before:
            self._log.warning("the watch of pods is late; beginning another one", pod=name)
            if self._stream is not None:
                self._stream.cancel()
        self.tell(seen)

    def _wake(self, name: str) -> None:
        for heard in self._waiting.get(name, ()):
            if not heard.done():
                heard.set_result(None)

    async def _list(self) -> str:
        known = {name for name, pod in self._pods.items() if pod is not None}
        pods, version = await self._api.list(self._selector)
        self.relists += 1
        for pod in pods:
            self.tell(pod)
        for name in known - {pod.name for pod in pods}:
            self.tell(Pod(name, gone=True))
        return version

    async def _watch_forever(self, version: str) -> None:
        backoff = Backoff(0.1, 5.0)
        while True:
            try:
                version = await self._watch(version or await self._list())
                backoff.succeeded()
            except SandboxLost as error:
                version = ""
                pause = backoff.failed(asyncio.get_running_loop().time()) or 0.1
                self._log.info("the watch of pods broke", why=str(error), again_in_seconds=round(pause, 2))
                await asyncio.sleep(pause)

    async def _watch(self, version: str) -> str:
        """Follows one watch to its end; returns the version to go on from, or "" to list again."""
        latest = [version]
        self._stream = asyncio.create_task(self._follow(latest))
        try:
            await asyncio.wait([self._stream])
        except asyncio.CancelledError:
            self._stream.cancel()
            await asyncio.wait([self._stream])
            raise
        if self._stream.cancelled():
            return ""
        self._stream.result()
        return latest[0]

    async def _follow(self, latest: list[str]) -> None:
        async for kind, pod in self._api.watch(self._selector, latest[0], self._seconds):
            latest[0] = pod.version
            self.tell(pod)
            if kind == "DELETED":
                self.tell(pod.deleted())
