"""One sandbox container with a booted harness."""

from __future__ import annotations

import asyncio
from typing import cast

from services.executor.docker_engine import ENGINE_ERRORS, DockerEngine
from services.executor.docker_failure import ContainerEnd, classify_end, parse_end
from services.executor.docker_stream import DockerStream
from services.executor.greeting import wait_for_greeting
from services.executor.protocol import MAX_GREETING_BYTES, read_frame
from services.executor.reaper import Reaper
from services.executor.sandbox import HarnessDied, SandboxLost

_END_SECONDS = 5
_LEAVE_SECONDS = 1.0
_LATE_OOM_ATTEMPTS = 4
_LATE_OOM_SECONDS = 0.1


class DockerSandbox:
    """A container of its own for one job. Implements `services.executor.sandbox.Sandbox`."""

    def __init__(self, name: str, engine: DockerEngine, reaper: Reaper, stream: DockerStream) -> None:
        self.name = name
        self._engine = engine
        self._reaper = reaper
        self._stream = stream
        self._has_job = self._unanswered = False
        self._removal: asyncio.Task[None] | None = None

    @property
    def alive(self) -> bool:
        """Whether the container has its streams; see `Sandbox.alive`."""
        return self._removal is None and self._stream.alive

    async def wait_ready(self) -> None:
        """Waits for the harness's greeting. Has no bound of its own.

        Raises:
            SandboxLost: The harness ended, or is another one.
        """
        await wait_for_greeting(lambda: self._read_frame(limit=MAX_GREETING_BYTES), self._last_words)

    async def run(self, job: bytes) -> bytes:
        """Sends frames and returns the next reply; see `Sandbox.run`."""
        if not self._has_job and await self._stream.ended():
            raise SandboxLost(f"the sandbox ended before it got its job: {await self._last_words()}")
        self._has_job = True
        try:
            self._unanswered = True
            await self._stream.write(job)
            reply = await self._read_frame()
            self._unanswered = False
            return reply
        except ValueError as error:
            raise HarnessDied(f"the harness answered nonsense: {error}") from error
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            end = await self._end()
            raise classify_end(end, self._stream.stderr_tail) from error

    async def destroy(self) -> None:
        """Removes the container; see `Sandbox.destroy`. The removal survives a cancelled caller."""
        if self._removal is None:
            leaving = asyncio.create_task(self._leave())
            self._removal = self._reaper.release(self.name, after=leaving)
        await asyncio.shield(self._removal)

    async def _leave(self) -> None:
        """Lets a harness that is at rest end by itself: to kill it would cost the engine another process."""
        if not self._unanswered:
            await self._stream.end(_LEAVE_SECONDS)
        self._stream.close()

    async def _read_frame(self, *, limit: int | None = None) -> bytes:
        # read_frame calls readexactly alone.
        reader = cast(asyncio.StreamReader, self._stream)
        return await (read_frame(reader) if limit is None else read_frame(reader, limit))

    async def _last_words(self) -> str:
        try:
            end = await self._end()
        except SandboxLost as error:
            return str(error)
        said = self._stream.stderr_tail[-500:] or "it said nothing"
        return f"{end.error or f'{end.status} with exit code {end.exit_code}'}; {said}"

    async def _end(self) -> ContainerEnd:
        """Asks the engine how the container ended, once it has.

        The engine learns of an end and of a kill for memory apart and may report the second late.

        Raises:
            SandboxLost: The engine is away, or has no such container.
        """
        await self._wait_for_end()
        for attempt in range(_LATE_OOM_ATTEMPTS):
            inspected = await self._engine.call("inspect a container", lambda c: c.inspect_container(self.name))
            try:
                end = parse_end(inspected)
            except ValueError as error:
                raise SandboxLost(str(error)) from error
            if end.oom_killed or not end.killed or attempt + 1 == _LATE_OOM_ATTEMPTS:
                break
            await asyncio.sleep(_LATE_OOM_SECONDS)
        return end

    async def _wait_for_end(self) -> None:
        """Streams end a moment before the container does. One that runs on is for `classify_end` to see."""
        try:
            await self._engine.attempt(
                lambda client: client.wait(self.name, timeout=_END_SECONDS), timeout_seconds=_END_SECONDS
            )
        except ENGINE_ERRORS:
            return
