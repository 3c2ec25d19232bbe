"""Many episodes at once: bounded, and with every failure named."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Final

from codearena._aio import AsyncArenaClient
from codearena._errors import INFRASTRUCTURE, InternalError, wait_seconds
from codearena._models import Task
from codearena.evaluation.agents import Agent, AgentError
from codearena.evaluation.play import Terms, play
from codearena.evaluation.rollouts import Rollout

ATTEMPTS: Final = 3
"""How often an episode is begun at most; the client retries each call by itself besides."""


class TooManyFailures(Exception):
    """So many rollouts failed one after the other that the rest would, too; the message has the last reason."""


async def evaluate(
    arena: AsyncArenaClient,
    agent: Agent,
    episodes: Sequence[tuple[Task, int]],
    terms: Terms,
    *,
    concurrency: int,
    most_failures: int,
) -> AsyncIterator[Rollout]:
    """Plays episodes and yields their rollouts as they end, those that failed with the reason.

    Args:
        arena: Where they are played.
        agent: Who plays.
        episodes: Tasks, and which sample of each.
        terms: How.
        concurrency: How many at a time.
        most_failures: After so many failures one after the other, it is given up.

    Raises:
        TooManyFailures: It was given up.
        ArenaError: The arena refuses what every further episode would ask as well, for example the token.
    """
    remaining = iter(episodes)
    running: set[asyncio.Task[Rollout]] = set()
    failures, last_failure = 0, ""
    try:
        while True:
            while len(running) < concurrency and (episode := next(remaining, None)) is not None:
                running.add(asyncio.create_task(_play(arena, agent, *episode, terms)))
            if not running:
                return
            done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            ended = await asyncio.gather(*done, return_exceptions=True)
            for rollout in ended:
                if isinstance(rollout, Rollout):
                    failures = failures + 1 if rollout.failure else 0
                    last_failure = rollout.failure or last_failure
                    yield rollout
            for error in ended:
                if isinstance(error, BaseException):
                    raise error
            if failures >= most_failures:
                raise TooManyFailures(f"{failures} episodes failed one after the other: {last_failure}")
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


async def _play(arena: AsyncArenaClient, agent: Agent, task: Task, sample: int, terms: Terms) -> Rollout:
    attempt = 1
    while True:
        try:
            return await play(arena, agent, task, sample, terms)
        except AgentError as error:
            return _failed(task, sample, f"agent: {error}")
        except INFRASTRUCTURE as error:
            if attempt == ATTEMPTS or isinstance(error, InternalError):
                return _failed(task, sample, f"arena: {error}")
            await asyncio.sleep(wait_seconds(error))
            attempt += 1


def _failed(task: Task, sample: int, reason: str) -> Rollout:
    return Rollout(task.task_id, sample, task.category, task.difficulty.value, (), reason)
