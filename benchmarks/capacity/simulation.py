"""A discrete-event simulation of an arena that is stepped by episodes which think in between.

Time is in seconds. Every part is a `Station`: servers with one queue. Parts that share a machine share its cores, a
slice at a time, as a kernel shares them; parts with a machine of their own never wait for one.
"""

from __future__ import annotations

import itertools
import random
from collections import deque
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import simpy

from benchmarks.capacity.deployment import Deployment
from benchmarks.capacity.durations import Durations
from benchmarks.figures import percentile

Events: TypeAlias = Generator[simpy.Event, Any, None]
_SLICE_SECONDS = 0.004
"""For how long a core of a shared machine is kept at a time."""
_BEFORE = 0.5
"""Which part of the CPU time of client, env and database is spent before executor and judge are asked."""


class Servers:
    """Servers that are taken in the order in which they are asked for.

    `simpy.Resource` does the same with three events for each turn; here a free server costs none.

    Attributes:
        capacity: How many there are.
    """

    def __init__(self, world: simpy.Environment, capacity: int) -> None:
        self._world = world
        self.capacity = capacity
        self._free = capacity
        self._waiting: deque[simpy.Event] = deque()

    @property
    def queue(self) -> int:
        """How many wait."""
        return len(self._waiting)

    def take(self) -> Events:
        """Waits for a server."""
        if self._free:
            self._free -= 1
            return
        turn = self._world.event()
        self._waiting.append(turn)
        yield turn

    def give_back(self) -> None:
        """Hands a server to who has waited longest."""
        if self._waiting:
            self._waiting.popleft().succeed()
        else:
            self._free += 1


class Station:
    """Servers with one queue.

    Args:
        world: The simulation.
        servers: How many serve at once.
        machine: Cores of which each of them needs one while it works; None for cores of their own.

    Attributes:
        busy: Seconds of service so far.
        waited: Seconds that all who were served had waited for a server.
        served: How many were served.
    """

    def __init__(self, world: simpy.Environment, servers: int, machine: Servers | None = None) -> None:
        self._world = world
        self._servers = Servers(world, servers)
        self._machine = machine
        self.busy = self.waited = 0.0
        self.served = 0

    @property
    def queue(self) -> int:
        """How many wait."""
        return self._servers.queue

    def serve(self, seconds: float, delay: float = 0.0) -> Events:
        """Waits for a server and keeps it for a delay, and then for seconds of work."""
        began = self._world.now
        yield from self._servers.take()
        self.waited += self._world.now - began
        if self._machine is None:
            yield self._world.timeout(delay + seconds)
        else:
            yield self._world.timeout(delay)
            yield from self.work(seconds)
        self.busy += delay + seconds
        self.served += 1
        self._servers.give_back()

    def work(self, seconds: float) -> Events:
        """Works without a server: only a core of the machine is needed, a slice at a time."""
        left = seconds
        while self._machine is not None and left > 0:
            yield from self._machine.take()
            yield self._world.timeout(min(left, _SLICE_SECONDS))
            self._machine.give_back()
            left -= _SLICE_SECONDS

    def utilisation(self, seconds: float) -> float:
        """Returns which part of the servers was busy during a time."""
        return self.busy / (seconds * self._servers.capacity)


class Supply:
    """Single-use sandboxes, made one after the other by something that is only so fast.

    Args:
        world: The simulation.
        rate: How many can be begun a second.
        start_seconds: From then until one is ready.
        warm: How many are kept ready.
    """

    def __init__(self, world: simpy.Environment, rate: float, start_seconds: float, warm: int) -> None:
        self._world = world
        self._making = Station(world, 1)
        self._begin_seconds = 1 / rate
        self._start_seconds = start_seconds
        self._ready = simpy.Container(world, warm, warm)

    def take(self) -> Events:
        """Waits for one that is ready; another one is begun for it."""
        self._world.process(self._make())
        yield self._ready.get(1)

    def _make(self) -> Events:
        yield from self._making.serve(self._begin_seconds)
        yield self._world.timeout(self._start_seconds)
        yield self._ready.put(1)

    @property
    def making(self) -> Station:
        """What makes them."""
        return self._making


@dataclass
class Outcome:
    """What was seen in the time that counts.

    Attributes:
        seconds: How long that was.
        begun: Steps that began, refused tries apart.
        finished: Steps that were answered.
        inside: Steps that were under way at the end, less those at the beginning.
        refused: Tries that found an executor's queue full.
        latencies: Seconds of each answered step, tries included.
        utilisation: Of each part.
    """

    seconds: float = 0.0
    begun: int = 0
    finished: int = 0
    inside: int = 0
    refused: int = 0
    latencies: list[float] = field(default_factory=list)
    utilisation: dict[str, float] = field(default_factory=dict)

    @property
    def rate(self) -> float:
        """Steps answered a second."""
        return self.finished / self.seconds

    def percentile(self, part: float) -> float:
        """Returns the seconds that a part of the steps, 0 to 1, took at most."""
        return percentile(sorted(self.latencies), part)

    @property
    def busiest(self) -> str:
        """The part that breaks first."""
        return max(self.utilisation, key=lambda name: self.utilisation[name])


class Arena:
    """An arena with its episodes.

    Args:
        world: The simulation.
        deployment: What there is.
        durations: What a step costs.
        seed: Of all that is drawn.
    """

    def __init__(self, world: simpy.Environment, deployment: Deployment, durations: Durations, seed: int) -> None:
        self._world = world
        self._deployment = deployment
        self._durations = durations
        self._random = random.Random(seed)
        self.seen = Outcome()
        self._inside = 0
        shared = None if deployment.shared_cores is None else Servers(world, deployment.shared_cores)
        self._stations = _stations(world, deployment, shared)
        self._path = [name for name in ("client", "env", "database") if name in self._stations]
        self._turns = {name: itertools.cycle(stations) for name, stations in self._stations.items()}
        self._supplies = [
            Supply(world, made.rate, made.start_seconds, made.warm)
            for made in [deployment.supply] * (deployment.supplies if deployment.supply else 0)
            if made is not None
        ]
        self._supply_turns = itertools.cycle(self._supplies)
        mean = durations.stages["execute"].mean
        self._overhead = max(0.0, durations.costs.executor - mean)
        # What a program takes beyond the CPU time of its step it sleeps.
        self._working = min(1.0, durations.costs.executor / mean)

    def start(self) -> None:
        """Begins every episode somewhere in its first thought, as if they had been going on for long."""
        for _ in range(self._deployment.episodes):
            self._world.process(self._episode())

    def forget(self) -> None:
        """Begins to count anew: what was seen so far was the warm-up."""
        self.seen = Outcome(inside=-self._inside)
        for station in self._all():
            station.busy = station.waited = 0.0
            station.served = 0

    def conclude(self, seconds: float) -> Outcome:
        """Returns what was seen in the last so many seconds."""
        self.seen.seconds = seconds
        self.seen.inside += self._inside
        for name, stations in self._stations.items():
            used = sum(station.utilisation(seconds) for station in stations)
            self.seen.utilisation[name] = used / len(stations)
        if self._supplies:
            used = sum(supply.making.utilisation(seconds) for supply in self._supplies)
            self.seen.utilisation["making sandboxes"] = used / len(self._supplies)
        return self.seen

    def _all(self) -> list[Station]:
        return [*itertools.chain(*self._stations.values()), *(supply.making for supply in self._supplies)]

    def _episode(self) -> Events:
        think, longest = self._deployment.think, self._deployment.think.quantiles[-1]
        current = think.draw(self._random)
        # Whoever looks finds an episode in a long thought more often than in a short one.
        while self._random.random() * longest > current:
            current = think.draw(self._random)
        yield self._world.timeout(self._random.random() * current)
        while True:
            yield from self._step()
            yield self._world.timeout(think.draw(self._random))

    def _step(self) -> Events:
        began = self._world.now
        self.seen.begun += 1
        self._inside += 1
        costs = self._durations.costs
        parts = [(next(self._turns[name]), getattr(costs, name)) for name in self._path]
        for station, cost in parts:
            yield from station.serve(_BEFORE * cost)
        judging = self._world.process(self._judge())
        yield from self._execute()
        yield judging
        for station, cost in reversed(parts):
            yield from station.serve((1 - _BEFORE) * cost)
        if self._deployment.unexplained_seconds:
            yield self._world.timeout(self._deployment.unexplained_seconds)
        self._inside -= 1
        self.seen.finished += 1
        self.seen.latencies.append(self._world.now - began)

    def _execute(self) -> Events:
        executor = next(self._turns["executor"])
        while executor.queue >= self._deployment.queue:
            self.seen.refused += 1
            yield self._world.timeout(self._deployment.retry_seconds)
            executor = next(self._turns["executor"])
        if self._supplies:
            yield from next(self._supply_turns).take()
        draw = self._durations.stages
        provision, execute = draw["provision"].draw(self._random), draw["execute"].draw(self._random)
        yield from executor.serve(execute * self._working, delay=provision + execute * (1 - self._working))
        if self._overhead:
            self._world.process(self._clean_up(executor))

    def _clean_up(self, executor: Station) -> Events:
        """Destroys a sandbox and makes another one, off the path of the step."""
        if self._deployment.shared_cores is None:
            yield from executor.serve(self._overhead)
        else:
            yield from executor.work(self._overhead)

    def _judge(self) -> Events:
        model = self._deployment.model
        if model is not None:
            yield from next(self._turns["model"]).serve(model.draw(self._random))
        yield from next(self._turns["judge"]).serve(self._durations.costs.judge)


def _stations(world: simpy.Environment, deployment: Deployment, shared: Servers | None) -> dict[str, list[Station]]:
    def some(count: int, servers: int) -> list[Station]:
        return [Station(world, servers, shared) for _ in range(count)]

    stations = {
        "env": some(deployment.env, 1),
        "executor": some(deployment.executor, deployment.slots),
        "judge": some(deployment.judge, deployment.judge_workers),
        "database": some(1, deployment.database_cores),
    }
    if deployment.client_processes is not None:
        stations["client"] = some(1, deployment.client_processes)
    if deployment.model is not None:
        stations["model"] = [Station(world, deployment.model_concurrency) for _ in range(deployment.judge)]
    return stations


def simulate(deployment: Deployment, durations: Durations, *, warm_up: float, seconds: float, seed: int = 1) -> Outcome:
    """Runs an arena for a while and counts for a while. Equal arguments give equal outcomes.

    Args:
        deployment: What there is, and how many episodes.
        durations: What a step costs.
        warm_up: Simulated seconds before the counting begins.
        seconds: Simulated seconds that count.
        seed: Of all that is drawn.
    """
    world = simpy.Environment()
    arena = Arena(world, deployment, durations, seed)
    arena.start()
    world.run(warm_up)
    arena.forget()
    world.run(warm_up + seconds)
    return arena.conclude(seconds)


def waits(
    arrival_rate: float,
    draw_service: Callable[[random.Random], float],
    servers: int,
    arrivals: int,
    seed: int = 1,
) -> float:
    """Returns the mean wait of Poisson arrivals at one station, for comparison with queueing theory."""
    world, random_source = simpy.Environment(), random.Random(seed)
    station = Station(world, servers)

    def arrive() -> Events:
        for _ in range(arrivals):
            yield world.timeout(random_source.expovariate(arrival_rate))
            world.process(station.serve(draw_service(random_source)))

    world.process(arrive())
    world.run()
    return station.waited / station.served
