"""OpenEnv's `Environment`, played by the arena."""

from __future__ import annotations

import contextvars
from dataclasses import dataclass
from importlib import metadata
from typing import Any

from openenv.core.env_server import Environment
from openenv.core.env_server.types import EnvironmentMetadata
from openenv.core.rubrics import Rubric
from pydantic import BaseModel, ConfigDict, Field

from codearena import (
    REWARD_COMPONENTS,
    FailedPreconditionError,
    InvalidArgumentError,
    StepResult,
    Task,
)
from services.common.validation import MAX_ID_CHARACTERS
from services.gateway import convert
from services.gateway.link import ArenaLink
from services.gateway.models import CodeArenaAction, CodeArenaObservation, CodeArenaState

ENV_NAME = "codearena"
DESCRIPTION = (
    "Iterative code repair: the agent is shown buggy Python and an error log, proposes a fix, and gets a reward and a "
    "new error log from hidden tests in a throwaway sandbox, at most five times."
)
VERSION = metadata.version("codearena-rl")
SPLITS = ("train", "validation", "test")
_Id = Field(default="", max_length=MAX_ID_CHARACTERS)


@dataclass
class Socket:
    """What a WebSocket's guard and its environment tell each other.

    Attributes:
        said_close: The client ended its session itself, rather than vanishing.
    """

    said_close: bool = False


current_socket: contextvars.ContextVar[Socket | None] = contextvars.ContextVar("current_socket", default=None)


class ResetOptions(BaseModel):
    """What a reset may be given beside a seed. Anything else is refused, so that a misspelt option is not lost."""

    model_config = ConfigDict(extra="forbid")

    seed: int | None = Field(default=None, ge=0, le=2**63 - 1, description="The same seed draws the same inputs.")
    episode_id: str | None = Field(
        default=None, min_length=1, max_length=MAX_ID_CHARACTERS, description="Go on with this episode."
    )
    task_id: str = Field(
        default="auto", min_length=1, max_length=MAX_ID_CHARACTERS, description="Id, category, difficulty or auto."
    )
    split: str = Field(default="", pattern="^(|train|validation|test)$", description="Draw from this split alone.")
    index: int | None = Field(default=None, ge=0, description="With split: this task of it.")
    run_id: str = Field(default="", max_length=MAX_ID_CHARACTERS, description="The training run.")
    feedback: str | None = Field(default=None, pattern="(?i)^(full|visible|counts)$")
    hints: bool = True
    reward_mode: str | None = Field(default=None, pattern="(?i)^(absolute|improvement)$")
    reward_profile: str = _Id
    offer_memory: bool = False
    memory_namespace: str = _Id


class StepOptions(BaseModel):
    """What a step may be given beside its action."""

    timeout_s: float | None = Field(default=None, gt=0)
    episode_id: str | None = Field(default=None, min_length=1, max_length=MAX_ID_CHARACTERS)
    request_id: str | None = Field(default=None, min_length=1, max_length=MAX_ID_CHARACTERS)


class ComponentRubric(Rubric):
    """The score of one component of the reward, in [0, 1]."""

    def __init__(self, component: str) -> None:
        super().__init__()
        self._component = component

    def forward(self, action: Any, observation: Any) -> float:  # noqa: ANN401, ARG002 - as the library has it
        """Returns the component's score; 0 before anything was graded."""
        breakdown = observation.reward_breakdown
        return 0.0 if breakdown is None else breakdown.components.get(self._component, 0.0)


class ArenaRubric(Rubric):
    """The arena's reward, with its components as children, so that trainers can look into it."""

    def __init__(self) -> None:
        super().__init__()
        for component in REWARD_COMPONENTS:
            setattr(self, component, ComponentRubric(component))

    def forward(self, action: Any, observation: Any) -> float:  # noqa: ANN401 - as the library has it
        """Returns the reward that the arena gave."""
        for child in self.children():
            child(action, observation)
        return float(observation.reward)


class ArenaEnvironment(Environment[CodeArenaAction, CodeArenaObservation, CodeArenaState]):
    """One client's session: its episode in the arena, and nothing else.

    Args:
        link: The arena.
        step_timeout_seconds: For a step whose client sets no deadline.
    """

    SUPPORTS_CONCURRENT_SESSIONS = True

    def __init__(self, link: ArenaLink, step_timeout_seconds: float) -> None:
        super().__init__(rubric=ArenaRubric())
        self._link = link
        self._step_timeout_seconds = step_timeout_seconds
        self._task: Task | None = None
        self._state = CodeArenaState()
        self._client: contextvars.Context | None = None

    def reset(self, seed: int | None = None, episode_id: str | None = None, **options: Any) -> CodeArenaObservation:  # noqa: ANN401
        """Only `reset_async` is served."""
        raise NotImplementedError("this environment is asynchronous: call reset_async")

    def step(self, action: CodeArenaAction, timeout_s: float | None = None, **options: Any) -> CodeArenaObservation:  # noqa: ANN401
        """Only `step_async` is served."""
        raise NotImplementedError("this environment is asynchronous: call step_async")

    async def reset_async(
        self,
        /,
        seed: int | None = None,
        episode_id: str | None = None,
        **options: Any,  # noqa: ANN401 - checked by ResetOptions
    ) -> CodeArenaObservation:
        """Opens an episode, or goes on with one.

        Args:
            seed: The same seed draws the same task and the same inputs.
            episode_id: An episode that is open already, of whatever connection; then nothing else counts.
            options: See `ResetOptions`.

        Raises:
            ValidationError: An option is wrong, or unknown.
            ArenaError: The arena refuses, or cannot.
        """
        asked = ResetOptions(seed=seed, episode_id=episode_id, **options)
        if asked.episode_id != self._state.episode_id:
            self._leave(for_good=True)
        # kept, as the library closes sessions on threads that know nothing of whose they are
        self._client = contextvars.copy_context()
        if asked.episode_id is not None:
            return await self._resume(asked.episode_id)
        episode = await self._link.client.reset(
            await self._task_id(asked),
            seed=asked.seed,
            run_id=asked.run_id,
            feedback=asked.feedback,
            hints=asked.hints,
            reward_mode=asked.reward_mode,
            reward_profile=asked.reward_profile,
            offer_memory=asked.offer_memory,
            memory_namespace=asked.memory_namespace,
            split=asked.split,
        )
        task = await self._link.task(episode.task_id)
        seen = convert.observed(episode.episode_id, task, episode.observation)
        self._hold(task, seen, asked.run_id)
        return seen

    async def _task_id(self, asked: ResetOptions) -> str:
        if asked.index is None:
            return asked.task_id
        tasks = await self._link.tasks(asked.split)
        if asked.index >= len(tasks):
            where = f"the split {asked.split!r}" if asked.split else "the catalogue"
            raise InvalidArgumentError(f"index: {where} has {len(tasks)} tasks")
        return tasks[asked.index].task_id

    async def _resume(self, episode_id: str) -> CodeArenaObservation:
        found = await self._link.client.get_state(episode_id)
        self._link.resumed(episode_id)
        self._task = await self._link.task(found.task_id)
        self._state = convert.state(found, self._task)
        assert self._state.observation is not None, "an episode has one"
        return self._state.observation

    async def step_async(
        self,
        action: CodeArenaAction,
        timeout_s: float | None = None,
        episode_id: str | None = None,
        request_id: str | None = None,
    ) -> CodeArenaObservation:
        """Grades a fix.

        Args:
            action: The fix.
            timeout_s: Deadline in seconds; a step that misses it is not consumed.
            episode_id: The episode; None for the session's own. A request without a session has to say it.
            request_id: As the action's.

        Raises:
            ArenaError: No episode is open, or the arena refuses or cannot. Then nothing was consumed.
        """
        asked = StepOptions(timeout_s=timeout_s, episode_id=episode_id, request_id=request_id)
        if asked.episode_id is not None and asked.episode_id != self._state.episode_id:
            await self._resume(asked.episode_id)
        task, held = self._task, self._state.episode_id
        if task is None or held is None:
            raise FailedPreconditionError("no episode is open: reset first, or send the episode_id of one")
        self._link.resumed(held)
        result = await self._link.client.step(
            held,
            action.proposed_fix,
            action.request_id or asked.request_id,
            method=action.method,
            timeout_seconds=min(asked.timeout_s or self._step_timeout_seconds, self._step_timeout_seconds),
        )
        return self._graded(action, held, task, result)

    def _graded(self, action: CodeArenaAction, episode_id: str, task: Task, result: StepResult) -> CodeArenaObservation:
        seen = convert.observed(episode_id, task, result.observation, result)
        seen.reward = self._apply_rubric(action, seen)
        self._hold(task, seen, self._state.run_id)
        return seen

    def _hold(self, task: Task, seen: CodeArenaObservation, run_id: str) -> None:
        self._task = task
        rewards = [attempt.reward for attempt in seen.previous_attempts]
        self._state = convert.state_of(seen, run_id, max(rewards, default=None))

    @property
    def state(self) -> CodeArenaState:
        """The session's episode as it stands."""
        return self._state

    def get_metadata(self) -> EnvironmentMetadata:
        """Says what this environment is."""
        return EnvironmentMetadata(name=ENV_NAME, description=DESCRIPTION, version=VERSION, author="CodeArena")

    async def list_splits(self) -> list[dict[str, str]]:
        """Returns the splits of the catalogue."""
        return [{"name": name, "type": name} for name in SPLITS]

    async def list_tasks(self, split: str) -> list[dict[str, Any]]:
        """Returns the tasks of a split, in the catalogue's order."""
        return [_listed(task, index) for index, task in enumerate(await self._split(split))]

    async def num_tasks(self, split: str) -> int:
        """Returns how many tasks a split has."""
        return len(await self._split(split))

    async def get_task(self, split: str, index: int) -> dict[str, Any]:
        """Returns one task of a split. Raises IndexError if there are not so many."""
        tasks = await self._split(split)
        if not 0 <= index < len(tasks):
            raise IndexError(index)
        return _listed(tasks[index], index)

    async def get_task_range(
        self, split: str, start: int | None = None, stop: int | None = None
    ) -> list[dict[str, Any]]:
        """Returns tasks of a split as a slice would."""
        return (await self.list_tasks(split))[start:stop]

    async def _split(self, split: str) -> list[Task]:
        if split not in SPLITS:
            raise InvalidArgumentError(f"split must be one of {', '.join(SPLITS)}")
        return await self._link.tasks(split)

    def close(self) -> None:
        """Leaves the episode: for good if the client said so, else for a while.

        May be called more than once, from any thread, and before another step, which then goes on with the episode: the
        library closes sessions that are idle, though their sockets are still open. Of a request without a session the
        episode is left open, for the next request.
        """
        socket = None if self._client is None else self._client.get(current_socket)
        if socket is not None:
            self._leave(for_good=socket.said_close, context=self._client)

    def _leave(self, *, for_good: bool, context: contextvars.Context | None = None) -> None:
        held = self._state.episode_id
        if held is not None and not self._state.done:
            self._link.left(held, self._state.step_count, for_good=for_good, context=context)


def _listed(task: Task, index: int) -> dict[str, Any]:
    return {"id": task.task_id, "index": index, **convert.summarised(task).model_dump()}
