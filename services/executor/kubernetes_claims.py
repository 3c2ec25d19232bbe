"""Gets pods by claims on a warm pool of the cluster's, where agent-sandbox keeps one.

The pod is made by the cluster from a template, which is an operator's: before it is given anything its spec is held
against the one that this executor would have made itself.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from uuid import uuid4

from services.executor.kubernetes_api import PodApi
from services.executor.kubernetes_asked import Asked
from services.executor.kubernetes_claim_api import Claim, ClaimApi
from services.executor.kubernetes_failure import explain
from services.executor.kubernetes_maker import PodOpener
from services.executor.kubernetes_pod import differences, pooled_spec
from services.executor.kubernetes_sandbox import KubernetesSandbox
from services.executor.kubernetes_settings import KubernetesSettings
from services.executor.kubernetes_watch import PodWatch
from services.executor.labels import CLAIM_LABEL, INSTANCE_LABEL, NAME_PREFIX, ROLE, ROLE_LABEL
from services.executor.reaper import Reaper
from services.executor.sandbox import SandboxLost

_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.05, 1.0
_FINISHED_SECONDS = 120.0
_NEVER = frozenset({"WarmPoolNotFound", "TemplateNotFound", "InvalidMetadata", "ClaimExpired", "SandboxExpired"})


class ClaimShelf:
    """The claims of this executor, and those that nobody looks after. Implements `services.executor.reaper.Shelf`.

    Claims of other executors are deleted when they are older than claims get; the cluster does the same, if its
    controller runs.
    """

    def __init__(self, claims: ClaimApi, instance: str, lifetime_seconds: float) -> None:
        self._claims = claims
        self._instance = instance
        self._lifetime_seconds = lifetime_seconds

    async def leftovers(self, in_use: AbstractSet[str]) -> Sequence[str]:
        """Returns the names of claims that are to be deleted; see `Shelf.leftovers`."""
        found, now = await self._claims.list(f"{ROLE_LABEL}={ROLE}"), time.time()
        return [claim.name for claim in found if self._is_leftover(claim, in_use, now)]

    async def remove(self, name: str) -> None:
        """Deletes a claim, and with it its pod; see `Shelf.remove`."""
        await self._claims.delete(name)

    def _is_leftover(self, claim: Claim, in_use: AbstractSet[str], now: float) -> bool:
        if claim.labels.get(INSTANCE_LABEL) == self._instance:
            return claim.name not in in_use
        return now - claim.created > self._lifetime_seconds + _FINISHED_SECONDS


class ClaimMaker:
    """Gets the pods of one executor from a warm pool."""

    def __init__(
        self,
        claims: ClaimApi,
        pods: PodApi,
        opener: PodOpener,
        watch: PodWatch,
        reaper: Reaper,
        instance: str,
        settings: KubernetesSettings,
    ) -> None:
        self._claims = claims
        self._pods = pods
        self._opener = opener
        self._watch = watch
        self._reaper = reaper
        self._instance = instance
        self._settings = settings
        self._asked = Asked()

    async def make(self) -> KubernetesSandbox:
        """Claims a pod whose harness waits to be greeted. Nothing is left of a claim that fails, or is cancelled.

        Raises:
            SandboxLost: There is none in time, or it is another one than a sandbox should be.
        """
        name = f"{NAME_PREFIX}{uuid4().hex}"
        labels = {ROLE_LABEL: ROLE, INSTANCE_LABEL: self._instance}
        self._reaper.keep(name)
        making = self._asked.begin(self._claims.create(name, labels, {**labels, CLAIM_LABEL: name}))
        pod = ""
        try:
            async with asyncio.timeout(self._settings.kubernetes_boot_seconds):
                pod = await self._sandbox_of(await asyncio.shield(making))
                await self._check(pod)
            stream = await self._opener.open(pod, lambda seen: seen.labels.get(CLAIM_LABEL) == name)
        except BaseException as error:
            self._watch.forget(pod)
            self._reaper.release(name, after=making)
            if isinstance(error, TimeoutError):
                raise SandboxLost(explain("claim a sandbox", await self._why(name))) from error
            raise
        return KubernetesSandbox(pod, self._pods, self._watch, self._reaper, stream, kept=name, unleased=None)

    async def stop(self) -> None:
        """Waits for what the API server has been asked for."""
        await self._asked.end()

    async def _sandbox_of(self, claim: Claim) -> str:
        """Returns the pod that a claim got, once it has one."""
        pause = _FIRST_PAUSE_SECONDS
        while not (claim.sandbox and claim.ready):
            if claim.gone or claim.leaving or claim.reason in _NEVER:
                said = f"{claim.reason} {claim.message}".strip() or "somebody deleted the claim"
                raise SandboxLost(explain("claim a sandbox", f"warm pool {self._pool}: {said}"))
            await asyncio.sleep(pause)
            pause = min(1.5 * pause, _LONGEST_PAUSE_SECONDS)
            claim = await self._claims.read(claim.name)
        return claim.sandbox

    async def _check(self, pod: str) -> None:
        """Begins to follow a pod of the pool. Raises SandboxLost if it is not what a sandbox is."""
        self._watch.follow(pod)
        seen, spec = await self._pods.inspect(pod)
        self._watch.tell(seen)
        if found := differences(pooled_spec(self._settings), spec):
            raise SandboxLost(
                f"the pods of warm pool {self._pool} are no sandboxes: {'; '.join(found[:5])} (apply what "
                "`python -m services.executor.kubernetes_template` prints for the executor's settings)"
            )

    async def _why(self, name: str) -> str:
        claim = await self._claims.read(name)
        return f"warm pool {self._pool}: {claim.reason} {claim.message}".rstrip()

    @property
    def _pool(self) -> str:
        return str(self._settings.kubernetes_warm_pool)
