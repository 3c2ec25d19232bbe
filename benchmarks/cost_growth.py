"""How the cost of one grading grows: with cases, with code, with output and with the value that comes back.

One client has programs graded one after the other by an executor in a process of its own, each size twice to ten times
as large as the one before. What it costs is seen from three sides: the time that the client waits, the CPU time of the
executor, and the CPU time of the program by the kernel's account. The exponent is that of cost ~ size^k at the three
largest sizes, without what a grading costs at the smallest: 1 is linear, and what is above it would be a mistake.
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


async def _cost(
    stub: ExecutorServiceAsyncStub, running: Running, series: Series, size: int, repeats: int, numbers: Iterator[int]
) -> Cost:
    """Returns the medians of several gradings, after one that has the reference measured."""
    code, suite = series.make(size)
    costs = []
    for _ in range(repeats + 1):
        request = wire.ExecuteRequest(code=workloads.distinct(code, next(numbers)), suite=suite)
        used, started = cpu_seconds(running.pid), time.perf_counter()
        response = await stub.Execute(request, timeout=_TIMEOUT_SECONDS)
        waited = time.perf_counter() - started
        if response.outcome != core.OUTCOME_PASSED or response.cached:
            raise SystemExit(f"{series.name} of size {size} does not pass: {str(response)[:2000]}")
        costs.append(Cost(waited, cpu_seconds(running.pid) - used, response.usage.cpu_time.ToNanoseconds() / 1e9))
    costs = costs[1:]
    return Cost(*(median([getattr(cost, side) for cost in costs]) for side in ("waited", "executor", "program")))


def _exponent(sizes: Sequence[int], costs: Sequence[float]) -> str:
    """Returns the slope of log cost over log size at the largest sizes, without the cost of the smallest."""
    grown = [(size, cost - costs[0]) for size, cost in zip(sizes, costs, strict=True)]
    points = [(math.log(size), math.log(cost)) for size, cost in grown[-_FITTED:] if cost > _LEAST_SECONDS]
    if len(points) < 2:
        return "too small to tell"
    mean_x, mean_y = (sum(values) / len(points) for values in zip(*points, strict=True))
    slope = sum((x - mean_x) * (y - mean_y) for x, y in points) / sum((x - mean_x) ** 2 for x, _ in points)
    return f"{slope:.2f}"


async def _measure(running: Running, series: Series, repeats: int, numbers: Iterator[int]) -> list[Cost]:
    options = [(f"grpc.max_{way}_message_length", MAX_MESSAGE_BYTES) for way in ("send", "receive")]
    async with grpc.aio.insecure_channel(running.address, options) as channel:
        stub = cast("ExecutorServiceAsyncStub", ExecutorServiceStub(channel))
        return [await _cost(stub, running, series, size, repeats, numbers) for size in series.sizes]


def _figures(backend: str, series: Series, costs: Sequence[Cost]) -> Figures:
    scale = _KIB if series.unit == "KiB" else 1
    rows: list[tuple[str, ...]] = []
    for size, cost in zip(series.sizes, costs, strict=True):
        part = (cost.waited - costs[0].waited) / (size / scale) if size > series.sizes[0] else 0.0
        figures = (milliseconds(cost.waited), milliseconds(cost.executor), milliseconds(cost.program))
        rows.append((f"{size / scale:,.0f}", *figures, f"{part * 1000:.4f}" if part else ""))
    sides = ([getattr(cost, side) for cost in costs] for side in ("waited", "executor", "program"))
    rows.append(("exponent", *(_exponent(series.sizes, side) for side in sides), ""))
    columns = (series.unit, "waited ms", "executor's CPU ms", "program's CPU ms", f"ms more a {series.unit}")
    command = f".venv/bin/python -m benchmarks.cost_growth --backend {backend}"
    return Figures(f"Cost growth with {series.name}, backend {backend}", command, columns, rows)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of this benchmark."""
    add_backends(parser)
    parser.add_argument("--repeats", type=int, default=5, help="gradings of each size (default 5)")
    parser.add_argument("--only", metavar="TEXT", default="", help="only what has this in its name")


def measure(arguments: argparse.Namespace) -> Iterator[Figures]:
    """Yields one table for each way in which a grading may grow."""
    chosen = [series for series in _SERIES if arguments.only in series.name]
    numbers = itertools.count()

    def one(backend: str) -> Iterator[Figures]:
        variables = {"CODEARENA_SANDBOX_BACKEND": backend}
        with tempfile.TemporaryDirectory() as folder, service("executor", Path(folder), variables) as running:
            for series in chosen:
                yield _figures(
                    backend, series, asyncio.run(_measure(running, series, max(1, arguments.repeats), numbers))
                )

    return each_backend(arguments, one, "Cost growth")


if __name__ == "__main__":
    main_of("cost_growth", __doc__, add_arguments, measure)
