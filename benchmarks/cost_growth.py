"""How the cost of one grading grows: with cases, with code, with output and with the value that comes back.

One client has programs graded one after the other by an executor in a process of its own, each size twice to ten times
as large as the one before. What it costs is seen from three sides: the time that the client waits, the CPU time of the
executor, and the CPU time of the program by the kernel's account. The exponent is that of cost ~ size^k at the three
largest sizes, without what the cheapest grading costs: 1 is linear, and what is well above it would be a mistake.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import math
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

import grpc

from benchmarks import workloads
from benchmarks.command import add_backends, each_backend, main_of
from benchmarks.figures import Figures, median, milliseconds
from benchmarks.processes import Running, cpu_seconds, service
from codearena.v1 import core_pb2 as core
from codearena.v1 import executor_service_pb2 as wire
from codearena.v1.executor_service_pb2_grpc import ExecutorServiceStub
from services.common.channel import MAX_MESSAGE_BYTES

if TYPE_CHECKING:
    from codearena.v1.executor_service_pb2_grpc import ExecutorServiceAsyncStub

_TIMEOUT_SECONDS = 120.0
_PAUSES = {"docker": 0.3, "process": 0.0}
_SIDES = ("waited", "executor", "program")
_FITTED = 3
_LEAST_SECONDS = 0.001
_OUTPUT_BYTES = 1_000_000
_KIB = 1024


@dataclass(frozen=True, slots=True)
class Series:
    """One way in which a grading may grow.

    Attributes:
        name: What grows.
        unit: What a size counts.
        sizes: Ascending; the first one is small enough to cost nothing.
        make: Returns a program and its suite for a size.
    """

    name: str
    unit: str
    sizes: Sequence[int]
    make: Callable[[int], tuple[str, wire.Suite]]


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds of one grading: what the client waits, CPU of the executor, CPU of the program."""

    waited: float
    executor: float
    program: float


def _cases(count: int) -> tuple[str, wire.Suite]:
    return workloads.doubles(count)


def _code(size: int) -> tuple[str, wire.Suite]:
    """Statements, not comments: they are compiled."""
    code, suite = workloads.doubles(1)
    lines = (size - len(code)) // 32
    return code + "".join(f"name_{number:06} = double({number:9})\n" for number in range(lines)), suite


def _value(call: str, expected: str, checker: str = "") -> tuple[str, wire.Suite]:
    """A program that makes a value of its own; the expected one is made from a literal."""
    suite = wire.Suite(reference_code="def make(n):\n    return eval(n)\n")
    suite.cases.add(name="value", call=call, expected_literal=expected, checker=checker)
    suite.limits.cpu_time.FromSeconds(20)
    return suite.reference_code, suite


def _output(size: int) -> tuple[str, wire.Suite]:
    code, suite = workloads.doubles(1)
    suite.limits.output_bytes = 2 * _OUTPUT_BYTES
    return f"{code}print('x' * {size})\n", suite


def _lines(size: int) -> tuple[str, wire.Suite]:
    code, suite = workloads.doubles(1)
    suite.limits.output_bytes = 2 * _OUTPUT_BYTES
    return f"import sys\n{code}for _ in range({size // 10}): print('x' * 9), sys.stdout.flush()\n", suite


def _text(size: int) -> tuple[str, wire.Suite]:
    return _value(f"make(\"'x' * {size}\")", repr("x" * size))


def _numbers(size: int) -> tuple[str, wire.Suite]:
    return _value(f'make("list(range({size}))")', repr(list(range(size))))


def _mixed(size: int) -> tuple[str, wire.Suite]:
    value = {number: (str(number), [number / 2]) for number in range(size // 4)}
    return _value(f'make("{{n: (str(n), [n / 2]) for n in range({size // 4})}}")', repr(value))


def _unordered(size: int) -> tuple[str, wire.Suite]:
    return _value(f'make("[[n] for n in reversed(range({size}))]")', repr([[n] for n in range(size)]), "unordered")


_SERIES = (
    Series("cases", "case", (1, 10, 100, 1_000, 10_000), _cases),
    Series("code", "KiB", tuple(n * _KIB for n in (1, 16, 64, 128, 255)), _code),
    Series("output in one piece", "KiB", (0, 16 * _KIB, 64 * _KIB, 256 * _KIB, _OUTPUT_BYTES), _output),
    Series("output in many pieces", "KiB", (0, 16 * _KIB, 64 * _KIB, 256 * _KIB, _OUTPUT_BYTES), _lines),
    Series("text as value", "KiB", (1, 16 * _KIB, 64 * _KIB, 256 * _KIB, 1000 * _KIB), _text),
    Series("list of integers as value", "element", (1, 100, 1_000, 10_000, 100_000), _numbers),
    Series("dictionary of tuples as value", "element", (4, 100, 1_000, 10_000, 100_000), _mixed),
    Series("lists in any order as value", "element", (1, 100, 1_000, 3_000, 10_000), _unordered),
)


class _Grading:
    """Has programs graded, each another text, one after the other."""

    def __init__(self, running: Running, pause_seconds: float, repeats: int) -> None:
        self._running = running
        self._pause_seconds = pause_seconds
        self._repeats = repeats
        self._numbers = itertools.count()

    async def costs(self, series: Series) -> list[Cost]:
        """Returns the medians of several gradings of each size."""
        options = [(f"grpc.max_{way}_message_length", MAX_MESSAGE_BYTES) for way in ("send", "receive")]
        async with grpc.aio.insecure_channel(self._running.address, options) as channel:
            stub = cast("ExecutorServiceAsyncStub", ExecutorServiceStub(channel))
            return [await self._cost(stub, *series.make(size)) for size in series.sizes]

    async def _cost(self, stub: ExecutorServiceAsyncStub, code: str, suite: wire.Suite) -> Cost:
        await self._once(stub, code, suite)  # measures the reference
        costs = [await self._once(stub, code, suite) for _ in range(self._repeats)]
        return Cost(*(median([getattr(cost, side) for cost in costs]) for side in _SIDES))

    async def _once(self, stub: ExecutorServiceAsyncStub, code: str, suite: wire.Suite) -> Cost:
        await asyncio.sleep(self._pause_seconds)
        request = wire.ExecuteRequest(code=workloads.distinct(code, next(self._numbers)), suite=suite)
        used, started = cpu_seconds(self._running.pid), time.perf_counter()
        response = await stub.Execute(request, timeout=_TIMEOUT_SECONDS)
        waited = time.perf_counter() - started
        if response.outcome != core.OUTCOME_PASSED or response.cached:
            raise SystemExit(f"a program does not pass: {str(response)[:2000]}")
        program = response.usage.cpu_time.ToNanoseconds() / 1e9
        return Cost(waited, cpu_seconds(self._running.pid) - used, program)


def _exponent(sizes: Sequence[int], costs: Sequence[float]) -> str:
    """Returns the slope of log cost over log size at the largest sizes; a dash if they cost next to nothing."""
    grown = [(size, cost - min(costs)) for size, cost in zip(sizes, costs, strict=True)]
    points = [(math.log(size), math.log(cost)) for size, cost in grown[-_FITTED:] if cost > _LEAST_SECONDS]
    if len(points) < 2:
        return "-"
    mean_x, mean_y = (sum(values) / len(points) for values in zip(*points, strict=True))
    slope = sum((x - mean_x) * (y - mean_y) for x, y in points) / sum((x - mean_x) ** 2 for x, _ in points)
    return f"{slope:.2f}"


def _row(series: Series, costs: Sequence[Cost]) -> tuple[str, ...]:
    """Returns what the largest size costs, and how it grew up to there."""
    scale = _KIB if series.unit == "KiB" else 1
    largest = series.sizes[-1] / scale
    more = costs[-1].waited - min(cost.waited for cost in costs)
    sides = ([getattr(cost, side) for cost in costs] for side in _SIDES)
    return (
        series.name,
        f"{largest:,.0f} {series.unit}",
        milliseconds(costs[0].waited),
        milliseconds(costs[-1].waited),
        f"{more / largest * 1e6:.2f}",
        *(_exponent(series.sizes, side) for side in sides),
    )


def _details(backend: str, series: Series, costs: Sequence[Cost]) -> Figures:
    scale = _KIB if series.unit == "KiB" else 1
    rows = [
        (f"{size / scale:,.0f}", *(milliseconds(getattr(cost, side)) for side in _SIDES))
        for size, cost in zip(series.sizes, costs, strict=True)
    ]
    columns = (series.unit, "waited ms", "executor's CPU ms", "program's CPU ms")
    return Figures(f"Cost growth with {series.name}, backend {backend}", _command(backend, " --details"), columns, rows)


def _command(backend: str, more: str = "") -> str:
    return f".venv/bin/python -m benchmarks.cost_growth --backend {backend}{more}"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of this benchmark."""
    add_backends(parser)
    parser.add_argument("--repeats", type=int, default=5, help="gradings of each size (default 5)")
    parser.add_argument("--only", metavar="TEXT", default="", help="only what has this in its name")
    parser.add_argument("--details", action="store_true", help="a table of all sizes for each way")


def measure(arguments: argparse.Namespace) -> Iterator[Figures]:
    """Yields one table for each backend, and if asked one for each way in which a grading may grow."""
    chosen = [series for series in _SERIES if arguments.only in series.name]

    def one(backend: str) -> Iterator[Figures]:
        variables = {"CODEARENA_SANDBOX_BACKEND": backend}
        rows = []
        with tempfile.TemporaryDirectory() as folder, service("executor", Path(folder), variables) as running:
            grading = _Grading(running, _PAUSES[backend], max(1, arguments.repeats))
            for series in chosen:
                costs = asyncio.run(grading.costs(series))
                rows.append(_row(series, costs))
                if arguments.details:
                    yield _details(backend, series, costs)
        exponents = [f"{side} ~" for side in _SIDES]
        columns = ["grows", "up to", "smallest ms", "largest ms", "µs more a unit", *exponents]
        note = "Exponents: what the client waits, CPU of the executor, CPU of the program; 1 is linear."
        yield Figures(f"Cost growth, backend {backend}", _command(backend), columns, rows, note)

    return each_backend(arguments, one, "Cost growth")


if __name__ == "__main__":
    main_of("cost_growth", __doc__, add_arguments, measure)
