"""Closed formulas: what queueing theory says without a simulation."""

from __future__ import annotations

import math


def erlang_c(servers: int, load: float) -> float:
    """Returns the probability that an arrival has to wait in an M/M/c queue.

    A. K. Erlang's second formula, by the recursion of his first one, which does not overflow.

    Args:
        servers: How many serve, c.
        load: Arrival rate times mean time of service, in erlangs. Must be below `servers`, or everybody waits (1).
    """
    if load >= servers:
        return 1.0
    blocked = 1.0
    for number in range(1, servers + 1):
        blocked = load * blocked / (number + load * blocked)
    return blocked / (1.0 - load / servers * (1.0 - blocked))


def mean_wait(servers: int, rate: float, service_seconds: float) -> float:
    """Returns the mean seconds that an arrival waits in an M/M/c queue; infinite if it is overloaded."""
    load = rate * service_seconds
    if load >= servers:
        return math.inf
    return erlang_c(servers, load) * service_seconds / (servers - load)


def servers_for(load: float, utilisation: float) -> int:
    """Returns how many servers carry a load in erlangs at a utilisation of at most 0 to 1; at least 1."""
    return max(1, math.ceil(load / utilisation - 1e-9))


def offered_rate(episodes: int, think_seconds: float, step_seconds: float) -> float:
    """Returns the steps a second of a closed system: each episode thinks, then waits for its step (Little's law)."""
    return episodes / (think_seconds + step_seconds)


def warm_pods(rate: float, refill_seconds: float) -> int:
    """Returns how many sandboxes are on their way at a time: demand times the time to make one (Little's law)."""
    return math.ceil(rate * refill_seconds)
