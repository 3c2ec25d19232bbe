"""Training runs: what was set for them, and what they did."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Integer, func, select

from services.env.schema import EPISODES, RUNS, STEPS
from services.env.sql import answered, insert_into, with_zone
from services.env.transactions import Transactions


@dataclass(frozen=True, slots=True)
class Terms:
    """What a training run is given.

    Attributes:
        weight: Its share of the executor against that of others; 0 if it was not set.
        max_open_episodes: Episodes it may have open at once; 0 for any number.
        max_gradings_per_minute: Gradings it may begin within a minute; 0 for any number.
    """

    weight: float = 0.0
    max_open_episodes: int = 0
    max_gradings_per_minute: int = 0


USUAL = Terms()


@dataclass(frozen=True, slots=True)
class RunRecord:
    """A training run.

    Attributes:
        run_id: Its id.
        terms: What it is given.
        episodes: Its episodes.
        open_episodes: Those that are open.
        steps: Its steps.
        mean_reward: Of these; None if there is none.
        last_active: When it last opened an episode or made a step; None if it never did.
    """

    run_id: str
    terms: Terms
    episodes: int
    open_episodes: int
    steps: int
    mean_reward: float | None
    last_active: datetime | None


class SqlRuns:
    """Keeps what is set for runs, and counts what they did.

    Every method may raise StoreDown.

    Args:
        database: Where they are.
    """

    def __init__(self, database: Transactions) -> None:
        self._database = database

    async def terms(self, run_id: str) -> Terms:
        """Returns what a run is given."""
        return await answered(self._database.read(lambda connection: _terms(connection, run_id)))

    async def open_episodes(self, run_id: str) -> int:
        """Counts the open episodes of a run."""
        query = (
            select(func.count()).select_from(EPISODES).where(EPISODES.c.run_id == run_id, EPISODES.c.done.is_(False))
        )
        return await answered(self._database.read(lambda connection: int(connection.execute(query).scalar_one())))

    async def update(
        self, run_id: str, weight: float | None, max_open_episodes: int | None, max_gradings_per_minute: int | None
    ) -> RunRecord:
        """Changes what is not None, and returns the run."""

        def work(connection: Connection) -> RunRecord:
            old = _terms(connection, run_id)
            values = {
                "weight": old.weight if weight is None else weight,
                "max_open_episodes": old.max_open_episodes if max_open_episodes is None else max_open_episodes,
                "max_gradings_per_minute": (
                    old.max_gradings_per_minute if max_gradings_per_minute is None else max_gradings_per_minute
                ),
            }
            new = insert_into(connection, RUNS, {"run_id": run_id, **values})
            connection.execute(new.on_conflict_do_update(index_elements=["run_id"], set_=values))
            return _list(connection, 1, run_id)[0]

        return await answered(self._database.write(work))

    async def page(self, count: int) -> list[RunRecord]:
        """Returns at most `count` runs, the one that was active last first."""
        return await answered(self._database.read(lambda connection: _list(connection, count)))


def _terms(connection: Connection, run_id: str) -> Terms:
    row = connection.execute(select(RUNS).where(RUNS.c.run_id == run_id)).first()
    return USUAL if row is None else Terms(row.weight, row.max_open_episodes, row.max_gradings_per_minute)


def _list(connection: Connection, count: int, run_id: str | None = None) -> list[RunRecord]:
    ids = select(EPISODES.c.run_id).union(select(RUNS.c.run_id)).subquery()
    played = (
        select(
            EPISODES.c.run_id,
            func.count().label("episodes"),
            func.sum((~EPISODES.c.done).cast(Integer)).label("open"),
            func.max(func.coalesce(EPISODES.c.ended, EPISODES.c.created)).label("active"),
        )
        .group_by(EPISODES.c.run_id)
        .subquery()
    )
    graded = (
        select(
            EPISODES.c.run_id,
            func.count().label("steps"),
            func.avg(STEPS.c.reward).label("mean_reward"),
            func.max(STEPS.c.created).label("active"),
        )
        .select_from(STEPS.join(EPISODES))
        .group_by(EPISODES.c.run_id)
        .subquery()
    )
    query = (
        select(ids.c.run_id, played.c.episodes, played.c.open, played.c.active, graded.c.steps, graded.c.mean_reward)
        .add_columns(graded.c.active.label("stepped"), RUNS.c.weight, RUNS.c.max_open_episodes)
        .add_columns(RUNS.c.max_gradings_per_minute)
        .select_from(ids)
        .outerjoin(played, played.c.run_id == ids.c.run_id)
        .outerjoin(graded, graded.c.run_id == ids.c.run_id)
        .outerjoin(RUNS, RUNS.c.run_id == ids.c.run_id)
    )
    if run_id is not None:
        query = query.where(ids.c.run_id == run_id)
    records = []
    for row in connection.execute(query.order_by(played.c.active.desc().nulls_last(), ids.c.run_id).limit(count)):
        terms = USUAL if row.weight is None else Terms(row.weight, row.max_open_episodes, row.max_gradings_per_minute)
        moments = [with_zone(moment) for moment in (row.active, row.stepped) if moment is not None]
        records.append(
            RunRecord(
                row.run_id,
                terms,
                row.episodes or 0,
                int(row.open or 0),
                row.steps or 0,
                None if row.mean_reward is None else float(row.mean_reward),
                max(moments, default=None),
            )
        )
    return records
