"""Where training runs stand in their curricula, and how they fared with tasks."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, Integer, func, select, update

from services.env.schema import CURRICULA, EPISODES
from services.env.sql import answered, insert_into
from services.env.store import Advance
from services.env.transactions import Transactions


class SqlCurricula:
    """Reads curricula.

    Every method may raise StoreDown.

    Args:
        database: Where they are.
    """

    def __init__(self, database: Transactions) -> None:
        self._database = database

    async def state(self, run_id: str) -> str | None:
        """Returns what is stored of a run's curriculum, or None."""
        query = select(CURRICULA.c.state).where(CURRICULA.c.run_id == run_id)
        return await answered(self._database.read(lambda connection: connection.execute(query).scalar()))

    async def count_levels(self) -> dict[str, int]:
        """Returns how many runs are at each level."""
        query = select(CURRICULA.c.level, func.count()).group_by(CURRICULA.c.level)
        rows = await answered(self._database.read(lambda connection: connection.execute(query).all()))
        return {level: count for level, count in rows}  # noqa: C416  rows are no pairs to mypy

    async def played(self, run_id: str, tasks: Sequence[str]) -> dict[str, tuple[int, int]]:
        """Returns, of each of these tasks, how many episodes a run solved and how many it ended; none if none."""
        query = (
            select(EPISODES.c.task_id, func.sum(EPISODES.c.solved.cast(Integer)), func.count())
            .where(EPISODES.c.run_id == run_id, EPISODES.c.done, EPISODES.c.step_count > 0)
            .where(EPISODES.c.task_id.in_(tasks))
            .group_by(EPISODES.c.task_id)
        )
        rows = await answered(self._database.read(lambda connection: connection.execute(query).all()))
        return {task_id: (int(solved), count) for task_id, solved, count in rows}


def advance(connection: Connection, run_id: str, reward: float, step: Advance) -> None:
    """Moves a run's curriculum by one episode. One at a time: the row is locked until the transaction ends."""
    fresh = insert_into(connection, CURRICULA, {"run_id": run_id, "level": "", "state": ""})
    connection.execute(fresh.on_conflict_do_nothing())
    stored = select(CURRICULA.c.state).where(CURRICULA.c.run_id == run_id).with_for_update()
    level, state = step(connection.execute(stored).scalar_one() or None, reward)
    connection.execute(update(CURRICULA).where(CURRICULA.c.run_id == run_id).values(level=level, state=state))
