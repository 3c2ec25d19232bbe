"""The asynchronous client."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Self

from codearena import _calls
from codearena._aio_runs import AsyncRunMethods
from codearena._enums import Difficulty, Feedback, RewardMode, ServingStatus
from codearena._episode import EpisodeBase
from codearena._errors import ArenaError
from codearena._judge_models import Proposal, Review
from codearena._models import EpisodeState, Grade, RunResult, StepResult, Task
from codearena._run_models import StepCall
from codearena._streams import WINDOW, async_steps, check_window


class AsyncArenaClient(AsyncRunMethods):
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

    async def reset(
        self,
        task_id: str = "auto",
        *,
        seed: int | None = None,
        run_id: str = "",
        feedback: Feedback | str | None = None,
        hints: bool = True,
        reward_mode: RewardMode | str | None = None,
        reward_profile: str = "",
        offer_memory: bool = False,
        memory_namespace: str = "",
        split: str = "",
        timeout_seconds: float | None = None,
    ) -> AsyncEpisode:
        """Opens an episode, as `ArenaClient.reset` does."""
        options = _calls.episode_options(feedback, hints, reward_mode, reward_profile, offer_memory, memory_namespace)
        call = _calls.reset(task_id, seed, run_id, options, split)
        return AsyncEpisode(self, await self._send(call, timeout_seconds))

    async def step(
        self,
        episode_id: str,
        fix: str,
        request_id: str | None = None,
        *,
        method: str = "",
        timeout_seconds: float | None = None,
    ) -> StepResult:
        """Grades a fix in an episode, as `ArenaClient.step` does."""
        return await self._send(_calls.step(episode_id, fix, request_id, method), timeout_seconds)

    def step_stream(
        self,
        steps: Iterable[StepCall] | AsyncIterable[StepCall],
        *,
        window: int = WINDOW,
        timeout_seconds: float | None = None,
    ) -> AsyncIterator[tuple[StepCall, StepResult | ArenaError]]:
        """Grades fixes in many episodes over one stream, as `ArenaClient.step_stream` does.

        Iterate with `async for`. The steps, an iterable or an async one, are iterated in a task of their own.
        """
        if not isinstance(steps, Iterable | AsyncIterable):
            raise TypeError(f"steps must be an iterable of StepCall, not {type(steps).__name__}")
        return async_steps(
            lambda seconds: self._rpc("StepStream", seconds, seconds)(),
            lambda: self._connection.patience(timeout_seconds, _calls.STREAM_SECONDS),
            steps,
            check_window(window),
        )

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
        reward_profile: str = "",
        seed: int = 0,
        timeout_seconds: float | None = None,
    ) -> Grade:
        """Grades one fix for one task, as `ArenaClient.grade` does."""
        return await self._send(_calls.grade(task_id, code, run_id, fresh, reward_profile, seed), timeout_seconds)

    def grade_group(
        self,
        task_id: str,
        codes: Sequence[str],
        *,
        run_id: str = "",
        fresh: bool = False,
        reward_profile: str = "",
        seed: int = 0,
        timeout_seconds: float | None = None,
    ) -> AsyncIterator[tuple[int, Grade | ArenaError]]:
        """Grades several fixes for one task, as `ArenaClient.grade_group` does. Iterate with `async for`."""
        return self._group(_calls.grade_group(task_id, codes, run_id, fresh, reward_profile, seed), timeout_seconds)

    async def propose_fix(
        self,
        code: str | None = None,
        *,
        error_log: str = "",
        episode_id: str | None = None,
        description: str = "",
        run_id: str = "",
        timeout_seconds: float | None = None,
    ) -> Proposal:
        """Proposes a repair, as `ArenaClient.propose_fix` does."""
        return await self._send(_calls.propose_fix(code, error_log, episode_id, description, run_id), timeout_seconds)

    async def review_fix(
        self,
        code: str,
        *,
        task_id: str = "",
        description: str = "",
        buggy_code: str = "",
        reference_code: str = "",
        run_id: str = "",
        timeout_seconds: float | None = None,
    ) -> Review:
        """Asks the judge for its opinion of a fix, as `ArenaClient.review_fix` does."""
        call = _calls.review_fix(code, task_id, description, buggy_code, reference_code, run_id)
        return await self._send(call, timeout_seconds)

    async def run_code(self, code: str, *, stdin: str = "", timeout_seconds: float | None = None) -> RunResult:
        """Runs any script in a sandbox, as `ArenaClient.run_code` does."""
        return await self._send(_calls.run_code(code, stdin), timeout_seconds)

    def list_tasks(
        self,
        *,
        category: str = "",
        difficulty: Difficulty | str | None = None,
        split: str = "",
        page_size: int = 0,
        timeout_seconds: float | None = None,
    ) -> AsyncIterator[Task]:
        """Iterates over the catalogue, as `ArenaClient.list_tasks` does. Iterate with `async for`."""
        return self._pages(_calls.list_tasks(category, difficulty, page_size, split), timeout_seconds)

    async def get_task(self, task_id: str, *, timeout_seconds: float | None = None) -> Task:
        """Returns one task of the catalogue, as `ArenaClient.get_task` does."""
        return await self._send(_calls.get_task(task_id), timeout_seconds)

    async def health(self, service: str = "", *, timeout_seconds: float | None = None) -> ServingStatus:
        """Asks the server for its health, as `ArenaClient.health` does."""
        return await self._send(_calls.health(service), timeout_seconds)

    async def _group(
        self, call: _calls.Call[_calls.GroupItem], timeout_seconds: float | None
    ) -> AsyncIterator[_calls.GroupItem]:
        missing = _calls.MissingItems(call)
        async for item in self._stream(call, timeout_seconds):
            yield missing.arrived(item)
        missing.check()


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
        self,
        fix: str,
        request_id: str | None = None,
        *,
        method: str = "",
        timeout_seconds: float | None = None,
    ) -> StepResult:
        """Grades a fix, as `Episode.step` does."""
        return self._advance(
            await self._arena.step(self.episode_id, fix, request_id, method=method, timeout_seconds=timeout_seconds)
        )

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
