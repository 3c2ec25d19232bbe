"""The store on SQLAlchemy: SQLite, or any database with an asynchronous driver."""

from __future__ import annotations

import time
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, delete, func, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from services.env.curricula_sql import advance
from services.env.memories_sql import remember
from services.env.migrate import migrate
from services.env.options import Options
from services.env.schema import CLAIMS, EPISODES, STEPS
from services.env.sql import answered, insert_into, with_zone
from services.env.store import Claimed, Conflict, Ending, Episode, Memory, Step, UnknownEpisode
from services.env.transactions import Transactions

_EPISODE_WITH_STEPS = (
    select(EPISODES, *(column for column in STEPS.c if column.name not in ("episode_id", "created")))
    .add_columns(STEPS.c.created.label("step_created"))
    .outerjoin(STEPS)
    .where(EPISODES.c.episode_id == bindparam("wanted"))
    .order_by(STEPS.c.number)
)
_IS_OPEN = EPISODES.c.done.is_(False)
_COUNT_OPEN = select(func.count()).select_from(EPISODES).where(_IS_OPEN)
_OLDEST_FIRST = (EPISODES.c.created, EPISODES.c.episode_id)


class SqlStore:
    """Implements `services.env.store.Store`.

    Args:
        database: Where. Closed by `stop`.
    """

    def __init__(self, database: Transactions) -> None:
        self._database = database

    async def start(self) -> None:
        """Migrates."""
        await answered(self._database.write(migrate))

    async def stop(self) -> None:
        """Closes every connection."""
        await self._database.stop()

    async def create(self, episode: Episode) -> None:
        """Adds an episode."""
        await answered(self._database.write(lambda connection: _create(connection, episode)))

    async def get(self, episode_id: str) -> Episode:
        """Reads an episode and its steps."""
        return await answered(self._database.read(lambda connection: read_episode(connection, episode_id)))

    async def claim(self, episode_id: str, holder: str, seconds: float) -> Episode:
        """Takes a claim that is free, expired or held already."""
        return await answered(self._database.write(lambda connection: _claim(connection, episode_id, holder, seconds)))

    async def renew(self, episode_id: str, holder: str, seconds: float) -> bool:
        """Moves a claim's end."""
        return await answered(self._database.write(lambda connection: _renew(connection, episode_id, holder, seconds)))

    async def release(self, episode_id: str, holder: str) -> None:
        """Gives a claim back."""
        await answered(self._database.write(lambda connection: _release(connection, episode_id, holder)))

    async def add_step(
        self, episode_id: str, holder: str, step: Step, ending: Ending | None = None, memory: Memory | None = None
    ) -> None:
        """Appends a step to an open episode, with all that follows from it, in one transaction."""

        def work(connection: Connection) -> None:
            if not _release(connection, episode_id, holder):
                raise Conflict(f"the claim on {episode_id} is lost")
            _add_step(connection, episode_id, step, ending)
            if memory is not None:
                remember(connection, memory)

        await answered(self._database.write(work))

    async def close(self, episode_id: str, ending: Ending) -> Episode | None:
        """Marks an episode as done."""
        return await answered(self._database.write(lambda connection: _close(connection, episode_id, ending)))

    async def count_open(self) -> int:
        """Counts the episodes that are not done."""
        return await answered(self._database.read(lambda connection: int(connection.execute(_COUNT_OPEN).scalar_one())))

    async def prune(self, older_than: datetime, keep: int, batch: int) -> int:
        """Removes old episodes with all that belongs to them."""
        return await answered(self._database.write(lambda connection: _prune(connection, older_than, keep, batch)))


def _create(connection: Connection, episode: Episode) -> None:
    columns = ("episode_id", "task_id", "run_id", "seed", "created", "done", "category", "difficulty", "drawn")
    values = {name: getattr(episode, name) for name in columns}
    connection.execute(insert(EPISODES), values | {"options": episode.options.model_dump_json(exclude_defaults=True)})


def read_episode(connection: Connection, episode_id: str) -> Episode:
    """Reads an episode with its steps. Raises UnknownEpisode."""
    rows = connection.execute(_EPISODE_WITH_STEPS, {"wanted": episode_id}).all()
    if not rows:
        raise UnknownEpisode(episode_id)
    row = rows[0]
    return Episode(
        row.episode_id,
        row.task_id,
        row.run_id,
        row.seed,
        with_zone(row.created),
        row.done,
        row.category,
        row.difficulty,
        row.drawn,
        Options.model_validate_json(row.options),
        tuple(_step(found) for found in rows if found.number is not None),
    )


def _claim(connection: Connection, episode_id: str, holder: str, seconds: float) -> Episode:
    # First the claim, then the episode: what another one wrote before it gave the claim back is then seen.
    now = time.time()
    values = {"episode_id": episode_id, "holder": holder, "expires": now + seconds}
    statement = insert_into(connection, CLAIMS, values).on_conflict_do_update(
        index_elements=["episode_id"],
        set_={"holder": holder, "expires": now + seconds},
        where=or_(CLAIMS.c.expires < now, CLAIMS.c.holder == holder),
    )
    try:
        taken = connection.execute(statement.returning(CLAIMS.c.episode_id)).first()
    except IntegrityError as error:
        raise UnknownEpisode(episode_id) from error
    if taken is None:
        expires = connection.execute(select(CLAIMS.c.expires).where(CLAIMS.c.episode_id == episode_id)).scalar()
        raise Claimed(max(0.0, (expires or now) - now))
    return read_episode(connection, episode_id)


def _renew(connection: Connection, episode_id: str, holder: str, seconds: float) -> bool:
    statement = update(CLAIMS).where(CLAIMS.c.episode_id == episode_id, CLAIMS.c.holder == holder)
    return connection.execute(statement.values(expires=time.time() + seconds)).rowcount > 0


def _release(connection: Connection, episode_id: str, holder: str) -> bool:
    statement = delete(CLAIMS).where(CLAIMS.c.episode_id == episode_id, CLAIMS.c.holder == holder)
    return connection.execute(statement).rowcount > 0


def _add_step(connection: Connection, episode_id: str, step: Step, ending: Ending | None) -> None:
    best = func.coalesce(EPISODES.c.best_reward, step.reward)
    changes: dict[str, Any] = {
        "step_count": step.number,
        "best_reward": func.max(best, step.reward)
        if connection.dialect.name == "sqlite"
        else func.greatest(best, step.reward),
    }
    if not _update_open(connection, episode_id, changes, ending):
        raise Conflict(f"the episode {episode_id} is not open any more")
    try:
        connection.execute(insert(STEPS), {"episode_id": episode_id, **_columns(step)})
    except IntegrityError as error:
        raise Conflict(f"step {step.number} of {episode_id} is taken") from error


def _update_open(connection: Connection, episode_id: str, changes: dict[str, Any], ending: Ending | None) -> bool:
    """Changes an episode if it is open, and ends it if it ends; returns whether it was open."""
    if ending is not None:
        changes |= {"done": True, "ended": ending.at, "solved": ending.solved}
    this = (EPISODES.c.episode_id == episode_id) & _IS_OPEN
    changed = update(EPISODES).where(this).values(changes).returning(EPISODES.c.run_id, EPISODES.c.best_reward)
    row = connection.execute(changed).first()
    if row is None:
        return False
    if ending is not None and ending.advance is not None and row.best_reward is not None:
        advance(connection, row.run_id, row.best_reward, ending.advance)
    return True


def _close(connection: Connection, episode_id: str, ending: Ending) -> Episode | None:
    closed = _update_open(connection, episode_id, {}, ending)
    episode = read_episode(connection, episode_id)
    return episode if closed else None


def _prune(connection: Connection, older_than: datetime, keep: int, batch: int) -> int:
    total = connection.execute(select(func.count()).select_from(EPISODES)).scalar_one()
    oldest = select(EPISODES.c.episode_id).order_by(*_OLDEST_FIRST)
    surplus = min(batch, max(0, total - keep))
    doomed = set(connection.execute(oldest.limit(surplus)).scalars()) if surplus else set()
    if len(doomed) < batch:
        doomed.update(connection.execute(oldest.where(EPISODES.c.created < older_than).limit(batch)).scalars())
    chosen = sorted(doomed)[:batch]
    for table in (CLAIMS, STEPS, EPISODES):
        connection.execute(delete(table).where(table.c.episode_id.in_(chosen)))
    return len(chosen)


def _columns(step: Step) -> dict[str, Any]:
    return {name: getattr(step, name) for name in Step.__slots__}


def _step(row: Any) -> Step:  # noqa: ANN401  a row of any shape
    return Step(
        row.number,
        row.request_id,
        row.fix,
        row.reward,
        row.outcome,
        row.passed,
        bytes(row.response),
        None if row.step_created is None else with_zone(row.step_created),
        row.complexity,
        row.method,
        row.repeated,
        row.tests,
    )
