"""Runs work over a database connection without holding up the event loop.

The work is a plain function of a connection. SQLite's calls take microseconds, so a thread does a whole transaction at
a turn: to hand over each call by itself takes longer than the calls. One thread writes and others read beside it, so
that a long statistic holds up no step. Other databases are spoken to by an asynchronous driver.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol, TypeVar

from sqlalchemy import URL, Connection, create_engine, event, make_url
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import create_async_engine

T = TypeVar("T")
Work = Callable[[Connection], T]
_BUSY_MILLISECONDS = 5000
_POSTGRESQL = {"connect_timeout": 5, "options": "-c statement_timeout=20s -c lock_timeout=5s"}
_POOL_SECONDS = 5.0
_READERS = 4


class Transactions(Protocol):
    """A database. Whatever goes wrong in it is a SQLAlchemyError or an OSError; nothing is changed then."""

    async def read(self, work: Work[T]) -> T:
        """Runs work that makes one statement, which is a transaction by itself."""
        ...

    async def write(self, work: Work[T]) -> T:
        """Runs work in a transaction, which is undone if the work raises."""
        ...

    async def stop(self) -> None:
        """Closes every connection. Idempotent."""
        ...


def open_database(url: str) -> Transactions:
    """Returns the database at a SQLAlchemy URL; nothing is connected yet.

    Raises:
        ValueError: The URL is none, or its driver is missing or not asynchronous.
    """
    try:
        parsed = make_url(url)
        if parsed.get_backend_name() == "sqlite":
            return SqliteTransactions(parsed)
        if parsed.drivername in ("postgresql", "postgres"):
            parsed = parsed.set(drivername="postgresql+psycopg")
        return AsyncTransactions(parsed)
    except (SQLAlchemyError, ImportError) as error:
        raise ValueError(f"the database URL cannot be used: {error}") from error


class SqliteTransactions:
    """A SQLite file. Its folder is made where it is missing."""

    def __init__(self, url: URL) -> None:
        self._file = url.database
        self._engine = create_engine(url.set(drivername="sqlite"), hide_parameters=True)
        self._reader = self._engine.execution_options(isolation_level="AUTOCOMMIT")
        self._writing = ThreadPoolExecutor(1, thread_name_prefix="sqlite-write")
        self._reading = ThreadPoolExecutor(_READERS, thread_name_prefix="sqlite-read")
        event.listen(self._engine, "connect", _prepare_sqlite)
        event.listen(self._engine, "begin", _begin_sqlite)

    async def read(self, work: Work[T]) -> T:
        """Runs one statement; see `Transactions.read`."""
        return await self._run(self._reading, self._read, work)

    async def write(self, work: Work[T]) -> T:
        """Runs a transaction; see `Transactions.write`."""
        return await self._run(self._writing, self._write, work)

    async def stop(self) -> None:
        """Closes every connection; see `Transactions.stop`."""
        for threads in (self._writing, self._reading):
            await asyncio.to_thread(threads.shutdown)
        self._engine.dispose()

    async def _run(self, threads: ThreadPoolExecutor, way: Callable[[Work[T]], T], work: Work[T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(threads, way, work)
        except RuntimeError as error:
            raise OSError("the database has been closed") from error

    def _read(self, work: Work[T]) -> T:
        with self._reader.connect() as connection:
            return work(connection)

    def _write(self, work: Work[T]) -> T:
        if self._file:
            Path(self._file).parent.mkdir(parents=True, exist_ok=True)
        with self._engine.begin() as connection:
            return work(connection)


class AsyncTransactions:
    """A database with an asynchronous driver.

    Connections are not tried before they are used, which would take a round trip each time. When the database has been
    away, the first call finds that out, and all connections are made anew.
    """

    def __init__(self, url: URL) -> None:
        extra = _POSTGRESQL if url.get_driver_name() == "psycopg" else {}
        self._engine = create_async_engine(
            url, hide_parameters=True, pool_size=10, pool_timeout=_POOL_SECONDS, connect_args=extra
        )
        self._reader = self._engine.execution_options(isolation_level="AUTOCOMMIT")

    async def read(self, work: Work[T]) -> T:
        """Runs one statement; see `Transactions.read`."""
        async with self._reader.connect() as connection:
            return await connection.run_sync(work)

    async def write(self, work: Work[T]) -> T:
        """Runs a transaction; see `Transactions.write`."""
        async with self._engine.begin() as connection:
            return await connection.run_sync(work)

    async def stop(self) -> None:
        """Closes every connection; see `Transactions.stop`."""
        await self._engine.dispose()


def _prepare_sqlite(connection: Any, _record: object) -> None:  # noqa: ANN401  a driver's own connection
    """Sets a connection up: a killed process loses nothing; a power cut may lose the last steps, never the file."""
    connection.isolation_level = None  # it begins transactions when it is told to, not when it thinks fit
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", f"busy_timeout={_BUSY_MILLISECONDS}", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    """Begins a transaction as a writer: one that began as a reader could not become one while another writes."""
    if connection.get_execution_options().get("isolation_level") != "AUTOCOMMIT":
        connection.exec_driver_sql("BEGIN IMMEDIATE")
