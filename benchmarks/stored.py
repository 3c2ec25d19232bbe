"""What a store holds of a run, as against what its clients saw."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, text

from services.env.transactions import open_database
from tests.postgres import programs
from tests.postgres import running as running_postgresql


@dataclass(frozen=True, slots=True)
class Stored:
    """The steps of one training run.

    Attributes:
        steps: How many there are.
        distinct: How many (episode, request) they have.
        misplaced: How many are not at the number that their request names, e.g. "request 3".
        rewards: Reward by episode and request.
    """

    steps: int
    distinct: int
    misplaced: int
    rewards: dict[tuple[str, str], float]


def _read(connection: Connection, run_id: str) -> Stored:
    query = (
        "SELECT episode_id, request_id, number, reward FROM steps JOIN episodes USING (episode_id) WHERE run_id = :r"
    )
    rows = connection.execute(text(query), {"r": run_id}).all()
    rewards = {(episode, request): reward for episode, request, _, reward in rows}
    misplaced = sum(request != f"request {number}" for _, request, number, _ in rows)
    return Stored(len(rows), len(rewards), misplaced, rewards)


async def stored(url: str, run_id: str) -> Stored:
    """Reads what the database at a SQLAlchemy URL holds of a run."""
    database = open_database(url)
    try:
        return await database.read(lambda connection: _read(connection, run_id))
    finally:
        await database.stop()


@contextlib.contextmanager
def new_database(folder: Path, url: str | None = None) -> Iterator[tuple[str, str]]:
    """Yields the URL of an empty database and what it is: the given one, a new PostgreSQL server, or SQLite."""
    if url is not None:
        yield url, "PostgreSQL" if url.startswith("postgres") else "SQLite"
    elif programs() is None:
        yield f"sqlite:///{folder / 'codearena.sqlite3'}", "SQLite (no PostgreSQL server is installed)"
    else:
        own = folder / "postgresql"
        own.mkdir()
        with running_postgresql(own) as server:
            yield server.new_database(), "PostgreSQL (without fsync)"
