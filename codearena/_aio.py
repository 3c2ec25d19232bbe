"""The asynchronous client."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from functools import partial
from types import TracebackType
from typing import Any, Self, TypeVar

import grpc

from codearena import _calls
from codearena._channel import MAX_ATTEMPTS, Connection, TLSConfig
from codearena._episode import EpisodeBase
from codearena._errors import ArenaError
from codearena._models import (
    Difficulty,
    EpisodeState,
    Grade,
    Proposal,
    RunResult,
    ServingStatus,
    StepResult,
    Task,
)
from codearena._status import error_from_call

T = TypeVar("T")


class AsyncArenaClient:
    """`ArenaClient` for asyncio: the same methods and arguments, as coroutines and async iterators.

    It belongs to the event loop of its first call.

    Example::

        async with AsyncArenaClient("127.0.0.1:50051") as arena:
            async with await arena.reset(task_id="hard-1", seed=7) as episode:
                result = await episode.step("def max_subarray_sum(arr): ...")
            async for index, grade in arena.grade_group("hard-1", codes): ...

    Args:
        address: As for `ArenaClient`.
        token: As for `ArenaClient`.
        tls: As for `ArenaClient`.
        timeout_seconds: As for `ArenaClient`.
        max_attempts: As for `ArenaClient`.
    """

    def __init__(
        self,
        address: str = "127.0.0.1:50051",
        *,
        token: str | None = None,
        tls: TLSConfig | None = None,
        timeout_seconds: float | None = None,
        max_attempts: int = MAX_ATTEMPTS,
    ) -> None:
        self._connection = Connection.build(
            address, token=token, tls=tls, timeout_seconds=timeout_seconds, max_attempts=max_attempts
        )
        self._channel: grpc.aio.Channel | None = None
        self._stubs: _calls.Stubs | None = None
        self._closed = False

    async def reset(
        self,
        task_id: str = "auto",
        *,
        seed: int | None = None,
        run_id: str = "",
        timeout_seconds: float | None = None,
    ) -> AsyncEpisode:
        """Opens an episode, as `ArenaClient.reset` does."""
        return AsyncEpisode(self, await self._send(_calls.reset(task_id, seed, run_id), timeout_seconds))

    async def step(
        self, episode_id: str, fix: str, request_id: str | None = None, *, timeout_seconds: float | None = None
    ) -> StepResult:
        """Grades a fix in an episode, as `ArenaClient.step` does."""
        return await self._send(_calls.step(episode_id, fix, request_id), timeout_seconds)

    async def get_state(self, episode_id: str, *, timeout_seconds: float | None = None) -> EpisodeState:
        """Returns an episode as it stands, as `ArenaClient.get_state` does."""
        return await self._send(_calls.get_state(episode_id), timeout_seconds)

    async def close_episode(self, episode_id: str, *, timeout_seconds: float | None = None) -> None:
        """Ends an episode, as `ArenaClient.close_episode` does."""
        await self._send(_calls.close_episode(episode_id), timeout_seconds)

    async def grade(
        self,
        task_id: str,
        code: str,
        *,
        run_id: str = "",
        fresh: bool = False,
        timeout_seconds: float | None = None,
    ) -> Grade:
        """Grades one fix for one task, as `ArenaClient.grade` does."""
        return await self._send(_calls.grade(task_id, code, run_id, fresh), timeout_seconds)

    def grade_group(
        self,
        task_id: str,
        codes: Sequence[str],
        *,
        run_id: str = "",
        fresh: bool = False,
        timeout_seconds: float | None = None,
    ) -> AsyncIterator[tuple[int, Grade | ArenaError]]:
        """Grades several fixes for one task, as `ArenaClient.grade_group` does. Iterate with `async for`."""
        return self._group(_calls.grade_group(task_id, codes, run_id, fresh), timeout_seconds)

    async def propose_fix(
        self,
        code: str | None = None,
        *,
        error_log: str = "",
        episode_id: str | None = None,
        timeout_seconds: float | None = None,
    ) -> Proposal:
        """Proposes a repair, as `ArenaClient.propose_fix` does."""
        return await self._send(_calls.propose_fix(code, error_log, episode_id), timeout_seconds)

    async def run_code(self, code: str, *, stdin: str = "", timeout_seconds: float | None = None) -> RunResult:
        """Runs any script in a sandbox, as `ArenaClient.run_code` does."""
        return await self._send(_calls.run_code(code, stdin), timeout_seconds)

    def list_tasks(
        self,
        *,
        category: str = "",
        difficulty: Difficulty | str | None = None,
        page_size: int = 0,
        timeout_seconds: float | None = None,
    ) -> AsyncIterator[Task]:
        """Iterates over the catalogue, as `ArenaClient.list_tasks` does. Iterate with `async for`."""
        return self._pages(_calls.list_tasks(category, difficulty, page_size), timeout_seconds)

    async def get_task(self, task_id: str, *, timeout_seconds: float | None = None) -> Task:
        """Returns one task of the catalogue, as `ArenaClient.get_task` does."""
        return await self._send(_calls.get_task(task_id), timeout_seconds)

    async def health(self, service: str = "", *, timeout_seconds: float | None = None) -> ServingStatus:
        """Asks the server for its health, as `ArenaClient.health` does."""
        return await self._send(_calls.health(service), timeout_seconds)

    async def close(self) -> None:
        """Closes the connection; calls in flight are cancelled. Closing twice is not an error."""
        self._closed = True
        if self._channel is not None:
            await self._channel.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def _bind(self, call: _calls.Call[T], timeout_seconds: float | None) -> Callable[[], Any]:
        if self._closed:
            raise RuntimeError("the client is closed")
        if self._stubs is None:  # not before a loop runs
            self._channel = _open(self._connection)
            self._stubs = _calls.Stubs(self._channel)
        return partial(
            self._stubs.rpc(call.method),
            call.request,
            timeout=self._connection.deadline(timeout_seconds, call.timeout_seconds),
            metadata=self._connection.metadata,
        )

    async def _send(self, call: _calls.Call[T], timeout_seconds: float | None) -> T:
        try:
            response = await self._bind(call, timeout_seconds)()
        except grpc.RpcError as error:
            raise error_from_call(error) from error
        return call.decode(response)

    async def _group(
        self, call: _calls.Call[_calls.GroupItem], timeout_seconds: float | None
    ) -> AsyncIterator[_calls.GroupItem]:
        missing = _calls.MissingItems(call)
        stream = self._bind(call, timeout_seconds)()
        try:
            async for response in stream:
                yield missing.arrived(call.decode(response))
        except grpc.RpcError as error:
            raise error_from_call(error) from error
        finally:
            stream.cancel()
        missing.check()

    async def _pages(
        self, call: _calls.Call[_calls.TaskPage] | None, timeout_seconds: float | None
    ) -> AsyncIterator[Task]:
        while call is not None:
            page = await self._send(call, timeout_seconds)
            for task in page.tasks:
                yield task
            call = _calls.next_page(call, page)


class AsyncEpisode(EpisodeBase):
    """`Episode` for asyncio, opened by `AsyncArenaClient.reset`. As an async context manager it closes itself.

    Attributes:
        episode_id: Its id.
        task: The task that was chosen; `task_id` is its id.
        observation: What the agent sees now: after the reset, then after each step.
        done: Whether it is over, as far as this object knows.
    """

    def __init__(self, arena: AsyncArenaClient, opened: _calls.Opened) -> None:
        super().__init__(opened)
        self._arena = arena

    async def step(
        self, fix: str, request_id: str | None = None, *, timeout_seconds: float | None = None
    ) -> StepResult:
        """Grades a fix, as `Episode.step` does."""
        return self._advance(await self._arena.step(self.episode_id, fix, request_id, timeout_seconds=timeout_seconds))

    async def propose_fix(self, *, timeout_seconds: float | None = None) -> Proposal:
        """Proposes a repair of the episode's last fix, or of the buggy code before the first step."""
        return await self._arena.propose_fix(episode_id=self.episode_id, timeout_seconds=timeout_seconds)

    async def get_state(self, *, timeout_seconds: float | None = None) -> EpisodeState:
        """Returns the episode as the arena has it."""
        return await self._arena.get_state(self.episode_id, timeout_seconds=timeout_seconds)

    async def close(self, *, timeout_seconds: float | None = None) -> None:
        """Ends the episode, unless it is over already."""
        if not self.done:
            await self._arena.close_episode(self.episode_id, timeout_seconds=timeout_seconds)
            self.done = True

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            await self.close()
            return
        with suppress(ArenaError):  # what went wrong inside matters more
            await self.close(timeout_seconds=_calls.CLOSE_SECONDS)


def _open(connection: Connection) -> grpc.aio.Channel:
    if connection.credentials is None:
        return grpc.aio.insecure_channel(connection.address, connection.options)
    return grpc.aio.secure_channel(connection.address, connection.credentials, connection.options)
