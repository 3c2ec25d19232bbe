"""`python -m benchmarks`: every benchmark, one table after the other, and the report."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from benchmarks import (
    cost_growth,
    crowd,
    endurance,
    evaluation,
    fixer,
    judge,
    kills,
    manipulation,
    memory,
    overhead,
    reward_noise,
    rolling,
    sessions,
    soak,
    static_judge,
    step_latency,
    throughput,
    trainer_rewards,
)
from benchmarks.command import Benchmark
from benchmarks.figures import Figures, machine
from services.common import logs

_BENCHMARKS: dict[str, Benchmark] = {
    module.__name__.rpartition(".")[2]: module
    for module in (
        step_latency,
        overhead,
        throughput,
        trainer_rewards,
        evaluation,
        reward_noise,
        crowd,
        sessions,
        judge,
        static_judge,
        fixer,
        kills,
        manipulation,
        endurance,
        memory,
        cost_growth,
        rolling,
        soak,
    )
}
# Enough to see that nothing is far off, in a few minutes.
_QUICK = {
    "step_latency": ["--rounds", "3"],
    "overhead": ["--rounds", "5"],
    "throughput": ["--rounds", "1", "--clients", "1", "--clients", "8"],
    "trainer_rewards": ["--rounds", "2"],
    "evaluation": ["--rounds", "1"],
    "reward_noise": ["--runs", "10"],
    "crowd": ["--seconds", "5"],
    "sessions": ["--rounds", "10", "--sessions", "64"],
    "judge": ["--rounds", "50", "--crowd", "50"],
    "static_judge": ["--rounds", "40"],
    "kills": ["--steps", "200", "--kills", "6"],
    "endurance": ["--count", "500"],
    "rolling": ["--rounds", "1"],
    "soak": ["--minutes", "3", "--warm-up", "500"],
}
_HEAD = """# Benchmarks

Every figure is measured beside its baseline in one run; read the ratios. `make bench` prints all of them
(`python -m benchmarks --quick` a shorter run), and `python -m benchmarks --report docs/benchmarks.md` wrote this page.

Measured on {day} on {machine}.

"""


def _tables(names: list[str], *, quick: bool) -> Iterator[Figures]:
    for name in names:
        parser = argparse.ArgumentParser()
        _BENCHMARKS[name].add_arguments(parser)
        yield from _BENCHMARKS[name].measure(parser.parse_args(_QUICK.get(name, []) if quick else []))


def main() -> None:
    """Measures; prints each table as it is ready."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which: {', '.join(_BENCHMARKS)} (default: all)")
    parser.add_argument("--quick", action="store_true", help="fewer repetitions: minutes instead of an hour")
    parser.add_argument("--report", type=Path, metavar="FILE", help="write the tables there as Markdown")
    arguments = parser.parse_args()
    if unknown := sorted(set(arguments.names) - set(_BENCHMARKS)):
        parser.error(f"there is no benchmark {unknown[0]!r}, only {', '.join(_BENCHMARKS)}")
    logs.configure("error", "text")
    console, found = Console(), []
    try:
        for figures in _tables(arguments.names or list(_BENCHMARKS), quick=arguments.quick):
            figures.show(console)
            found.append(figures)
    except KeyboardInterrupt:
        sys.exit(130)
    if arguments.report:
        head = _HEAD.format(day=datetime.now(UTC).date(), machine=machine())
        arguments.report.write_text(head + "\n".join(figures.markdown() for figures in found), encoding="utf-8")
        console.print(f"wrote {arguments.report}")


if __name__ == "__main__":
    main()
