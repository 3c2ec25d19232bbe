"""The gateway: what it adds to a step, and a crowd of WebSocket sessions that step at once while others ask for health.

An arena with its gateway runs as a process of its own. First the same steps are taken by gRPC and by WebSocket in turn,
with fixes whose verdict is known, so that little else takes time. Then many sessions step all at once, and `/health` is
asked again and again meanwhile, by a process of its own too.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path

from websockets.asyncio.client import connect

from benchmarks.command import main_of
from benchmarks.figures import Figures, milliseconds, percentile
from benchmarks.processes import plain_environment
from codearena import ArenaError, AsyncArenaClient
from codearena.openenv import AsyncOpenEnvClient

_TASK = "type_errors-1"
_STEPS = 4
_FIXES = [f"def order_line(name, quantity, price):\n    return name + str({number})\n" for number in range(_STEPS)]
_START_SECONDS = 120.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options."""
    parser.add_argument("--rounds", type=int, default=50, help="episodes by each way (default 50)")
    parser.add_argument("--sessions", type=int, default=256, help="sockets that step at once (default 256)")


@contextmanager
def _arena(folder: Path) -> Iterator[tuple[str, str]]:
    """Runs an arena with its gateway; yields the address of the one and the URL of the other."""
    ready = folder / "ready.json"
    command = [
        sys.executable,
        "-m",
        "services.standalone",
        "--port",
        "0",
        "--http-port",
        "0",
        "--ready-file",
        str(ready),
    ]
    variables = {
        "CODEARENA_SANDBOX_BACKEND": "process",
        "CODEARENA_DATA_DIR": str(folder),
        "CODEARENA_REQUESTS_PER_SECOND": "0",
        "CODEARENA_LOG_LEVEL": "error",
    }
    process = subprocess.Popen(command, env={**plain_environment(), **variables}, stdin=subprocess.DEVNULL)
    try:
        end = time.monotonic() + _START_SECONDS
        while not ready.exists():
            if process.poll() is not None or time.monotonic() > end:
                raise OSError("the arena does not start")
            time.sleep(0.05)
        said = json.loads(ready.read_text())
        yield said["address"], said["url"]
    finally:
        process.terminate()
        process.wait()


async def _in_turn(address: str, url: str, rounds: int) -> tuple[list[float], list[float]]:
    """Takes the same steps by both ways in turn; returns how many seconds each took by gRPC, and by WebSocket."""
    took: tuple[list[float], list[float]] = [], []
    async with AsyncArenaClient(address) as client, AsyncOpenEnvClient(url) as env:
        for _ in range(rounds):
            episode = await client.reset(_TASK)
            await env.reset(_TASK)
            for fix in _FIXES:
                started = time.perf_counter()
                await episode.step(fix)
                between = time.perf_counter()
                await env.step(fix)
                took[0].append(between - started)
                took[1].append(time.perf_counter() - between)
            await episode.close()
    return took[0][_STEPS:], took[1][_STEPS:]


@dataclass
class Seen:
    """What the sessions saw.

    Attributes:
        steps: Seconds of each step.
        errors: What failed, by its code.
    """

    steps: list[float] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)


async def _crowd(url: str, count: int) -> Seen:
    """Opens sessions, and has all of them step at once."""
    seen = Seen()
    everybody = asyncio.Barrier(count)

    async def one(number: int) -> None:
        async with connect(f"{url.replace('http', 'ws', 1)}/ws", open_timeout=60, proxy=None) as socket:

            async def ask(kind: str, data: dict[str, object]) -> bool:
                await socket.send(json.dumps({"type": kind, "data": data}))
                answer = json.loads(await socket.recv())
                if answer["type"] == "error":
                    seen.errors[answer["data"]["code"]] += 1
                return bool(answer["type"] != "error")

            await ask("reset", {"task_id": _TASK})
            await everybody.wait()
            for step in range(_STEPS):
                started = time.perf_counter()
                if await ask("step", {"proposed_fix": f"def order_line(*a):\n    return '{number} {step}'\n"}):
                    seen.steps.append(time.perf_counter() - started)
            await socket.send('{"type": "close"}')

    async def tried(number: int) -> None:
        try:
            await one(number)
        except BaseException:
            await everybody.abort()  # nobody is to wait for one who will not come
            raise

    results = await asyncio.gather(*(tried(number) for number in range(count)), return_exceptions=True)
    seen.errors.update(type(result).__name__ for result in results if isinstance(result, BaseException))
    return seen


def probe(url: str, seconds: float) -> list[float]:
    """Asks for health every 20 ms for a while; returns how many seconds each answer took."""
    took = []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        started = time.perf_counter()
        with urllib.request.urlopen(f"{url}/health", timeout=30) as answer:
            answer.read()
        took.append(time.perf_counter() - started)
        time.sleep(0.02)
    return took


async def _watched(url: str, count: int) -> tuple[Seen, list[float], list[float]]:
    """Returns what the sessions saw, and how health answered with nobody there and meanwhile."""
    loop = asyncio.get_running_loop()
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        calm = await loop.run_in_executor(pool, probe, url, 3.0)
        watching = loop.run_in_executor(pool, probe, url, 3.0 + count / 20)
        seen = await _crowd(url, count)
        return seen, calm, await watching


def measure(arguments: argparse.Namespace) -> Iterator[Figures]:
    """Measures both."""
    command = ".venv/bin/python -m benchmarks.sessions"
    with tempfile.TemporaryDirectory(prefix="codearena-bench-") as folder, _arena(Path(folder)) as (address, url):
        try:
            direct, through = asyncio.run(_in_turn(address, url, arguments.rounds))
        except ArenaError as error:
            raise OSError(str(error)) from error
        added = statistics.median(through) - statistics.median(direct)
        yield Figures(
            "The gateway, one session",
            command,
            ("a step of a fix that is known", "p50 ms", "p95 ms", "ratio of p50"),
            [
                (
                    "by gRPC",
                    milliseconds(statistics.median(direct)),
                    milliseconds(percentile(sorted(direct), 0.95)),
                    "1.00",
                ),
                (
                    "through the gateway",
                    milliseconds(statistics.median(through)),
                    milliseconds(percentile(sorted(through), 0.95)),
                    f"{statistics.median(through) / statistics.median(direct):.2f}",
                ),
            ],
            note=f"The gateway adds {1000 * added:.2f} ms to a step at p50.",
        )
        seen, calm, busy = asyncio.run(_watched(url, arguments.sessions))
        yield Figures(
            f"The gateway, {arguments.sessions} sessions at once",
            command,
            ("what", "count", "errors", "p50 ms", "p99 ms"),
            [
                ("steps", str(len(seen.steps)), str(seen.errors.total()), *_spread(seen.steps)),
                ("/health, nobody there", str(len(calm)), "0", *_spread(calm)),
                ("/health, meanwhile", str(len(busy)), "0", *_spread(busy)),
            ],
            note=f"{len(seen.steps)} steps of programs that nobody knew, {_STEPS} by each session."
            + (f" Errors: {dict(seen.errors)}." if seen.errors else ""),
        )


def _spread(values: list[float]) -> tuple[str, str]:
    ordered = sorted(values)
    return milliseconds(percentile(ordered, 0.5)), milliseconds(percentile(ordered, 0.99))


if __name__ == "__main__":
    main_of("sessions", __doc__, add_arguments, measure)
