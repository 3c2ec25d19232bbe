"""One sandbox pod with a booted harness."""

from __future__ import annotations

import asyncio
from typing import cast

from services.executor.greeting import wait_for_greeting
from services.executor.kubernetes_api import PodApi
from services.executor.kubernetes_failure import ApiRefused, classify_end
from services.executor.kubernetes_status import Pod
from services.executor.kubernetes_stream import PodStream
from services.executor.kubernetes_watch import PodWatch
from services.executor.protocol import MAX_GREETING_BYTES, frame, read_frame
from services.executor.reaper import Reaper
from services.executor.sandbox import HarnessDied, SandboxLost

STATE_LABEL = "codearena.state"
WARM, LEASED = "warm", "leased"
_END_SECONDS = 12.0
_LEASE_ATTEMPTS = 3


class KubernetesSandbox:
    """A pod of its own for one job. Implements `services.executor.sandbox.Sandbox`.

    Args:
        name: The pod.
        api: Pods of the cluster.
        watch: How they stand.
        reaper: Removes it.
        stream: Its streams.
        kept: What the reaper knows it by: the pod itself, or the claim with which it goes.
        unleased: Its label `codearena.state` before it is leased; None where it has none, since a controller that gave
            it one might set that again.
    """

    def __init__(
        self,
        name: str,
        api: PodApi,
        watch: PodWatch,
        reaper: Reaper,
        stream: PodStream,
        *,
        kept: str,
        unleased: str | None = WARM,
    ) -> None:
        self.name = name
        self._api = api
        self._watch = watch
        self._reaper = reaper
        self._stream = stream
        self._kept = kept
        self._unleased = unleased
        self._leased = False
        self._removal: asyncio.Task[None] | None = None

    @property
    def pod(self) -> Pod:
        """The pod as it was last seen."""
        return self._watch.last(self.name) or Pod(self.name, gone=True)

    @property
    def alive(self) -> bool:
        """Whether it has its streams, and nobody ends its pod; see `Sandbox.alive`."""
        pod = self.pod
        return self._removal is None and self._stream.alive and not (pod.over or pod.leaving)

    async def wait_ready(self) -> None:
        """Greets the harness and waits until it answers. Has no bound of its own.

        Raises:
            SandboxLost: The harness ended, or is another one.
        """
        await wait_for_greeting(self._greeted, self._said)

    async def run(self, job: bytes) -> bytes:
        """Sends frames and returns the next reply; see `Sandbox.run`.

        The first time the pod is leased meanwhile: an answer of one that could not be leased counts for nothing.
        """
        if self._leased:
            return await self._ask(job)
        asked = asyncio.create_task(self._ask(job))
        try:
            await self._lease()
        except BaseException:
            asked.cancel()
            await asyncio.gather(asked, return_exceptions=True)
            raise
        self._leased = True
        return await asked

    async def _ask(self, job: bytes) -> bytes:
        try:
            await self._stream.write(job)
            return await self.read_frame()
        except ValueError as error:
            raise HarnessDied(f"the harness answered nonsense: {error}") from error
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            raise await self._blame() from error

    async def destroy(self) -> None:
        """Deletes the pod; see `Sandbox.destroy`. The deletion survives a cancelled caller."""
        self.abandon()
        if self._removal is not None:
            await asyncio.shield(self._removal)

    def abandon(self) -> None:
        """Begins to delete the pod, and does not wait."""
        if self._removal is None:
            self._removal = self._reaper.release(self._kept, after=self._stream.close())
            if self._kept != self.name:
                self._watch.forget(self.name)

    @property
    def last_words(self) -> str:
        """What the program said at last on stderr. Untrusted."""
        return self._stream.stderr_tail[-500:] or "it said nothing"

    async def greet(self) -> None:
        """Sends the empty frame for which the program in the pod waits.

        Raises:
            ConnectionError: It is gone.
        """
        await self._stream.write(frame(b""))

    async def read_frame(self, *, limit: int | None = None) -> bytes:
        """Reads a frame from the harness; raises as `protocol.read_frame` does."""
        # read_frame calls readexactly alone.
        reader = cast(asyncio.StreamReader, self._stream)
        return await (read_frame(reader) if limit is None else read_frame(reader, limit))

    async def _greeted(self) -> bytes:
        await self.greet()
        return await self.read_frame(limit=MAX_GREETING_BYTES)

    async def _said(self) -> str:
        return self.last_words

    async def _lease(self) -> None:
        """Marks the pod as in use, if it still is the one that was made ready, and is nobody else's.

        Raises:
            SandboxLost: It is not, or the API server is away.
            HarnessDied: It was, and what it was given has ended it.
        """
        given = pod = self.pod
        for _ in range(_LEASE_ATTEMPTS):
            if pod is not given and pod.uid == given.uid and pod.over and not (pod.gone or pod.leaving):
                raise classify_end(pod, self._stream.stderr_tail)
            if pod.over or pod.leaving or pod.labels.get(STATE_LABEL) != self._unleased:
                break
            try:
                self._watch.tell(await self._api.label(pod, {STATE_LABEL: LEASED}))
                return
            except ApiRefused as error:
                if error.status not in (404, 409):
                    raise
            pod = await self._api.read(self.name)  # its status changed meanwhile, or worse
            self._watch.tell(pod)
        raise SandboxLost(f"the sandbox's pod could not be leased: it is {_standing(pod)}")

    async def _blame(self) -> HarnessDied | SandboxLost:
        """Says who ended the streams, once the cluster knows it: the kubelet reports an end a moment later."""
        pod = await self._watch.until(self.name, lambda pod: pod.over or pod.leaving, _END_SECONDS)
        return classify_end(pod or Pod(self.name, gone=True), self._stream.stderr_tail)


def _standing(pod: Pod) -> str:
    if pod.gone or pod.leaving:
        return "deleted"
    return f"{pod.reason or pod.phase}, {pod.labels.get(STATE_LABEL, 'unlabelled')}"
