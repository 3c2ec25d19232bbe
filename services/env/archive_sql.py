"""Stored episodes read one after the other, and rewritten."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

from sqlalchemy import Connection, func, select, tuple_, update

from services.env.schema import EPISODES, STEPS
from services.env.sql import answered
from services.env.store import Episode, UnknownEpisode
from services.env.store_sql import read_episode
from services.env.transactions import Transactions

_BATCH = 100
_ORDER = (EPISODES.c.created, EPISODES.c.episode_id)


class SqlArchive:
    """Goes through what is stored.

    Every method may raise StoreDown.

    Args:
        database: Where it is.
    """

    def __init__(self, database: Transactions) -> None:
        self._database = database

    async def episodes(self, run_id: str, task_id: str) -> AsyncIterator[Episode]:
        """Yields episodes that have steps, oldest first; of one run and one task if they are named."""
        last: tuple[Any, ...] | None = None
        chosen = [EPISODES.c.step_count > 0]
        if run_id:
            chosen.append(EPISODES.c.run_id == run_id)
        if task_id:
            chosen.append(EPISODES.c.task_id == task_id)
        while True:
            query = select(*_ORDER).where(*chosen).order_by(*_ORDER).limit(_BATCH)
            if last is not None:
                query = query.where(tuple_(*_ORDER) > last)
            rows = await answered(self._database.read(lambda connection, q=query: connection.execute(q).all()))  # type: ignore[misc]
            for row in rows:
                try:
                    yield await answered(
                        self._database.read(lambda connection, name=row.episode_id: read_episode(connection, name))  # type: ignore[misc]
                    )
                except UnknownEpisode:
                    continue  # pruned meanwhile
            if len(rows) < _BATCH:
                return
            last = tuple(rows[-1])

    async def rewrite(self, episode_id: str, steps: Mapping[int, tuple[float, bytes]]) -> None:
        """Replaces reward and response of steps, all or none, and the episode's best reward with them."""

        def work(connection: Connection) -> None:
            for number, (reward, response) in steps.items():
                this = (STEPS.c.episode_id == episode_id) & (STEPS.c.number == number)
                connection.execute(update(STEPS).where(this).values(reward=reward, response=response))
            best = select(func.max(STEPS.c.reward)).where(STEPS.c.episode_id == episode_id).scalar_subquery()
            connection.execute(update(EPISODES).where(EPISODES.c.episode_id == episode_id).values(best_reward=best))

        await answered(self._database.write(work))
