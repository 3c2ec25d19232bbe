"""Who plays: the interface of an agent, and the agents that need no model in this process."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from codearena._aio import AsyncEpisode
from codearena.evaluation.rollouts import Rollout

MAX_REPLY_BYTES: Final = 4 * 1024 * 1024
"""Of an answer, more is not read."""


class AgentError(Exception):
    """An agent could not answer, after the retries that made sense: a server that is down, a program that crashed.

    The rollout counts as failed: it is in no figure.
    """


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a conversation.

    Attributes:
        role: "system", "user" or "assistant".
        content: Its text.
    """

    role: str
    content: str


@dataclass(frozen=True, slots=True)
class Request:
    """What an agent is asked.

    Attributes:
        messages: The conversation so far; the last one is the arena's.
        episode: The episode as it stands, for agents that look at it rather than at the messages.
        sample: Which of the task's episodes, from 0.
        seed: For agents that draw: the same for the same episode of an evaluation.
        turn: From 1.
    """

    messages: Sequence[Message]
    episode: AsyncEpisode
    sample: int
    seed: int
    turn: int


@dataclass(frozen=True, slots=True)
class Reply:
    """What an agent answered.

    Attributes:
        text: The answer; the program is taken out of it.
        code: The program, where the agent knows it; None to have it taken out of the text.
        method: Who or what made it.
        prompt_tokens: What a model read.
        completion_tokens: What it wrote.
        cost_usd: US dollars, where prices are known.
    """

    text: str
    code: str | None = None
    method: str = ""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost_usd: float = 0.0


class Agent(Protocol):
    """Answers, many requests at a time."""

    async def answer(self, request: Request) -> Reply | None:
        """Returns an answer; None if the agent has nothing further to propose, which ends the episode.

        Raises:
            AgentError: It cannot answer.
            ArenaError: The arena, which it asked, failed.
        """
        ...


class BuiltinAgent:
    """The arena's own ProposeFix. It gives up when it proposes what it proposed before."""

    async def answer(self, request: Request) -> Reply | None:
        """Proposes a repair of the episode's last fix."""
        episode = request.episode
        proposal = await episode.propose_fix()
        attempts = episode.observation.previous_attempts
        last = attempts[-1].proposed_fix if attempts else episode.observation.buggy_code
        if proposal.code == last:
            return None
        usage = proposal.usage
        return Reply(
            "\n".join(proposal.explanations),
            proposal.code,
            proposal.method,
            usage.prompt_tokens,
            usage.completion_tokens,
            usage.cost_usd,
        )


class CommandAgent:
    """A program that reads one JSON object on stdin and writes its answer to stdout; one process for each answer.

    The object has `messages`, each with `role` and `content`, `task_id`, `sample`, `seed` and `turn`. The answer is
    text, as a model would give it. An exit status other than 0 fails the rollout.

    Args:
        arguments: The program and its arguments.
        timeout_seconds: How long one answer may take.
    """

    def __init__(self, arguments: Sequence[str], timeout_seconds: float) -> None:
        if not arguments:
            raise ValueError("the command is empty")
        self._arguments = tuple(arguments)
        self._timeout_seconds = timeout_seconds

    async def answer(self, request: Request) -> Reply | None:
        """Runs the program once."""
        document = {
            "task_id": request.episode.task_id,
            "sample": request.sample,
            "seed": request.seed,
            "turn": request.turn,
            "messages": [{"role": message.role, "content": message.content} for message in request.messages],
        }
        try:
            process = await asyncio.create_subprocess_exec(
                *self._arguments,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                limit=MAX_REPLY_BYTES,
                start_new_session=True,
            )
        except OSError as error:
            raise AgentError(f"cannot run {self._arguments[0]}: {error.strerror or error}") from error
        try:
            async with asyncio.timeout(self._timeout_seconds):
                out, err = await _communicate(process, json.dumps(document).encode())
        except TimeoutError as error:
            raise AgentError(f"{self._arguments[0]} gave no answer within {self._timeout_seconds:g} s") from error
        finally:
            await _end(process)
        if process.returncode:
            last = err.decode(errors="replace").strip().splitlines()[-1:] or ["no message"]
            raise AgentError(f"{self._arguments[0]} ended with status {process.returncode}: {last[0][:300]}")
        return Reply(out.decode(errors="replace"), method=Path(self._arguments[0]).name)


class ReplayAgent:
    """Answers as recorded rollouts did, to grade the same answers again.

    Args:
        rollouts: They. An episode that is not among them, or failed itself, fails.
    """

    def __init__(self, rollouts: Sequence[Rollout]) -> None:
        self._rollouts: Mapping[tuple[str, int], Rollout] = {
            rollout.key: rollout for rollout in rollouts if not rollout.failure
        }

    async def answer(self, request: Request) -> Reply | None:
        """Returns the answer of the same episode and turn; None after the last one."""
        rollout = self._rollouts.get((request.episode.task_id, request.sample))
        if rollout is None:
            raise AgentError(f"no recorded rollout of {request.episode.task_id}, sample {request.sample}")
        if request.turn > len(rollout.turns):
            return None
        turn = rollout.turns[request.turn - 1]
        return Reply(turn.reply, turn.code, turn.method, turn.prompt_tokens, turn.completion_tokens, turn.cost_usd)


async def _communicate(process: asyncio.subprocess.Process, data: bytes) -> tuple[bytes, bytes]:
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    out, err, _ = await asyncio.gather(_head(process.stdout), _head(process.stderr), _feed(process.stdin, data))
    await process.wait()
    return out, err


async def _feed(stream: asyncio.StreamWriter, data: bytes) -> None:
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # a program need not read what it is told
        stream.write(data)
        await stream.drain()
    stream.close()


async def _head(stream: asyncio.StreamReader) -> bytes:
    """Reads a stream to its end, and returns its first `MAX_REPLY_BYTES`."""
    kept = bytearray()
    while chunk := await stream.read(65_536):
        kept += chunk[: MAX_REPLY_BYTES - len(kept)]
    return bytes(kept)


async def _end(process: asyncio.subprocess.Process) -> None:
    """Kills a program that still runs, with all that it started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    await process.wait()
