"""Sandboxes that are processes: each a child in namespaces of its own, below a supervisor that outlives it.

The supervisor is a lane: it has a child made, watches it through one job, ends it and has the next one made. What it
was told of a job is out of every child's reach, see `harness/template.py`.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable

from services.executor import protocol
from services.executor.cgroups import Cgroup
from services.executor.sandbox import HarnessDied, SandboxLost
from services.executor.zygote_client import Zygote

_STREAM_ERRORS = (asyncio.IncompleteReadError, ConnectionError, ValueError)


class Lane:
    """One supervisor, which serves one job at a time.

    Attributes:
        jobs: How many it has served.
        cgroup: The control group of its children, where there are any.
    """

    def __init__(
        self,
        zygote: Zygote,
        identity: int,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        cgroup: Cgroup | None,
    ) -> None:
        self.jobs = 0
        self.cgroup = cgroup
        self._zygote = zygote
        self._identity = identity
        self._reader = reader
        self._writer = writer

    @property
    def alive(self) -> bool:
        """Whether it can be expected to answer."""
        return not self._reader.at_eof() and self._zygote.lost is None

    async def ready(self) -> None:
        """Waits until a child waits for a program. Raises SandboxLost."""
        try:
            if await protocol.read_frame(self._reader, protocol.MAX_GREETING_BYTES) != protocol.READY:
                raise SandboxLost("the harness speaks another protocol than this executor")
        except _STREAM_ERRORS as error:
            raise SandboxLost(f"the sandbox ended before it was ready: {error}") from error

    async def run(self, job: bytes) -> bytes:
        """Sends frames and returns the next reply; see `Sandbox.run`."""
        try:
            self._writer.write(job)
            await self._writer.drain()
            return await protocol.read_frame(self._reader)
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            code = os.waitstatus_to_exitcode(await self._zygote.status(self._identity))
            if code < 0:  # no submission can send it a signal
                raise SandboxLost(f"somebody outside killed the sandbox (signal {-code})") from error
            raise HarnessDied(f"the harness ended with {code}") from error
        except ValueError as error:
            raise HarnessDied(f"the harness was made to answer nonsense: {error}") from error

    async def end_job(self) -> None:
        """Waits until the child of this job, or the one that waited for a job, is gone and another one waits.

        Raises:
            SandboxLost: The lane is of no use any more.
        """
        self.jobs += 1
        self._writer.write(protocol.frame(b""))
        await self.ready()

    async def close(self) -> None:
        """Kills it with everything below it and waits until that is gone."""
        self._writer.close()
        await self._zygote.kill(self._identity)


class ProcessSandbox:
    """A child that waits for one job; see `services.executor.sandbox.Sandbox`.

    Args:
        lane: Its supervisor.
        finish: Ends the sandbox: told the lane, and whether a job is unanswered. Raises nothing.
    """

    def __init__(self, lane: Lane, finish: Callable[[Lane, bool], asyncio.Task[None]]) -> None:
        self._lane = lane
        self._finish = finish
        self._unanswered = False
        self._removal: asyncio.Task[None] | None = None

    @property
    def alive(self) -> bool:
        """Whether it can be expected to take a job."""
        return self._removal is None and self._lane.alive

    async def run(self, job: bytes) -> bytes:
        """Sends a job and returns the reply; see the protocol."""
        if self._removal is not None:
            raise SandboxLost("the sandbox was destroyed")
        self._unanswered = True
        try:
            reply = await self._lane.run(job)
        except HarnessDied as death:
            if self._removal is not None:
                raise SandboxLost("the sandbox was destroyed") from death
            raise
        self._unanswered = False
        return reply

    async def destroy(self) -> None:
        """Kills the sandbox and waits until the kernel has removed it. Survives a cancelled caller."""
        if self._removal is None:
            self._removal = self._finish(self._lane, self._unanswered)
        await asyncio.shield(self._removal)
