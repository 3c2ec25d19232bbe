"""The store on SQLAlchemy: SQLite, or any database with an asynchronous driver."""

from __future__ import annotations

import time
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Executable, bindparam, case, delete, func, insert, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError

from services.env.curricula_sql import advance
from services.env.memories_sql import remember
from services.env.migrate import migrate
from services.env.options import Options
from services.env.schema import CLAIMS, EPISODES, STEPS
from services.env.sql import answered, with_zone
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

# Those of each step are put together once: to build a statement takes longer than to run it.
_HELD = (CLAIMS.c.episode_id == bindparam("wanted")) & (CLAIMS.c.holder == bindparam("by"))
_RENEW = update(CLAIMS).where(_HELD).values(expires=bindparam("until"))
_RELEASE = delete(CLAIMS).where(_HELD)
_CHANGE = (
    update(EPISODES)
    .where(EPISODES.c.episode_id == bindparam("wanted"), _IS_OPEN)
    .returning(EPISODES.c.run_id, EPISODES.c.best_reward)
)
_STEPPED = {
    "step_count": bindparam("number"),
    "best_reward": case(
        (EPISODES.c.best_reward > bindparam("reward"), EPISODES.c.best_reward), else_=bindparam("reward")
    ),
}
_ENDED = {"done": True, "ended": bindparam("at"), "solved": bindparam("is_solved")}
_STEP, _LAST_STEP, _END = _CHANGE.values(_STEPPED), _CHANGE.values(_STEPPED | _ENDED), _CHANGE.values(_ENDED)
_INSERT_STEP = insert(STEPS)


def _taking(insertion: sqlite.Insert | postgresql.Insert) -> Executable:
    new = insertion.values(episode_id=bindparam("wanted"), holder=bindparam("by"), expires=bindparam("until"))
    free = or_(CLAIMS.c.expires < bindparam("now"), CLAIMS.c.holder == new.excluded.holder)
    taken = {"holder": new.excluded.holder, "expires": new.excluded.expires}
    return new.on_conflict_do_update(index_elements=["episode_id"], set_=taken, where=free).returning(
        CLAIMS.c.episode_id
    )


_TAKE = {"sqlite": _taking(sqlite.insert(CLAIMS)), "postgresql": _taking(postgresql.insert(CLAIMS))}


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
    values = {"wanted": episode_id, "by": holder, "now": now, "until": now + seconds}
    try:
        taken = connection.execute(_TAKE[connection.dialect.name], values).first()
    except IntegrityError as error:
        raise UnknownEpisode(episode_id) from error
    if taken is None:
        expires = connection.execute(select(CLAIMS.c.expires).where(CLAIMS.c.episode_id == episode_id)).scalar()
        raise Claimed(max(0.0, (expires or now) - now))
    return read_episode(connection, episode_id)


def _renew(connection: Connection, episode_id: str, holder: str, seconds: float) -> bool:
    values = {"wanted": episode_id, "by": holder, "until": time.time() + seconds}
    return connection.execute(_RENEW, values).rowcount > 0


def _release(connection: Connection, episode_id: str, holder: str) -> bool:
    return connection.execute(_RELEASE, {"wanted": episode_id, "by": holder}).rowcount > 0


def _add_step(connection: Connection, episode_id: str, step: Step, ending: Ending | None) -> None:
    values = {"number": step.number, "reward": step.reward}
    if not _change(connection, episode_id, _STEP if ending is None else _LAST_STEP, values, ending):
        raise Conflict(f"the episode {episode_id} is not open any more")
    try:
        connection.execute(_INSERT_STEP, {"episode_id": episode_id, **_columns(step)})
    except IntegrityError as error:
        raise Conflict(f"step {step.number} of {episode_id} is taken") from error


def _change(
    connection: Connection, episode_id: str, statement: Executable, values: dict[str, Any], ending: Ending | None
) -> bool:
    """Changes an episode if it is open, and moves the run's curriculum if it ends; returns whether it was open."""
    if ending is not None:
        values = values | {"at": ending.at, "is_solved": ending.solved}
    row = connection.execute(statement, values | {"wanted": episode_id}).first()
    if row is None:
        return False
    if ending is not None and ending.advance is not None and row.best_reward is not None:
        advance(connection, row.run_id, row.best_reward, ending.advance)
    return True


def _close(connection: Connection, episode_id: str, ending: Ending) -> Episode | None:
    closed = _change(connection, episode_id, _END, {}, ending)
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
