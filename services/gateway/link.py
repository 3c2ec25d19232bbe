"""The gateway's one connection to the arena, and what of it may be kept."""

from __future__ import annotations

import asyncio
import contextvars
import time
from collections import OrderedDict

import structlog

from codearena import ArenaError, AsyncArenaClient, Task
from services.gateway.clients import ArenaClients

_MOST_TASKS = 4096
_MOST_WAITING = 10_000
_FRESH_SECONDS = 60.0
"""An env service may come back with another catalogue; what was read of it is good for so long."""


class ArenaLink:
    """The arena as the sessions share it: a client, tasks that were seen, episodes that wait for their client.

    Nothing here is state that another replica would need: tasks are read again when they are no longer fresh, and an
    episode that waits is closed a little later than its client left, or else by the arena's retention.
    """

    def __init__(self, clients: ArenaClients, resume_seconds: float) -> None:
        self._clients = clients
        self._resume_seconds = resume_seconds
        self._loop = asyncio.get_running_loop()
        self._tasks: OrderedDict[str, tuple[float, Task]] = OrderedDict()
        self._splits: dict[str, tuple[float, list[Task]]] = {}
        self._waiting: dict[str, asyncio.Task[None]] = {}
        self._log = structlog.get_logger("gateway")

    @property
    def client(self) -> AsyncArenaClient:
        """The client for the next call. Not to be kept."""
        return self._clients.current()

    async def task(self, task_id: str) -> Task:
        """Returns a task of the catalogue.

        Raises:
            ArenaError: There is no such task, or no arena.
        """
        read_at, found = self._tasks.get(task_id, (-_FRESH_SECONDS, None))
        if found is None or time.monotonic() - read_at > _FRESH_SECONDS:
            found = await self.client.get_task(task_id)
            self._tasks[task_id] = time.monotonic(), found
            while len(self._tasks) > _MOST_TASKS:
                self._tasks.popitem(last=False)
        return found

    async def tasks(self, split: str) -> list[Task]:
        """Returns the tasks of a split, in the arena's order; of all splits for ""."""
        read_at, found = self._splits.get(split, (-_FRESH_SECONDS, None))
        if found is None or time.monotonic() - read_at > _FRESH_SECONDS:
            found = [task async for task in self.client.list_tasks(split=split)]
            self._splits[split] = time.monotonic(), found
        return found

    def resumed(self, episode_id: str) -> None:
        """A client goes on with an episode: it does not wait any more."""
        waiting = self._waiting.pop(episode_id, None)
        if waiting is not None:
            waiting.cancel()

    def left(self, episode_id: str, step: int, *, for_good: bool, context: contextvars.Context | None = None) -> None:
        """A client left an episode; may be called from any thread.

        Args:
            episode_id: The episode.
            step: How many steps it had.
            for_good: The client said so; else the episode waits, and is closed if nobody has gone on with it.
            context: The client's, in whose name it is closed; None for that of this call.
        """
        seconds = 0.0 if for_good else self._resume_seconds
        self._loop.call_soon_threadsafe(self._leave, episode_id, step, seconds, context=context)

    def _leave(self, episode_id: str, step: int, seconds: float) -> None:
        self.resumed(episode_id)
        if len(self._waiting) >= _MOST_WAITING:
            seconds = 0.0
        waiting = self._loop.create_task(self._close(episode_id, step, seconds))
        self._waiting[episode_id] = waiting
        waiting.add_done_callback(lambda ended: self._forget(episode_id, ended))

    def _forget(self, episode_id: str, ended: asyncio.Task[None]) -> None:
        if self._waiting.get(episode_id) is ended:
            del self._waiting[episode_id]

    async def _close(self, episode_id: str, step: int, seconds: float) -> None:
        await asyncio.sleep(seconds)
        try:
            found = await self.client.get_state(episode_id)
            if not found.done and found.observation.step == step:
                await self.client.close_episode(episode_id)
        except ArenaError as error:
            self._log.warning("an episode stays open", episode_id=episode_id, error=str(error))

    async def aclose(self) -> None:
        """Stops waiting for clients; their episodes stay open for them."""
        waiting = list(self._waiting.values())
        for each in waiting:
            each.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
