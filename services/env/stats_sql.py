"""Statistics over what is stored, counted by the database."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Integer, Select, case, func, literal, select, tuple_

from services.env.period import Period
from services.env.schema import EPISODES, STEPS
from services.env.sql import answered, with_zone
from services.env.transactions import Transactions

UNKNOWN = "unknown"
_OF_EPISODES = {
    "all": literal("all"),
    "task": EPISODES.c.task_id,
    "category": EPISODES.c.category,
    "level": EPISODES.c.difficulty,
}
_OF_STEPS = {"complexity": STEPS.c.complexity, "method": STEPS.c.method}
_EXPORTED = (
    EPISODES.c.run_id,
    EPISODES.c.task_id,
    EPISODES.c.category,
    EPISODES.c.difficulty,
    EPISODES.c.solved,
    *(column for column in STEPS.c if column.name not in ("response", "request_id", "tests")),
)
_BATCH = 500


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a table.

    Attributes:
        key: What it is about.
        episodes: Episodes that have a step in it.
        steps: Their steps.
        mean_reward: Of these.
        repeat_rate: Part of the steps that repeated an earlier fix.
        solve_rate: Part of the episodes that were solved; None where it is about steps.
        steps_to_solve: Mean number of steps of those; None if there is none.
    """

    key: str
    episodes: int
    steps: int
    mean_reward: float
    repeat_rate: float
    solve_rate: float | None = None
    steps_to_solve: float | None = None


class SqlStats:
    """Answers questions about stored steps.

    Every method may raise StoreDown.

    Args:
        database: Where they are.
    """

    def __init__(self, database: Transactions) -> None:
        self._database = database

    async def tables(self, period: Period) -> dict[str, list[Row]]:
        """Returns the tables by name, their rows by key."""
        return await answered(self._database.read(lambda connection: _tables(connection, period)))

    async def steps(self, period: Period) -> AsyncIterator[Any]:
        """Yields steps with what is known of their episodes, oldest first; read in batches."""
        last: tuple[Any, ...] | None = None
        while True:
            query = _batch(period, last)
            rows = await answered(self._database.read(lambda connection, q=query: connection.execute(q).all()))  # type: ignore[misc]
            for row in rows:
                yield row
            if len(rows) < _BATCH:
                return
            last = rows[-1].created, rows[-1].episode_id, rows[-1].number


def created(row: Any) -> Any:  # noqa: ANN401  a row of any shape
    """Returns when a step was stored, in UTC."""
    return with_zone(row.created)


def _tables(connection: Connection, period: Period) -> dict[str, list[Row]]:
    tables = {}
    for name, key in (_OF_EPISODES | _OF_STEPS | {"day": _day(connection)}).items():
        named = case((key == "", UNKNOWN), else_=key) if name != "all" else key
        solved = {}
        if name in _OF_EPISODES:
            solved = {row.key: row for row in connection.execute(_by_episodes(named, period))}
        rows = connection.execute(_by_steps(named, period)).all()
        tables[name] = [_row(row, solved.get(row.key)) for row in sorted(rows, key=lambda row: str(row.key))]
    return tables


def _by_steps(key: ColumnElement[Any], period: Period) -> Select[Any]:
    return (
        select(
            key.label("key"),
            func.count(STEPS.c.episode_id.distinct()).label("episodes"),
            func.count().label("steps"),
            func.avg(STEPS.c.reward).label("mean_reward"),
            func.avg(STEPS.c.repeated.cast(Integer)).label("repeat_rate"),
        )
        .select_from(STEPS.join(EPISODES))
        .where(STEPS.c.created.is_not(None), *period.conditions())
        .group_by(key)
    )


def _by_episodes(key: ColumnElement[Any], period: Period) -> Select[Any]:
    played = (
        select(EPISODES.c.episode_id)
        .select_from(STEPS.join(EPISODES))
        .where(STEPS.c.created.is_not(None), *period.conditions())
    )
    return (
        select(
            key.label("key"),
            func.avg(EPISODES.c.solved.cast(Integer)).label("solve_rate"),
            func.avg(case((EPISODES.c.solved, EPISODES.c.step_count))).label("steps_to_solve"),
        )
        .where(EPISODES.c.episode_id.in_(played))
        .group_by(key)
    )


def _day(connection: Connection) -> ColumnElement[Any]:
    if connection.dialect.name == "postgresql":
        return func.to_char(func.timezone("UTC", STEPS.c.created), "YYYY-MM-DD")
    return func.strftime("%Y-%m-%d", STEPS.c.created)


def _row(row: Any, solved: Any) -> Row:  # noqa: ANN401  rows of any shape
    return Row(
        row.key,
        row.episodes,
        row.steps,
        float(row.mean_reward),
        float(row.repeat_rate),
        None if solved is None else float(solved.solve_rate),
        None if solved is None or solved.steps_to_solve is None else float(solved.steps_to_solve),
    )


def _batch(period: Period, last: tuple[Any, ...] | None) -> Select[Any]:
    order = STEPS.c.created, STEPS.c.episode_id, STEPS.c.number
    query = select(*_EXPORTED).select_from(STEPS.join(EPISODES)).where(STEPS.c.created.is_not(None))
    query = query.where(*period.conditions())
    if last is not None:
        query = query.where(tuple_(*order) > last)
    return query.order_by(*order).limit(_BATCH)
