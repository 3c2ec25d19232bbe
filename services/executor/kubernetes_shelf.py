"""The sandboxes of a cluster's namespace, and which of them nobody looks after."""

from __future__ import annotations

import time
from collections.abc import Sequence
from collections.abc import Set as AbstractSet

from services.executor.kubernetes_api import PodApi
from services.executor.kubernetes_status import Pod
from services.executor.kubernetes_watch import PodWatch
from services.executor.labels import CLAIM_LABEL, INSTANCE_LABEL, ROLE, ROLE_LABEL

_FINISHED_SECONDS = 120.0


class PodShelf:
    """The pods of this executor, and those that nobody looks after. Implements `services.executor.reaper.Shelf`.

    Pods of other executors are deleted when they are older than pods get (`lifetime_seconds`), or have ended two
    minutes ago and are still there. A pod whose executor is gone ends by itself: its stdin is closed, or nobody greets
    its harness.
    """

    def __init__(self, api: PodApi, watch: PodWatch, instance: str, lifetime_seconds: float) -> None:
        self._api = api
        self._watch = watch
        self._instance = instance
        self._lifetime_seconds = lifetime_seconds
        self._ended: dict[str, float] = {}

    async def leftovers(self, in_use: AbstractSet[str]) -> Sequence[str]:
        """Returns the names of pods that are to be deleted; see `Shelf.leftovers`."""
        found, _ = await self._api.list(f"{ROLE_LABEL}={ROLE}")
        now = time.time()
        self._ended = {pod.name: self._ended.get(pod.name, now) for pod in found if pod.over}
        return [pod.name for pod in found if self._is_leftover(pod, in_use, now)]

    async def remove(self, name: str) -> None:
        """Deletes a pod, of which nothing further is to be heard; see `Shelf.remove`."""
        self._watch.forget(name)
        await self._api.delete(name)

    def _is_leftover(self, pod: Pod, in_use: AbstractSet[str], now: float) -> bool:
        if CLAIM_LABEL in pod.labels:
            return False  # it goes with its claim
        if pod.labels.get(INSTANCE_LABEL) == self._instance:
            return pod.name not in in_use
        if now - pod.created > self._lifetime_seconds + _FINISHED_SECONDS:
            return True
        return pod.over and now - self._ended[pod.name] >= _FINISHED_SECONDS
