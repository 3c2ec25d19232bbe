"""How fast static analysis judges a fix of a hundred lines, through the limited workers.

The fix is made of graded snippets, each time with another last line. The baseline is bandit's own command on the same
file.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.command import main_of
from benchmarks.figures import Figures, median, milliseconds
from services.judge.snippets import load_snippets
from services.judge.workers import Reader

_LINES = 100
_WORKERS = 2
_AT_ONCE = 8


def _fix() -> str:
    """Returns a program of `_LINES` lines."""
    lines = [line for snippet in load_snippets() for line in snippet.code.splitlines() if snippet.quality >= 0.5]
    cut = next(at for at in range(_LINES - 1, 0, -1) if lines[at] and not lines[at].startswith((" ", "}", ")")))
    return "\n".join([*lines[:cut], *(f"LINE_{number} = {number}" for number in range(cut, _LINES))]) + "\n"


async def _measure(code: str, rounds: int) -> tuple[list[float], float]:
    """Returns the seconds of analyses one after the other, and how many a second several at once are."""
    reader, numbers = Reader(_WORKERS), itertools.count()
    await reader.start()
    try:

        async def one() -> float:
            started = time.perf_counter()
            analysis = await reader.analyse(f"{code}NUMBER = {next(numbers)}\n", "")
            assert analysis["readable"]
            return time.perf_counter() - started

        for _ in range(2 * _WORKERS):
            await one()
        alone = [await one() for _ in range(rounds)]
        left = iter(range(4 * rounds))

        async def several() -> None:
            for _ in left:
                await one()

        started = time.perf_counter()
        await asyncio.gather(*(several() for _ in range(_AT_ONCE)))
        return alone, 4 * rounds / (time.perf_counter() - started)
    finally:
        await reader.stop()


def _bandit(code: str, rounds: int) -> float:
    """Returns the median seconds of bandit's command."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "fix.py")
        path.write_text(code)
        took = []
        for _ in range(rounds):
            started = time.perf_counter()
            subprocess.run([sys.executable, "-m", "bandit", "-q", path], capture_output=True, check=False)
            took.append(time.perf_counter() - started)
    return median(took)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of this benchmark."""
    parser.add_argument("--rounds", type=int, default=200, help="analyses one after the other (default 200)")


def measure(arguments: argparse.Namespace) -> Iterator[Figures]:
    """Yields one table."""
    code = _fix()
    baseline = _bandit(code, max(3, arguments.rounds // 20))
    alone, rate = asyncio.run(_measure(code, arguments.rounds))
    p50 = median(alone)
    rows = [
        ("static judge, p50", milliseconds(p50), f"{p50 / baseline:.3f}"),
        ("bandit's command, p50", milliseconds(baseline), "1.000"),
        (f"static judge, {_AT_ONCE} at once on {_WORKERS} workers: a second", f"{rate:.0f}", f"{rate * baseline:.1f}"),
    ]
    note = f"A fix of {_LINES} lines. The last column is a ratio to bandit's command, of times or of rates."
    command = f".venv/bin/python -m benchmarks.static_judge --rounds {arguments.rounds}"
    yield Figures("The static judge", command, ("what", "ms or a second", "÷ bandit"), rows, note)


if __name__ == "__main__":
    main_of("static_judge", __doc__, add_arguments, measure)
