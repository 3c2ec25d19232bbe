"""What the modules that speak SQL share."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError, DisconnectionError
from sqlalchemy.exc import TimeoutError as NoConnection

from services.env.store import StoreDown

T = TypeVar("T")
Insert = sqlite.Insert | postgresql.Insert


async def answered(work: Awaitable[T]) -> T:
    """Returns what the database answers.

    Raises:
        StoreDown: It does not.
    """
    try:
        return await work
    except (DBAPIError, DisconnectionError, NoConnection, OSError) as error:
        raise StoreDown(f"the store does not answer: {type(error).__name__}") from error


def insert_into(connection: Connection, table: Table, values: Mapping[str, Any]) -> Insert:
    """Returns an INSERT that knows ON CONFLICT, in the dialect of the connection."""
    if connection.dialect.name == "postgresql":
        return postgresql.insert(table).values(values)
    return sqlite.insert(table).values(values)


def with_zone(moment: datetime) -> datetime:
    """Returns a time as it was stored: SQLite forgets that it is UTC."""
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
