"""What an arena is made of, and how much of it a number of episodes needs."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.capacity.durations import Distribution, Durations
from benchmarks.capacity.theory import offered_rate, servers_for

UTILISATION = 0.7
"""Up to where a part is planned to be busy: room for bursts, and for a replica that is away."""
SLOTS = 4
"""Slots, and cores, of one executor."""
JUDGE_WORKERS = 2
QUEUE = 256
"""`CODEARENA_EXECUTOR_QUEUE`."""


@dataclass(frozen=True, slots=True)
class Making:
    """How fast single-use sandboxes are made where that is not a matter of the executor's CPU.

    Attributes:
        rate: Sandboxes that can be begun a second.
        start_seconds: From then until one is ready.
        warm: How many are kept ready.
    """

    rate: float
    start_seconds: float
    warm: int


@dataclass(frozen=True, slots=True)
class Deployment:
    """An arena, and the episodes that are played in it at a time.

    Attributes:
        episodes: How many there are at a time.
        think: Seconds between an answer and the next step: the agent writes.
        env, executor, judge: Replicas.
        slots: Of one executor.
        judge_workers: Of one judge.
        database_cores: Of the one PostgreSQL.
        shared_cores: Where all is on one machine, client included: its cores; None if each has its own.
        client_processes: Processes that the training run steps from; None if they are no matter of the arena's.
        queue: Requests that may wait in one executor.
        retry_seconds: When a refused request comes back.
        supply: How sandboxes are made, if that is a bottleneck of its own.
        supplies: How many such makers there are, e.g. engines.
        model: Seconds of a language model's opinion; None for the static judge.
        model_concurrency: Questions at a time of one judge.
        unexplained_seconds: What a step takes beside work and queues: timers, wake-ups, round trips.
    """

    episodes: int
    think: Distribution
    env: int = 1
    executor: int = 1
    judge: int = 1
    slots: int = SLOTS
    judge_workers: int = JUDGE_WORKERS
    database_cores: int = 4
    shared_cores: int | None = None
    client_processes: int | None = None
    queue: int = QUEUE
    retry_seconds: float = 1.0
    supply: Making | None = None
    supplies: int = 1
    model: Distribution | None = None
    model_concurrency: int = 64
    unexplained_seconds: float = 0.0

    @property
    def servers(self) -> dict[str, int]:
        """How many CPUs each part has."""
        return {
            "env": self.env,
            "executor": self.executor * self.slots,
            "judge": self.judge * self.judge_workers,
            "database": self.database_cores,
        }


def plan(episodes: int, think: Distribution, durations: Durations, database_cores: int | None = None) -> Deployment:
    """Returns a deployment in which no part is busier than `UTILISATION`, each replica with cores of its own.

    Args:
        episodes: How many at a time.
        think: Seconds between an answer and the next step.
        durations: What a step costs.
        database_cores: Of PostgreSQL; None for as many as are needed.
    """
    rate, costs = offered_rate(episodes, think.mean, durations.stages["total"].mean), durations.costs
    executing = max(costs.executor, durations.stages["execute"].mean) + durations.stages["provision"].mean
    return Deployment(
        episodes=episodes,
        think=think,
        env=servers_for(rate * costs.env, UTILISATION),
        executor=servers_for(rate * executing / SLOTS, UTILISATION),
        judge=servers_for(rate * costs.judge / JUDGE_WORKERS, UTILISATION),
        database_cores=database_cores or servers_for(rate * costs.database, UTILISATION),
    )
