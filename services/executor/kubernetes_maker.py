"""Makes pods, waits until they run, and attaches to them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from uuid import uuid4

from services.executor.kubernetes_api import PodApi
from services.executor.kubernetes_asked import Asked
from services.executor.kubernetes_failure import ApiRefused, cannot_start, explain, still_waits
from services.executor.kubernetes_pod import pod_manifest
from services.executor.kubernetes_sandbox import STATE_LABEL, KubernetesSandbox
from services.executor.kubernetes_settings import KubernetesSettings
from services.executor.kubernetes_status import Pod
from services.executor.kubernetes_stream import PodStream
from services.executor.kubernetes_watch import PodWatch
from services.executor.labels import INSTANCE_LABEL, NAME_PREFIX, ROLE, ROLE_LABEL
from services.executor.reaper import Reaper
from services.executor.sandbox import SandboxLost

_ATTACH_ATTEMPTS = 4
_ATTACH_PAUSE_SECONDS = 0.25


class PodOpener:
    """Waits until pods run, and attaches to them."""

    def __init__(self, api: PodApi, watch: PodWatch, boot_seconds: float) -> None:
        self._api = api
        self._watch = watch
        self._boot_seconds = boot_seconds

    async def open(self, name: str, is_ours: Callable[[Pod], bool] = lambda _: True) -> PodStream:
        """Returns the streams of a pod that is followed.

        Args:
            name: The pod.
            is_ours: What it must be like before it counts as running.

        Raises:
            SandboxLost: It does not run in time, or nobody can attach to it.
        """
        await self._wait_until_running(name, is_ours)
        return await self._attach(name)

    async def _wait_until_running(self, name: str, is_ours: Callable[[Pod], bool]) -> None:
        seconds = self._boot_seconds
        pod = await self._watch.until(
            name, lambda pod: (pod.running and is_ours(pod)) or bool(cannot_start(pod)), seconds
        )
        pod = pod or Pod(name)
        if why := cannot_start(pod):
            raise SandboxLost(explain("start a pod", why))
        if not (pod.running and is_ours(pod)):
            raise SandboxLost(explain(f"start a pod within {seconds:g} s", still_waits(pod)))

    async def _attach(self, name: str) -> PodStream:
        """Connects to a container that runs; its node may take a moment to know that."""
        for attempt in range(1, _ATTACH_ATTEMPTS + 1):
            try:
                return PodStream(await self._api.attach(name))
            except ApiRefused:
                if attempt == _ATTACH_ATTEMPTS:
                    raise
            await asyncio.sleep(attempt * _ATTACH_PAUSE_SECONDS)
        raise AssertionError("unreachable")


class PodMaker:
    """Makes the pods of one executor."""

    def __init__(
        self,
        api: PodApi,
        opener: PodOpener,
        watch: PodWatch,
        reaper: Reaper,
        instance: str,
        settings: KubernetesSettings,
    ) -> None:
        self._api = api
        self._opener = opener
        self._watch = watch
        self._reaper = reaper
        self._instance = instance
        self._settings = settings
        self._asked = Asked()

    async def make(self, command: Sequence[str], state: str, *, resolver: bool = False) -> KubernetesSandbox:
        """Makes a pod that runs a command, and attaches to it. Nothing is left of one that fails, or is cancelled.

        Args:
            command: Its only program.
            state: Its label `codearena.state`.
            resolver: See `kubernetes_pod.pod_manifest`.

        Raises:
            SandboxLost: It cannot be made, or does not run in time.
        """
        name = f"{NAME_PREFIX}{uuid4().hex}"
        labels = {ROLE_LABEL: ROLE, INSTANCE_LABEL: self._instance, STATE_LABEL: state}
        manifest = pod_manifest(name, labels, command, self._settings, resolver=resolver)
        self._reaper.keep(name)
        self._watch.follow(name)
        making = self._asked.begin(self._api.create(manifest))
        try:
            self._watch.tell(await asyncio.shield(making))
            stream = await self._opener.open(name)
        except BaseException:
            self._reaper.release(name, after=making)
            raise
        return KubernetesSandbox(name, self._api, self._watch, self._reaper, stream, kept=name)

    async def stop(self) -> None:
        """Waits for what the API server has been asked for."""
        await self._asked.end()
