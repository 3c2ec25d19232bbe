"""Whose memories are whose, and how they come and go."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Protocol

from codearena.v1 import env_service_pb2 as wire
from codearena.v1 import error_reason_pb2 as reasons
from services.common.errors import invalid
from services.common.validation import check_id, check_source, check_task_id
from services.env.catalogue import Catalogue
from services.env.store import Episode, Memory, Step

MAX_IMPORTED = 1000
_MAX_COMPLEXITY = 64


class MemoryStore(Protocol):
    """Keeps memories; every method may raise StoreDown."""

    async def get(self, owner: str, task_id: str) -> Memory | None:
        """Returns what an owner knows of a task."""
        ...

    async def page(self, owner: str, task_id: str, after: str, count: int) -> list[Memory]:
        """Returns memories of an owner by task id, from after one on."""
        ...

    async def remember(self, memories: Sequence[Memory]) -> int:
        """Keeps what is better than what is known; returns how many that were."""
        ...


def owner_of(run_id: str, namespace: str) -> str:
    """Returns whose memories are meant: the namespace's if one is named, else the run's; "" for nobody's."""
    if namespace:
        return f"shared:{namespace}"
    return f"run:{run_id}" if run_id else ""


def owner_of_episode(episode: Episode) -> str:
    """Returns whose the memories of an episode are; "" for nobody's."""
    return owner_of(episode.run_id, episode.options.memory_namespace)


def memory_of(episode: Episode, step: Step) -> Memory | None:
    """Returns what is to be remembered of a step, if it is better than the steps before it and anybody remembers."""
    owner = owner_of_episode(episode)
    if not owner or (episode.best_reward is not None and step.reward <= episode.best_reward):
        return None
    created = step.created or datetime.now(UTC)
    return Memory(owner, episode.task_id, step.fix, step.reward, step.complexity, episode.episode_id, created)


def to_wire(memory: Memory) -> wire.Memory:
    """Puts a memory on the wire."""
    message = wire.Memory(
        task_id=memory.task_id,
        code=memory.fix,
        reward=memory.reward,
        time_complexity=memory.complexity,
        episode_id=memory.episode_id,
    )
    message.create_time.FromDatetime(memory.created)
    return message


def from_wire(owner: str, messages: Sequence[wire.Memory], catalogue: Catalogue) -> list[Memory]:
    """Reads memories that a client sends.

    Raises:
        StatusError: INVALID_ARGUMENT that names the first field at fault.
    """
    if len(messages) > MAX_IMPORTED:
        raise invalid(reasons.ERROR_REASON_INVALID_FIELD, "memories", f"must be at most {MAX_IMPORTED}")
    known = {task.id for task in catalogue}
    return [_read(owner, message, f"memories[{number}]", known) for number, message in enumerate(messages)]


def _read(owner: str, message: wire.Memory, field: str, known: set[str]) -> Memory:
    check_task_id(message.task_id, f"{field}.task_id")
    if message.task_id not in known:
        what = f"there is no task {message.task_id!r} here"
        raise invalid(reasons.ERROR_REASON_INVALID_FIELD, f"{field}.task_id", what)
    check_source(message.code, f"{field}.code")
    check_id(message.time_complexity, f"{field}.time_complexity", required=False, most=_MAX_COMPLEXITY)
    if not (math.isfinite(message.reward) and 0.0 <= message.reward <= 1.0):
        raise invalid(reasons.ERROR_REASON_INVALID_FIELD, f"{field}.reward", "must be from 0 to 1")
    try:
        created = message.create_time.ToDatetime(UTC) if message.HasField("create_time") else datetime.now(UTC)
    except (ValueError, OverflowError) as error:
        raise invalid(reasons.ERROR_REASON_INVALID_FIELD, f"{field}.create_time", "is no time") from error
    return Memory(owner, message.task_id, message.code, message.reward, message.time_complexity, "", created)
