"""The capacity model as tables: limits, plans, simulations, and how far a simulation is from what is measured."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks.capacity.deployment import SLOTS, UTILISATION, Deployment, Making, plan
from benchmarks.capacity.durations import Distribution, Durations, load, save
from benchmarks.capacity.figure import draw
from benchmarks.capacity.limits import NODE_STARTS, POD_START_SECONDS, SCHEDULER_STARTS, limits, need
from benchmarks.capacity.measure import Load, durations_of, load_of, stand
from benchmarks.capacity.simulation import Outcome, simulate
from benchmarks.figures import Figures, milliseconds, percentile

SCALES = (10, 1_000, 100_000)
_SPREAD = 0.8  # of the lognormal times to think: the 95th percentile is 3.7 times the median
_STEPS_SIMULATED = 20_000
_LEAST_SECONDS, _MOST_SECONDS = 6.0, 1200.0
_CLIENTS = (1, 4, 8, 16)
_COMMAND = ".venv/bin/python -m benchmarks.capacity"


def window(rate: float) -> float:
    """Returns for how many seconds to simulate: the more happens in one, the fewer."""
    return min(_MOST_SECONDS, max(_LEAST_SECONDS, _STEPS_SIMULATED / rate))


def planned(episodes: int, think: Distribution, durations: Durations) -> Deployment:
    """Returns the deployment for a number of episodes: one of each on a machine of two cores if that is enough."""
    found = plan(episodes, think, durations)
    if sum(found.servers.values()) > 1 + SLOTS + found.judge_workers + 1 or episodes > SCALES[0]:
        return found
    return replace(found, shared_cores=2, slots=2)


def run(deployment: Deployment, durations: Durations, seed: int = 1) -> Outcome:
    """Simulates a deployment for as long as it takes to see enough steps."""
    think = deployment.think
    seconds = window(deployment.episodes / think.mean)
    return simulate(deployment, durations, warm_up=seconds, seconds=seconds, seed=seed)


def _limits_table(durations: Durations) -> Figures:
    rows = [(limit.part, f"{limit.rate:,.1f}", limit.scales) for limit in limits(durations)]
    note = "One of each, steps a second, the lowest first."
    return Figures("What one of each part carries", _COMMAND, ("part", "steps a second", "more of"), rows, note)


def _needs_table(think: Distribution, durations: Durations) -> Figures:
    rows: list[tuple[str, ...]] = []
    for episodes in SCALES:
        deployment = planned(episodes, think, durations)
        wanted = need(deployment, think, durations)
        rows.append(
            (
                f"{episodes:,}",
                f"{wanted.rate:,.2f}",
                f"{deployment.env}",
                f"{deployment.executor} x {deployment.slots}",
                f"{deployment.judge}",
                f"{deployment.database_cores}",
                f"{wanted.connections:,}",
                f"{wanted.rows_per_day:,.0f}",
                f"{wanted.bytes_per_day / 2**30:,.1f}",
                f"{wanted.retained_hours:,.1f}",
                f"{wanted.nodes:,}",
            )
        )
    columns = ("at a time", "steps a second", "env", "executors x slots", "judges", "PostgreSQL's cores", "connections")
    more = ("rows a day", "GiB a day", "hours retained", "nodes if each step takes a pod")
    note = f"No part busier than {UTILISATION:.0%}; an agent thinks {think.mean:g} s between two steps."
    return Figures("What a number of episodes needs", _COMMAND, (*columns, *more), rows, note)


def _row(name: str, outcome: Outcome) -> tuple[str, ...]:
    busiest = sorted(outcome.utilisation.items(), key=lambda item: -item[1])[:3]
    return (
        name,
        f"{outcome.rate:,.2f}",
        milliseconds(outcome.percentile(0.5)),
        milliseconds(outcome.percentile(0.99)),
        f"{outcome.refused:,}",
        ", ".join(f"{part} {used:.0%}" for part, used in busiest),
    )


def _simulated_table(think: Distribution, durations: Durations) -> Figures:
    rows = []
    for episodes in SCALES:
        deployment = planned(episodes, think, durations)
        rows.append(_row(f"{episodes:,} episodes, as planned", run(deployment, durations)))
        grown = replace(deployment, episodes=episodes * 3 // 2)
        rows.append(_row(f"{grown.episodes:,} episodes, nothing added", run(grown, durations)))
    for episodes in (1_000, 3_000):
        pods = Making(min(SCHEDULER_STARTS, 10 * NODE_STARTS), POD_START_SECONDS, 100)
        deployment = replace(plan(episodes, think, durations), supply=pods)
        rows.append(_row(f"{episodes:,} episodes, a pod for each step, 10 nodes", run(deployment, durations)))
    columns = ("", "steps a second", "p50 ms", "p99 ms", "refused", "busiest parts")
    note = "The simulation. What is busiest breaks first when there are more episodes."
    return Figures("Simulated episodes", _COMMAND, columns, rows, note)


def _compared(name: str, measured: Load, found: Outcome) -> tuple[str, ...]:
    ordered = sorted(measured.seconds)
    cells = [name, f"{measured.others:.1f}", f"{measured.rate:.1f}", f"{found.rate:.1f}"]
    for part in (0.5, 0.99):
        cells += [milliseconds(percentile(ordered, part)), milliseconds(found.percentile(part))]
    return (*cells, f"{found.rate / measured.rate:.2f}")


def on_one_machine(clients: int, unexplained: float, cores: int) -> Deployment:
    """Returns what `benchmarks.capacity.measure` runs, as a deployment: clients that do not think."""
    return Deployment(
        episodes=clients,
        think=Distribution.constant(0.0),
        slots=cores,
        database_cores=2 * cores,
        shared_cores=cores,
        client_processes=1,
        unexplained_seconds=unexplained,
    )


def _validation(backend: str, steps: int, clients: Sequence[int], cores: int) -> Iterator[Figures]:
    with stand(backend) as place:
        durations = durations_of(place, steps)
        loads = [load_of(place, number, steps) for number in clients]
    alone = simulate(on_one_machine(1, 0.0, cores), durations, warm_up=1, seconds=60)
    unexplained = max(0.0, durations.stages["total"].mean - sum(alone.latencies) / len(alone.latencies))
    rows = []
    for measured in loads:
        deployment = on_one_machine(measured.clients, unexplained, cores)
        found = simulate(deployment, durations, warm_up=2, seconds=60)
        rows.append(_compared(f"{measured.clients} clients", measured, found))
    columns = ("", "cores of others", "measured a s", "simulated a s", "p50 ms", "simulated", "p99 ms", "simulated")
    note = (
        f"{backend} backend, clients that do not think. {durations.costs.total * 1000:.1f} ms CPU a step; "
        f"{unexplained * 1000:.1f} ms of a lone step are neither work nor a queue, and are added to each. "
        "Void where other programs use the cores."
    )
    title = "The simulation beside what it simulates"
    yield Figures(title, f"{_COMMAND} validate --steps {steps}", (*columns, "ratio of rates"), rows, note)


def _costs_table(backend: str, durations: Durations) -> Figures:
    costs = durations.costs
    rows = [(f"CPU, {name}", milliseconds(getattr(costs, name))) for name in type(costs).__slots__]
    for name, found in durations.stages.items():
        middle, late = (percentile(found.quantiles, part) for part in (0.5, 0.99))
        rows.append((f"{name}: mean; p50; p99", "; ".join(map(milliseconds, (found.mean, middle, late)))))
    rows.append(("bytes in PostgreSQL", f"{durations.bytes_per_step:,.0f}"))
    title = f"What a step costs, backend {backend}"
    return Figures(title, f"{_COMMAND} measure --backend {backend}", ("of a step", "ms"), rows)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of this benchmark."""
    parser.add_argument(
        "what", nargs="?", choices=("plan", "measure", "validate"), default="plan", help="default: plan"
    )
    parser.add_argument("--backend", choices=("process", "docker", "kubernetes"), default="process")
    parser.add_argument("--steps", type=int, default=400, help="steps of each measurement (default 400)")
    parser.add_argument("--clients", type=int, action="append", help="of the validation (default 1, 4, 8 and 16)")
    parser.add_argument("--cores", type=int, default=2, help="of this machine, for the validation (default 2)")
    parser.add_argument("--think", type=float, default=30.0, help="mean seconds between two steps (default 30)")
    parser.add_argument("--figure", type=Path, help="SVG file to draw the plan into")


def measure(arguments: argparse.Namespace) -> Iterator[Figures]:
    """Yields the tables of what was asked for."""
    if arguments.what == "measure":
        with stand(arguments.backend) as place:
            durations = durations_of(place, arguments.steps)
        save({arguments.backend: durations}, f"{_COMMAND} measure --backend {arguments.backend}")
        yield _costs_table(arguments.backend, durations)
    elif arguments.what == "validate":
        yield from _validation(arguments.backend, arguments.steps, arguments.clients or _CLIENTS, arguments.cores)
    else:
        durations, think = load()[arguments.backend], Distribution.lognormal(arguments.think, _SPREAD)
        yield _costs_table(arguments.backend, durations)
        yield _limits_table(durations)
        yield _needs_table(think, durations)
        yield _simulated_table(think, durations)
        if arguments.figure:
            draw(arguments.figure, durations, think, SCALES)
