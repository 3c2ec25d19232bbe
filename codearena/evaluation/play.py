"""One episode, from the reset to its end."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from codearena import prompts
from codearena._aio import AsyncArenaClient, AsyncEpisode
from codearena._checks import MAX_METHOD_CHARACTERS
from codearena._enums import Feedback
from codearena._errors import UNFIT_PROGRAM, ArenaError, InvalidArgumentError
from codearena._models import StepResult, Task
from codearena.evaluation.agents import Agent, Message, Reply, Request
from codearena.evaluation.rollouts import MAX_REPLY_CHARACTERS, Answer, Rollout, Turn
from codearena.replies import extract_code


@dataclass(frozen=True, slots=True)
class Terms:
    """How episodes are played.

    Attributes:
        max_turns: Answers of an agent at most; the arena may allow fewer.
        feedback: What a failing test reveals; None for the arena's own policy.
        hints: Whether the arena gives hints.
        seed: Of the evaluation; sample n of a task plays the episode seed + n.
        run_id: The run that the arena counts the episodes to.
    """

    max_turns: int = 5
    feedback: Feedback | None = None
    hints: bool = True
    seed: int = 0
    run_id: str = ""


async def play(arena: AsyncArenaClient, agent: Agent, task: Task, sample: int, terms: Terms) -> Rollout:
    """Plays one episode of a task.

    Raises:
        AgentError: The agent could not answer.
        ArenaError: The arena could not do its part.
    """
    seed = terms.seed + sample
    turns: list[Turn] = []
    async with await arena.reset(
        task.task_id, seed=seed, run_id=terms.run_id, feedback=terms.feedback, hints=terms.hints
    ) as episode:
        prompt = prompts.first_message(task, episode.observation)
        messages = [Message("system", prompts.SYSTEM), Message("user", prompt)]
        for number in range(1, terms.max_turns + 1):
            began = time.monotonic()
            reply = await agent.answer(Request(tuple(messages), episode, sample, seed, number))
            if reply is None:
                break
            turn, said = await _grade(episode, reply, number, time.monotonic() - began)
            turns.append(turn)
            messages += [Message("assistant", turn.reply), Message("user", said)]
            if episode.done:
                break
        with suppress(ArenaError):  # every answer is graded; an episode that stays open ends by itself
            await episode.close()
        episode.done = True
    return Rollout(task.task_id, sample, task.category, task.difficulty.value, tuple(turns), prompt=prompt)


async def _grade(episode: AsyncEpisode, reply: Reply, number: int, seconds: float) -> tuple[Turn, str]:
    """Returns the graded turn, and what the agent is told of it."""
    code = extract_code(reply.text, episode.observation.buggy_code) if reply.code is None else reply.code
    if not code.strip():
        return _turn(reply, number, seconds, "", Answer.NO_CODE), prompts.no_code_message()
    try:
        result = await episode.step(code, method=reply.method[:MAX_METHOD_CHARACTERS])
    except InvalidArgumentError as error:
        if error.reason not in UNFIT_PROGRAM:
            raise
        turn = _turn(reply, number, seconds, code[:MAX_REPLY_CHARACTERS], Answer.REFUSED, reason=error.message)
        return turn, prompts.refused_message(error.message)
    said = prompts.next_message(result.observation, result.absolute_reward, result.tests_passed, result.tests_total)
    return _turn(reply, number, seconds, code, Answer.GRADED, result), said


def _turn(
    reply: Reply,
    number: int,
    seconds: float,
    code: str,
    answer: Answer,
    result: StepResult | None = None,
    reason: str = "",
) -> Turn:
    turn = Turn(
        number=number,
        at=datetime.now(UTC).isoformat(timespec="milliseconds"),
        answer=answer,
        reply=reply.text[:MAX_REPLY_CHARACTERS],
        code=code,
        method=reply.method[:MAX_METHOD_CHARACTERS],
        reason=reason,
        prompt_tokens=reply.prompt_tokens,
        completion_tokens=reply.completion_tokens,
        cost_usd=reply.cost_usd,
        answer_seconds=round(seconds, 3),
    )
    if result is None:
        return turn
    return replace(
        turn,
        reward=result.absolute_reward,
        outcome=result.outcome.value,
        tests_passed=result.tests_passed,
        tests_total=result.tests_total,
        scores=dict(result.breakdown),
        penalties=dict(result.breakdown.penalties),
        complexity=result.grade.complexity.time_complexity,
    )
