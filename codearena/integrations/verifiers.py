"""CodeArena for verifiers (`verifiers.v1`): the tasks of an arena as a taskset, and episodes as an environment.

The taskset's id is `codearena-taskset`::

    vf-eval codearena-taskset --env.taskset.split test -m qwen --client.base-url http://127.0.0.1:8000/v1

From Python, `load_environment(taskset={"split": "train"})`. Needs `pip install "codearena-rl[verifiers]"`.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any, Final

from codearena import ArenaClient, AsyncArenaClient, prompts
from codearena._channel import DEFAULT_ADDRESS
from codearena.evaluation.agents import Reply, Request
from codearena.evaluation.play import Terms, play
from codearena.evaluation.rollouts import Answer, Rollout
from codearena.integrations._extras import missing

try:
    import verifiers.v1 as vf
    from openai import AsyncOpenAI
    from verifiers.v1.dialects.chat import message_to_wire
except ImportError as error:
    raise missing("verifiers", "verifiers") from error

__all__ = ["ChatHarness", "CodeArenaEnv", "CodeArenaTaskset", "load_environment"]

TASKSET_ID: Final = "codearena-taskset"


class CodeArenaTaskData(vf.TaskData):
    """A task as traces keep it; `id` is its id in the arena."""

    category: str
    difficulty: str
    split: str


class CodeArenaTask(vf.Task[CodeArenaTaskData]):
    """A task of an arena. What it is worth is recorded by `CodeArenaEnv`."""


class CodeArenaConfig(vf.TasksetConfig):
    """Which tasks, and where the arena is."""

    address: str = DEFAULT_ADDRESS
    """As for `ArenaClient`."""
    token_var: str = "CODEARENA_TOKEN"  # noqa: S105 - the name of a variable
    """Environment variable that holds the bearer token, if the arena wants one."""
    split: str = "train"
    """"train", "validation" or "test"; empty for all."""
    category: str = ""
    """Only this category."""
    difficulty: str | None = None
    """Only this difficulty."""

    @property
    def token(self) -> str | None:
        """The bearer token."""
        return os.environ.get(self.token_var) or None


class CodeArenaTaskset(vf.Taskset[CodeArenaTask, CodeArenaConfig]):
    """The tasks of an arena."""

    def load(self) -> Iterable[CodeArenaTask]:
        """Yields them, ordered by id."""
        config = self.config
        with ArenaClient(config.address, token=config.token) as arena:
            tasks = arena.list_tasks(category=config.category, difficulty=config.difficulty, split=config.split)
            for task in tasks:
                data = CodeArenaTaskData(
                    id=task.task_id,
                    name=task.task_id,
                    description=task.title,
                    prompt=None,
                    system_prompt=prompts.SYSTEM,
                    category=task.category,
                    difficulty=task.difficulty.value,
                    split=task.split,
                )
                yield CodeArenaTask(data, config.task)


class ChatHarness(vf.Harness[vf.HarnessConfig]):
    """A plain conversation without tools, in this process: nothing is installed and no program is started."""

    APPENDS_SYSTEM_PROMPT = True
    SUPPORTS_RESUME = True
    EXECUTES_CODE = False
    NEEDS_CONTAINER = False

    async def launch(
        self,
        ctx: vf.ModelContext,
        trace: vf.Trace,  # noqa: ARG002 - the interface's; so are the others
        runtime: vf.Runtime,  # noqa: ARG002
        endpoint: str,
        secret: str,
        mcp_urls: dict[str, str],  # noqa: ARG002
        data: vf.TaskData,
    ) -> vf.ProgramResult:
        """Has the model answer the conversation so far, once."""
        system, prompt = self.resolve_prompt(data)
        messages: list[Any] = [{"role": "system", "content": system}] if system else []
        if isinstance(prompt, str):
            messages.append({"role": "user", "content": prompt})
        else:
            messages += [message_to_wire(message) for message in prompt or ()]
        async with AsyncOpenAI(base_url=endpoint, api_key=secret) as client:
            await client.chat.completions.create(model=ctx.model, messages=messages)
        return vf.ProgramResult(exit_code=0, stdout="", stderr="")


class CodeArenaEnvConfig(vf.EnvConfig):
    """How episodes are played."""

    agent: vf.AgentConfig = vf.AgentConfig(runtime=vf.SubprocessConfig())
    """The model under evaluation or training."""
    max_turns: int = 5
    """Answers in an episode at most; the arena may allow fewer."""
    seed: int = 0
    """Of the random inputs, the same for all episodes of a task."""
    hints: bool = True
    """Whether the arena gives hints."""
    run_id: str = ""
    """The training run, for curriculum, memory and fair share."""


class CodeArenaEnv(vf.Env[CodeArenaEnvConfig]):
    """One episode of repair: the arena is the user that the model answers.

    The reward is the highest of the episode's programs, as in `codearena eval`. An arena that fails is an error of
    the episode, never a reward.
    """

    _arena: AsyncArenaClient | None = None

    async def start(self) -> None:
        """Connects."""
        config = self.taskset.config
        self._arena = AsyncArenaClient(config.address, token=config.token)

    async def stop(self) -> None:
        """Closes the connection."""
        if self._arena is not None:
            await self._arena.close()
            self._arena = None

    async def run(self, task: vf.Task, agents: vf.Agents) -> None:
        """Plays one episode and records what it is worth."""
        if self._arena is None:
            raise RuntimeError("not connected: run episodes inside `async with env.serving()`")
        config = self.config
        terms = Terms(config.max_turns, None, config.hints, config.seed, config.run_id)
        known = await self._arena.get_task(task.data.id)
        async with agents.agent.interaction(task) as interaction:
            rollout = await play(self._arena, _Seat(interaction), known, 0, terms)
        if not interaction.trace.has_error:
            _record(interaction.trace, rollout)


class _Seat:
    """The model as an agent of `codearena.evaluation`."""

    def __init__(self, interaction: vf.Interaction) -> None:
        self._interaction = interaction

    async def answer(self, request: Request) -> Reply | None:
        segment = await self._interaction.turn(request.messages[-1].content)
        return None if segment.terminated else Reply(segment.last_reply, method="verifiers")


def _record(trace: vf.Trace, rollout: Rollout) -> None:
    trace.record_reward("reward", rollout.reward)
    turns = rollout.turns
    trace.record_metric("solved", rollout.solved_at is not None)
    trace.record_metric("turns", len(turns))
    for answer in (Answer.NO_CODE, Answer.REFUSED):
        trace.record_metric(answer.value, sum(turn.answer is answer for turn in turns))
    if turns:
        trace.record_metrics(max(turns, key=lambda turn: turn.reward).scores)


def load_environment(**settings: Any) -> CodeArenaEnv:  # noqa: ANN401 - what pydantic takes
    """Returns an environment.

    Args:
        settings: Those of `CodeArenaEnvConfig`; `taskset` may be a mapping of those of `CodeArenaConfig`.
    """
    taskset = {"id": TASKSET_ID, **(settings.pop("taskset", None) or {})}
    return CodeArenaEnv(CodeArenaEnvConfig(taskset=taskset, **settings))
