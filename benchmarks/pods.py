"""Pods against containers: from the lease of a warm sandbox to the verdict.

Two executors, one on either, grade the same programs in turn, each when it has a sandbox ready again and its last one
is gone: what is compared is what a caller waits for, not what it costs to make a sandbox. Needs a cluster, set up as
`tools/test_kubernetes.sh` does it, and a Docker engine.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc

from benchmarks import workloads
from benchmarks.command import main_of
from benchmarks.figures import Figures, median, milliseconds
from benchmarks.stages import ALONE
from codearena.v1 import core_pb2 as core
from codearena.v1 import executor_service_pb2 as wire
from codearena.v1.executor_service_pb2_grpc import ExecutorServiceStub
from services.common.errors import StartError
from services.standalone.arena import Arena, arena

_BACKENDS = ("docker", "kubernetes")
_LOOK_SECONDS = 0.05
_PATIENCE_SECONDS = 120.0


async def _until_ready(running: Arena, backend: str) -> None:
    registry = running.registries["executor"]
    sizes = {state: {"backend": backend, "state": state} for state in ("warming", "idle", "leased")}
    async with asyncio.timeout(_PATIENCE_SECONDS):
        while True:
            found = {state: registry.get_sample_value("codearena_sandbox_pool_size", sizes[state]) for state in sizes}
            if found["idle"] and not found["warming"] and not found["leased"]:
                return
            await asyncio.sleep(_LOOK_SECONDS)


async def _graded(running: Arena, backend: str, code: str, suite: wire.Suite) -> tuple[float, float]:
    """Returns the seconds of the RPC, and those of them in which the sandbox had its job."""
    await _until_ready(running, backend)
    async with grpc.aio.insecure_channel(running.executor_address) as channel:
        await channel.channel_ready()
        started = time.perf_counter()
        stub: Any = ExecutorServiceStub(channel)
        response = await stub.Execute(wire.ExecuteRequest(code=code, suite=suite, fresh=True), timeout=60)
        spent = time.perf_counter() - started
    if response.outcome != core.OUTCOME_PASSED:
        raise SystemExit(f"a right program is {core.Outcome.Name(response.outcome)} on {backend}")
    return spent, response.stages.execute.ToNanoseconds() / 1e9


async def _measure(rounds: int, pause: float) -> dict[str, list[tuple[float, float]]]:
    code, suite = workloads.doubles()
    found: dict[str, list[tuple[float, float]]] = {backend: [] for backend in _BACKENDS}
    async with contextlib.AsyncExitStack() as stack:
        arenas = {}
        for backend in _BACKENDS:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            settings = {"sandbox_backend": backend, "slots": 1, "warm": 2, "warm_max": 2} | ALONE
            arenas[backend] = await stack.enter_async_context(arena(port=0, private=True, data_dir=folder, **settings))
            await _graded(arenas[backend], backend, code, suite)  # measures the reference once
        for number, backend in itertools.product(range(rounds), _BACKENDS):
            await _until_ready(arenas[backend], backend)
            await asyncio.sleep(pause)
            found[backend].append(await _graded(arenas[backend], backend, workloads.distinct(code, number), suite))
    return found


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of this benchmark."""
    parser.add_argument("--rounds", type=int, default=50, help="gradings on each (default 50)")
    parser.add_argument("--pause", type=float, default=0.5, help="seconds of rest before each (default 0.5)")


def measure(arguments: argparse.Namespace) -> Iterator[Figures]:
    """Yields one table."""
    try:
        found = asyncio.run(_measure(arguments.rounds, arguments.pause))
    except (StartError, OSError) as error:
        yield Figures("Pods against containers: not measured", "", ("why",), ((str(error),),))
        return
    rows = []
    for backend, timings in found.items():
        whole = sorted(spent for spent, _ in timings)
        ratio = median(whole) / median([spent for spent, _ in found["docker"]])
        highest = whole[min(len(whole) - 1, round(0.9 * len(whole)))]
        executed = median([seconds for _, seconds in timings])
        rows.append(
            (backend, milliseconds(median(whole)), milliseconds(highest), milliseconds(executed), f"{ratio:.2f}")
        )
    columns = ("backend", "p50 ms", "p90 ms", "execute p50 ms", "p50 ÷ docker's")
    command = ".venv/bin/python -m benchmarks.pods"
    note = "Warm lease to verdict, as the caller of `Execute` sees it; one caller, eight cheap tests."
    yield Figures("Pods against containers", command, columns, rows, note)


if __name__ == "__main__":
    main_of("pods", __doc__, add_arguments, measure)
