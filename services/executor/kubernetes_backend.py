"""The kubernetes backend: single-use pods of a cluster, made here or claimed from a warm pool of the cluster's."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from uuid import uuid4

from codearena.v1 import core_pb2
from services.executor.kubernetes_api import PodApi
from services.executor.kubernetes_canary import NetworkCanary
from services.executor.kubernetes_claim_api import ClaimApi
from services.executor.kubernetes_claims import ClaimMaker, ClaimShelf
from services.executor.kubernetes_maker import PodMaker, PodOpener
from services.executor.kubernetes_sandbox import WARM, KubernetesSandbox
from services.executor.kubernetes_settings import KubernetesSettings
from services.executor.kubernetes_shelf import PodShelf
from services.executor.kubernetes_transport import ApiServer
from services.executor.kubernetes_watch import PodWatch
from services.executor.labels import INSTANCE_LABEL, ROLE, ROLE_LABEL
from services.executor.reaper import Reaper
from services.executor.rootfs import COMMAND
from services.executor.sandbox import BackendInfo, SandboxLost

GREETED = (*COMMAND, "greeted")
"""How the harness is started in a pod, whose streams can be had only once it runs."""


class KubernetesBackend:
    """Makes sandboxes that are pods. Implements `services.executor.sandbox.SandboxBackend`.

    Several executors may share a namespace: each deletes its own pods, and those that nobody looks after.

    Attributes:
        network: Tries whether pods are cut off.
    """

    def __init__(self, settings: KubernetesSettings) -> None:
        self._settings = settings
        self._instance = uuid4().hex
        self._selector = f"{ROLE_LABEL}={ROLE},{INSTANCE_LABEL}={self._instance}"
        self._server = ApiServer(settings)
        namespace, lifetime = settings.kubernetes_namespace, settings.kubernetes_lifetime_seconds
        self._api = PodApi(self._server, namespace)
        self._watch = PodWatch(self._api, self._selector, settings.kubernetes_watch_seconds)
        opener = PodOpener(self._api, self._watch, settings.kubernetes_boot_seconds)
        shelf = PodShelf(self._api, self._watch, self._instance, lifetime)
        reaper = Reaper(shelf, "kubernetes", settings.kubernetes_sweep_seconds)
        maker = PodMaker(self._api, opener, self._watch, reaper, self._instance, settings)
        self._reapers, self._makers = [reaper], [maker.stop]
        self._make: Callable[[], Awaitable[KubernetesSandbox]] = lambda: maker.make(GREETED, WARM)
        if settings.kubernetes_warm_pool:
            claims = ClaimApi(self._server, namespace, settings.kubernetes_warm_pool, lifetime)
            reaper = Reaper(
                ClaimShelf(claims, self._instance, lifetime), "kubernetes", settings.kubernetes_sweep_seconds
            )
            claimer = ClaimMaker(claims, self._api, opener, self._watch, reaper, self._instance, settings)
            self._reapers.append(reaper)
            self._makers.append(claimer.stop)
            self._make = claimer.make
        self.network = NetworkCanary(maker, lambda: self._server.address, settings)
        self._image_id = ""
        self._stopped = False

    @property
    def instance(self) -> str:
        """The value of the label `codearena.executor` on this backend's pods."""
        return self._instance

    @property
    def relists(self) -> int:
        """How often the watch has listed pods, since the start."""
        return self._watch.relists

    @property
    def unreadable(self) -> int:
        """How many answers and events of the API server made no sense, since the start."""
        return self._server.unreadable

    @property
    def removal_failures(self) -> int:
        """How many pods could not be deleted at the first attempt, since the start."""
        return sum(reaper.removal_failures for reaper in self._reapers)

    @property
    def orphans_removed(self) -> int:
        """How many leftovers of this or of dead executors were found and deleted, since the start."""
        return sum(reaper.orphans_removed for reaper in self._reapers)

    async def start(self) -> BackendInfo:
        """Proves credentials, rights, quota and image by a sandbox, deletes leftovers; see `SandboxBackend.start`."""
        if not self._settings.kubernetes_image:
            raise SandboxLost(
                "CODEARENA_KUBERNETES_IMAGE names no sandbox image: make one with "
                "`python -m services.executor.image` and bring it to the nodes, best named by its digest"
            )
        await self._server.open()
        for reaper in self._reapers:
            await reaper.start()
        await self._watch.start()
        sandbox = await self.create()
        self._image_id = sandbox.pod.image_id
        await sandbox.destroy()
        return _describe(self._settings, self._image_id)

    async def create(self) -> KubernetesSandbox:
        """Makes a pod and waits until its harness is ready; see `SandboxBackend.create`."""
        if self._stopped:
            raise SandboxLost("the kubernetes backend is not running")
        sandbox = await self._make()
        try:
            self._check_image(sandbox.pod.image_id)
            async with asyncio.timeout(self._settings.kubernetes_boot_seconds):
                await sandbox.wait_ready()
        except BaseException as error:
            sandbox.abandon()
            if isinstance(error, TimeoutError):
                raise SandboxLost(f"the harness did not boot: {sandbox.last_words}") from error
            raise
        return sandbox

    async def ping(self) -> None:
        """Returns if pods can be listed; see `SandboxBackend.ping`."""
        await self._api.list(self._selector, limit=1)

    async def stop(self) -> None:
        """Deletes every pod of this backend; see `SandboxBackend.stop`."""
        if self._stopped:
            return
        self._stopped = True
        for stop in self._makers:
            await stop()
        for reaper in reversed(self._reapers):
            await reaper.stop()
        await self._watch.stop()
        await self._server.close()

    def _check_image(self, image_id: str) -> None:
        """Verdicts are kept by what the sandboxes are made from, which therefore must not change.

        Raises:
            SandboxLost: It has.
        """
        if self._image_id and image_id != self._image_id:
            raise SandboxLost(
                f"behind the image {self._settings.kubernetes_image} there is another one ({image_id}) than at the "
                f"start ({self._image_id}): name it by its digest, and restart the executor"
            )


def _describe(settings: KubernetesSettings, image_id: str) -> BackendInfo:
    """Says what keeps a submission in, and what of it this cluster does not do."""
    runtime = settings.kubernetes_runtime_class or "default runtime"
    parts = [
        f"kubernetes namespace {settings.kubernetes_namespace} ({runtime})",
        "no token, no name server, no capabilities, read-only root, no new privileges",
        f"{settings.kubernetes_memory_bytes >> 20} MiB, {settings.kubernetes_cpus:g} CPUs",
        f"seccomp profile {settings.kubernetes_seccomp_profile or 'of the runtime'}",
        f"image {settings.kubernetes_image}",
    ]
    if settings.kubernetes_warm_pool:
        parts.append(f"claimed from the warm pool {settings.kubernetes_warm_pool}")
    tolerated = settings.kubernetes_tolerated_probes
    if tolerated:
        parts.append(
            f"WARNING: sandboxes may reach {', '.join(tolerated)}, as CODEARENA_KUBERNETES_TOLERATED_PROBES says"
        )
    digest = f"{image_id} {runtime} {settings.kubernetes_memory_bytes}" if image_id else ""
    return BackendInfo(core_pb2.SANDBOX_BACKEND_KUBERNETES, "; ".join(parts), isolated=not tolerated, digest=digest)
