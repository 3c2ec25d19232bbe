"""The store on SQLAlchemy: SQLite in the data directory, or any database with an async driver by URL."""

from __future__ import annotations

from collections.abc import Awaitable
from datetime import UTC
from typing import Any, TypeVar

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    DateTime,
    Float,
    ForeignKey,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    bindparam,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from services.env.store import Conflict, Episode, Step, StoreDown, UnknownEpisode
from services.env.transactions import open_database

_METADATA = MetaData()
_EPISODES = Table(
    "episodes",
    _METADATA,
    Column("episode_id", String(64), primary_key=True),
    Column("task_id", String(128), nullable=False),
    Column("run_id", String(128), nullable=False, index=True),
    Column("seed", BigInteger, nullable=True),
    Column("created", DateTime(timezone=True), nullable=False),
    Column("done", Boolean, nullable=False, index=True),
)
_STEPS = Table(
    "steps",
    _METADATA,
    Column("episode_id", ForeignKey("episodes.episode_id"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("request_id", String(128), nullable=False),
    Column("fix", Text, nullable=False),
    Column("reward", Float, nullable=False),
    Column("outcome", Integer, nullable=False),
    Column("passed", Integer, nullable=False),
    Column("response", LargeBinary, nullable=False),
    UniqueConstraint("episode_id", "request_id"),
)
_EPISODE_WITH_STEPS = (
    select(_EPISODES, *(column for column in _STEPS.c if column.name != "episode_id"))
    .outerjoin(_STEPS)
    .where(_EPISODES.c.episode_id == bindparam("wanted"))
    .order_by(_STEPS.c.number)
)
_IS_OPEN = _EPISODES.c.done.is_(False)
T = TypeVar("T")


class SqlStore:
    """Implements `services.env.store.Store`.

    Args:
        url: A SQLAlchemy URL: SQLite, e.g. "sqlite:////var/lib/codearena/codearena.sqlite3", or a database with an
            asynchronous driver.

    Raises:
        ValueError: The URL is none, or its driver is missing or not asynchronous.
    """

    def __init__(self, url: str) -> None:
        self._database = open_database(url)

    async def start(self) -> None:
        """Creates the tables where they are missing."""
        await _answered(self._database.write(_METADATA.create_all))

    async def stop(self) -> None:
        """Closes every connection."""
        await self._database.stop()

    async def create(self, episode: Episode) -> None:
        """Adds an episode."""
        values = {name: getattr(episode, name) for name in _EPISODES.columns.keys()}  # noqa: SIM118  no mapping
        await _answered(self._database.write(lambda connection: connection.execute(insert(_EPISODES), values)))

    async def get(self, episode_id: str) -> Episode:
        """Reads an episode and its steps."""
        return await _answered(self._database.read(lambda connection: _get(connection, episode_id)))

    async def add_step(self, episode_id: str, step: Step, *, done: bool) -> None:
        """Appends a step to an open episode and, if it was the last, ends it, in one transaction."""
        await _answered(self._database.write(lambda connection: _add_step(connection, episode_id, step, done=done)))

    async def close(self, episode_id: str) -> bool:
        """Marks an episode as done."""
        return await _answered(self._database.write(lambda connection: _close(connection, episode_id)))

    async def count_open(self) -> int:
        """Counts the episodes that are not done."""
        query = select(func.count()).select_from(_EPISODES).where(_IS_OPEN)
        return await _answered(self._database.read(lambda connection: int(connection.execute(query).scalar_one())))


async def _answered(work: Awaitable[T]) -> T:
    try:
        return await work
    except (SQLAlchemyError, OSError) as error:
        raise StoreDown(f"the store does not answer: {type(error).__name__}") from error


def _get(connection: Connection, episode_id: str) -> Episode:
    rows = connection.execute(_EPISODE_WITH_STEPS, {"wanted": episode_id}).all()
    if not rows:
        raise UnknownEpisode(episode_id)
    row = rows[0]
    steps = tuple(_step(found) for found in rows if found.number is not None)
    created = row.created if row.created.tzinfo else row.created.replace(tzinfo=UTC)
    return Episode(row.episode_id, row.task_id, row.run_id, row.seed, created, row.done, steps)


def _add_step(connection: Connection, episode_id: str, step: Step, *, done: bool) -> None:
    this = (_EPISODES.c.episode_id == episode_id) & _IS_OPEN
    locked = connection.execute(update(_EPISODES).where(this).values(done=done))
    if not locked.rowcount:
        raise Conflict(f"the episode {episode_id} is not open any more")
    try:
        connection.execute(insert(_STEPS), {"episode_id": episode_id, **_columns(step)})
    except IntegrityError as error:
        raise Conflict(f"step {step.number} of {episode_id} is taken") from error


def _close(connection: Connection, episode_id: str) -> bool:
    this = _EPISODES.c.episode_id == episode_id
    if connection.execute(update(_EPISODES).where(this & _IS_OPEN).values(done=True)).rowcount:
        return True
    if connection.execute(select(_EPISODES.c.episode_id).where(this)).first() is None:
        raise UnknownEpisode(episode_id)
    return False


def _columns(step: Step) -> dict[str, Any]:
    return {name: getattr(step, name) for name in Step.__slots__}


def _step(row: Any) -> Step:  # noqa: ANN401  a row of any shape
    return Step(row.number, row.request_id, row.fix, row.reward, row.outcome, row.passed, bytes(row.response))
