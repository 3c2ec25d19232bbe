"""The store on SQLAlchemy: SQLite in the data directory, or any database with an async driver by URL."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from datetime import UTC
from pathlib import Path
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
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
    event,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.engine import make_url
from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from services.env.store import Conflict, Episode, Step, StoreDown, UnknownEpisode

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
_BUSY_MILLISECONDS = 5000


class SqlStore:
    """Implements `services.env.store.Store`.

    Args:
        url: A SQLAlchemy URL with an async driver, e.g. "sqlite+aiosqlite:////var/lib/codearena/codearena.sqlite3".

    Raises:
        ValueError: The URL is none, or its driver is missing or not asynchronous.
    """

    def __init__(self, url: str) -> None:
        try:
            self._url = make_url(url)
            self._engine = create_async_engine(self._url, hide_parameters=True)
            self._reader = self._engine.execution_options(isolation_level="AUTOCOMMIT")
        except (SQLAlchemyError, ImportError) as error:
            raise ValueError(f"the database URL cannot be used: {error}") from error
        if self._url.get_backend_name() == "sqlite":
            event.listen(self._engine.sync_engine, "connect", _prepare_sqlite)

    async def start(self) -> None:
        """Creates the file's folder and the tables where they are missing."""
        if self._url.get_backend_name() == "sqlite" and self._url.database:
            try:
                Path(self._url.database).parent.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise StoreDown(f"cannot make the data directory: {error}") from error
        async with self._transaction() as connection:
            await connection.run_sync(_METADATA.create_all)

    async def stop(self) -> None:
        """Closes every connection."""
        await self._engine.dispose()

    async def create(self, episode: Episode) -> None:
        """Adds an episode."""
        async with self._transaction() as connection:
            await connection.execute(
                insert(_EPISODES).values(
                    episode_id=episode.episode_id,
                    task_id=episode.task_id,
                    run_id=episode.run_id,
                    seed=episode.seed,
                    created=episode.created,
                    done=episode.done,
                )
            )

    async def get(self, episode_id: str) -> Episode:
        """Reads an episode and its steps."""
        async with self._reading() as connection:
            rows = (await connection.execute(_EPISODE_WITH_STEPS, {"wanted": episode_id})).all()
        if not rows:
            raise UnknownEpisode(episode_id)
        row = rows[0]
        steps = tuple(_step(found) for found in rows if found.number is not None)
        created = row.created if row.created.tzinfo else row.created.replace(tzinfo=UTC)
        return Episode(row.episode_id, row.task_id, row.run_id, row.seed, created, row.done, steps)

    async def add_step(self, episode_id: str, step: Step, *, done: bool) -> None:
        """Appends a step to an open episode and, if it was the last, ends it, in one transaction."""
        is_open = (_EPISODES.c.episode_id == episode_id) & (_EPISODES.c.done.is_(False))
        async with self._transaction() as connection:
            locked = await connection.execute(update(_EPISODES).where(is_open).values(done=done))
            if not locked.rowcount:
                raise Conflict(f"the episode {episode_id} is not open any more")
            try:
                await connection.execute(insert(_STEPS).values(episode_id=episode_id, **_columns(step)))
            except IntegrityError as error:
                raise Conflict(f"step {step.number} of {episode_id} is taken") from error

    async def close(self, episode_id: str) -> bool:
        """Marks an episode as done."""
        async with self._transaction() as connection:
            is_open = (_EPISODES.c.episode_id == episode_id) & (_EPISODES.c.done.is_(False))
            changed = await connection.execute(update(_EPISODES).where(is_open).values(done=True))
            if changed.rowcount:
                return True
            query = select(_EPISODES.c.episode_id).where(_EPISODES.c.episode_id == episode_id)
            if (await connection.execute(query)).first() is None:
                raise UnknownEpisode(episode_id)
        return False

    async def count_open(self) -> int:
        """Counts the episodes that are not done."""
        async with self._transaction() as connection:
            query = select(func.count()).select_from(_EPISODES).where(_EPISODES.c.done.is_(False))
            return int((await connection.execute(query)).scalar_one())

    @contextlib.asynccontextmanager
    async def _reading(self) -> AsyncIterator[AsyncConnection]:
        """A connection for one statement, which is a transaction by itself."""
        try:
            async with self._reader.connect() as connection:
                yield connection
        except (SQLAlchemyError, OSError) as error:
            raise _down(error) from error

    @contextlib.asynccontextmanager
    async def _transaction(self) -> AsyncIterator[AsyncConnection]:
        try:
            async with self._engine.begin() as connection:
                yield connection
        except (SQLAlchemyError, OSError) as error:
            raise _down(error) from error


def _down(error: Exception) -> StoreDown:
    return StoreDown(f"the store does not answer: {type(error).__name__}")


def _prepare_sqlite(connection: Any, _record: object) -> None:  # noqa: ANN401  a driver's own connection
    """Sets a connection up: a killed process loses nothing; a power cut may lose the last steps, never the file."""
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", f"busy_timeout={_BUSY_MILLISECONDS}", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _columns(step: Step) -> dict[str, Any]:
    return {name: getattr(step, name) for name in Step.__slots__}


def _step(row: Any) -> Step:  # noqa: ANN401  a row of any shape
    return Step(row.number, row.request_id, row.fix, row.reward, row.outcome, row.passed, bytes(row.response))
