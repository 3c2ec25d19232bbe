"""What each part of an arena carries at most, and what a number of episodes asks of it."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.capacity.deployment import JUDGE_WORKERS, SLOTS, Deployment
from benchmarks.capacity.durations import Distribution, Durations
from benchmarks.capacity.theory import offered_rate, warm_pods

ENGINE_STARTS = 13.2
"""Containers a second of one Docker engine on two cores: the ceiling in docs/benchmarks.md."""
NODE_STARTS = 4.7
"""Pods a second that one node starts; with the two below from public reports of clusters."""
SCHEDULER_STARTS = 50.0
"""Pods a second that a scheduler with default settings places."""
NAMESPACE_PODS = 3000
"""Pods that a namespace is good for."""
POD_START_SECONDS = 0.9
"""From its creation until a pod runs, with its image on the node: measured, 0.75 to 1.0."""
MAX_CONNECTIONS = 97
"""Of PostgreSQL by default: 100, less three for superusers."""
CONNECTIONS = 20
"""That one env replica opens at most: a pool of 10 and an overflow of 10."""
RETAINED_EPISODES = 1_000_000
"""`CODEARENA_RETENTION_EPISODES`."""
_DAY = 86_400.0


@dataclass(frozen=True, slots=True)
class Limit:
    """What one of a part carries.

    Attributes:
        part: Which.
        rate: Steps a second.
        scales: Whether more of it carry more.
    """

    part: str
    rate: float
    scales: str


def limits(durations: Durations) -> list[Limit]:
    """Returns the limit of one of each part, the lowest first."""
    costs, stages = durations.costs, durations.stages
    slot_seconds = max(costs.executor, stages["execute"].mean) + stages["provision"].mean
    lease = stages["execute"].mean + stages["provision"].mean + POD_START_SECONDS
    found = [
        Limit("Kubernetes node, starting pods", NODE_STARTS, "nodes"),
        Limit("Docker engine on two cores, starting containers", ENGINE_STARTS, "machines"),
        Limit("Kubernetes scheduler", SCHEDULER_STARTS, "no: one a cluster"),
        Limit(f"executor with {SLOTS} cores", SLOTS / slot_seconds, "replicas"),
        Limit("env replica", 1 / costs.env, "replicas"),
        Limit(f"judge replica ({JUDGE_WORKERS} workers)", JUDGE_WORKERS / costs.judge, "replicas"),
        Limit("PostgreSQL, for each core", 1 / costs.database, "cores of one machine"),
        Limit("PostgreSQL's connections", MAX_CONNECTIONS // CONNECTIONS / costs.env, "max_connections, or a pooler"),
        Limit("namespace of pods", NAMESPACE_PODS / lease, "namespaces"),
    ]
    return sorted(found, key=lambda limit: limit.rate)


@dataclass(frozen=True, slots=True)
class Need:
    """What a number of episodes asks for.

    Attributes:
        rate: Steps a second.
        connections: To PostgreSQL, at most.
        pods_on_their_way: Where each step takes a pod.
        nodes: To start those.
        rows_per_day: Of steps and episodes.
        bytes_per_day: Of the database.
        retained_hours: How far back the retention by number of episodes reaches.
    """

    rate: float
    connections: int
    pods_on_their_way: int
    nodes: int
    rows_per_day: float
    bytes_per_day: float
    retained_hours: float


def need(deployment: Deployment, think: Distribution, durations: Durations) -> Need:
    """Returns what the episodes of a deployment ask for."""
    rate = offered_rate(deployment.episodes, think.mean, durations.stages["total"].mean)
    episodes = rate / durations.steps_per_episode
    return Need(
        rate,
        deployment.env * CONNECTIONS,
        warm_pods(rate, POD_START_SECONDS),
        warm_pods(rate, 1 / NODE_STARTS),
        (rate + episodes) * _DAY,
        rate * durations.bytes_per_step * _DAY,
        RETAINED_EPISODES / episodes / 3600,
    )
