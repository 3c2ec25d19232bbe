"""Which training run gets the next slot, and whose request makes room when the queue is full.

Slots are shared by start-time fair queueing (Goyal, Vin, Cheng: "Start-time Fair Queueing", SIGCOMM 1996) over runs.
Each run has a tag: the slot-seconds that it had, divided by its weight. The next slot goes to the waiting run with the
lowest tag. A run that begins to wait starts no lower than the run served last, so that what it did not use before is
not saved up.

What a request will cost is not known when it gets its slot. It is charged what those of its run took lately, and the
difference once the slot is given back; one that runs on beyond its charge counts as it goes. Mace and others call these
retroactive and refresh charging ("2DFQ", SIGCOMM 2016).

A full queue takes the place of a newcomer from the run that holds most places for its weight, from the end of its line
(McKenney: "Stochastic Fairness Queueing", INFOCOM 1990, buffer stealing).
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field

from services.executor.asks import Ask

_KEPT_RUNS = 1024
_FIRST_COST_SECONDS = 0.25
_SMOOTHING = 0.2


@dataclass(eq=False, slots=True)
class Ticket:
    """A slot that was granted.

    Attributes:
        run: The run that has it.
        charged_seconds: What its run was charged for it.
        began: Time of the grant.
    """

    run: Run
    charged_seconds: float
    began: float


@dataclass(eq=False, slots=True)
class Place:
    """A place in the queue.

    Attributes:
        ask: The request.
        run: Its run.
        number: Rises with each arrival.
        slot: Gets the slot, or why there is none.
    """

    ask: Ask
    run: Run
    number: int
    slot: asyncio.Future[Ticket]


@dataclass(eq=False, slots=True)
class Run:
    """What a training run had, has and waits for.

    Attributes:
        weight: Its share relative to other runs.
        cost_seconds: What its requests took lately, in slot-seconds each.
        tag: Slot-seconds divided by the weight; see the module.
        places: Those that wait, by number.
        tickets: Slots that it has.
    """

    weight: float
    cost_seconds: float
    tag: float = 0.0
    places: OrderedDict[int, Place] = field(default_factory=OrderedDict)
    tickets: set[Ticket] = field(default_factory=set)

    @property
    def idle(self) -> bool:
        """Whether it neither has nor waits for anything."""
        return not self.places and not self.tickets

    def turn(self, now: float) -> tuple[float, int]:
        """What orders runs that wait: the tag with running requests counted so far, then the arrival."""
        overrun = sum(max(0.0, now - ticket.began - ticket.charged_seconds) for ticket in self.tickets)
        return self.tag + overrun / self.weight, next(iter(self.places), 0)


class Shares:
    """The accounts of all runs. At most 1,024 idle ones are remembered, and none once all are idle.

    Args:
        weights: Weight by run id of those whose requests bring none; 1 for those not named.
    """

    def __init__(self, weights: Mapping[str, float]) -> None:
        self._weights = dict(weights)
        self._runs: dict[str, Run] = {}
        self._served = 0.0
        self._arrivals = 0
        self._granted = 0
        self.waiting = 0
        self.cost_seconds = _FIRST_COST_SECONDS

    @property
    def remembered(self) -> int:
        """How many runs have an account."""
        return len(self._runs)

    def join(self, ask: Ask) -> Place:
        """Appends a request to the line of its run."""
        run = self._run(ask.run_id, ask.weight)
        if not run.places:
            run.tag = max(run.tag, self._served)
        self._arrivals += 1
        place = Place(ask, run, self._arrivals, asyncio.get_running_loop().create_future())
        run.places[place.number] = place
        self.waiting += 1
        return place

    def leave(self, place: Place) -> None:
        """Takes a request out of the queue, if it is there."""
        if place.run.places.pop(place.number, None) is not None:
            self.waiting -= 1

    def next(self, now: float) -> Place | None:
        """Takes the request whose turn it is out of the queue; None if nothing waits."""
        waiting = [run for run in self._runs.values() if run.places]
        if not waiting:
            return None
        run = min(waiting, key=lambda run: run.turn(now))
        _, place = run.places.popitem(last=False)
        self.waiting -= 1
        return place

    def steal(self, run_id: str, weight: float = 0.0) -> Place | None:
        """Takes a place for a newcomer from the run that holds most; None if that would not make it fairer."""
        run = self._run(run_id, weight)
        most = max(self._runs.values(), key=lambda run: len(run.places) / run.weight)
        if (len(run.places) + 1) / run.weight >= len(most.places) / most.weight:
            return None
        _, place = most.places.popitem()
        self.waiting -= 1
        return place

    def charge(self, run_id: str, now: float, weight: float = 0.0) -> Ticket:
        """Grants a slot to a run."""
        run = self._run(run_id, weight)
        run.tag = max(run.tag, self._served) if run.idle else run.tag
        self._served = max(self._served, run.turn(now)[0])
        ticket = Ticket(run, run.cost_seconds, now)
        run.tag += ticket.charged_seconds / run.weight
        run.tickets.add(ticket)
        self._granted += 1
        return ticket

    def settle(self, ticket: Ticket, now: float) -> None:
        """Takes a slot back and charges what it took indeed."""
        run, took = ticket.run, now - ticket.began
        run.tickets.remove(ticket)
        run.tag += (took - ticket.charged_seconds) / run.weight
        run.cost_seconds += _SMOOTHING * (took - run.cost_seconds)
        self.cost_seconds += _SMOOTHING * (took - self.cost_seconds)
        self._granted -= 1
        if self._granted == 0 and self.waiting == 0:
            self._runs.clear()
            self._served = 0.0

    def _run(self, run_id: str, weight: float) -> Run:
        if run_id not in self._runs:
            if len(self._runs) >= _KEPT_RUNS:
                self._forget()
            self._runs[run_id] = Run(1.0, self.cost_seconds)
        run = self._runs[run_id]
        run.weight = weight or self._weights.get(run_id, 1.0)
        return run

    def _forget(self) -> None:
        """Forgets the half of the idle runs that are owed most: they would start level with the others anyway."""
        idle = sorted((run.tag, run_id) for run_id, run in self._runs.items() if run.idle)
        for _, run_id in idle[: (len(idle) + 1) // 2]:
            del self._runs[run_id]
