"""The best fix of each task that a training run, or a namespace shared by several, knows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, select

from services.env.schema import MEMORIES
from services.env.sql import answered, insert_into, with_zone
from services.env.store import Memory
from services.env.transactions import Transactions

_NAMES = tuple(column.name for column in MEMORIES.c)


class SqlMemories:
    """Keeps memories.

    Every method may raise StoreDown.

    Args:
        database: Where they are.
    """

    def __init__(self, database: Transactions) -> None:
        self._database = database

    async def get(self, owner: str, task_id: str) -> Memory | None:
        """Returns what an owner knows of a task."""
        found = await self.page(owner, task_id, "", 1)
        return found[0] if found else None

    async def page(self, owner: str, task_id: str, after: str, count: int) -> list[Memory]:
        """Returns at most `count` memories of an owner by task id, from after one on; of one task if it is named."""
        query = select(MEMORIES).where(MEMORIES.c.owner == owner, MEMORIES.c.task_id > after)
        if task_id:
            query = query.where(MEMORIES.c.task_id == task_id)
        query = query.order_by(MEMORIES.c.task_id).limit(count)
        rows = await answered(self._database.read(lambda connection: connection.execute(query).all()))
        return [_memory(row) for row in rows]

    async def remember(self, memories: Sequence[Memory]) -> int:
        """Keeps what is better than what is known, all or nothing. Returns how many that were."""

        def work(connection: Connection) -> int:
            return sum(remember(connection, memory) for memory in memories)

        return await answered(self._database.write(work))


def remember(connection: Connection, memory: Memory) -> bool:
    """Keeps a memory if it is better than what its owner knows. Returns whether it was."""
    values = {name: getattr(memory, name) for name in _NAMES}
    kept = insert_into(connection, MEMORIES, values).on_conflict_do_update(
        index_elements=["owner", "task_id"],
        set_={name: value for name, value in values.items() if name not in ("owner", "task_id")},
        where=MEMORIES.c.reward < memory.reward,
    )
    return connection.execute(kept.returning(MEMORIES.c.task_id)).first() is not None


def _memory(row: Any) -> Memory:  # noqa: ANN401  a row of any shape
    return Memory(**{name: getattr(row, name) for name in _NAMES} | {"created": with_zone(row.created)})
