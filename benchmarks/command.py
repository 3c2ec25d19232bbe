"""The command line that all benchmarks share."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from rich.console import Console

from benchmarks.figures import Figures
from services.common import logs
from services.common.errors import StartError
from services.standalone.commands import PIPE_WIDTH

BACKENDS = ("docker", "process")


class Benchmark(Protocol):
    """One module of this package."""

    __name__: str
    __doc__: str | None

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Adds the benchmark's own options. The defaults are those of the report."""
        ...

    def measure(self, arguments: argparse.Namespace) -> Iterator[Figures]:
        """Measures and yields one table after the other."""
        ...


def main_of(
    name: str,
    doc: str | None,
    add_arguments: Callable[[argparse.ArgumentParser], None],
    measure: Callable[[argparse.Namespace], Iterator[Figures]],
    arguments: Sequence[str] | None = None,
) -> None:
    """Runs one benchmark from the command line: prints each table as it is ready."""
    parser = argparse.ArgumentParser(
        prog=f"python -m benchmarks.{name}", description=doc, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_arguments(parser)
    parser.add_argument("--markdown", action="store_true", help="print the tables as sections of a report")
    parsed = parser.parse_args(arguments)
    logs.configure("error", "text")
    console = Console()
    if not console.is_terminal:
        console.width = PIPE_WIDTH
    try:
        for figures in measure(parsed):
            if parsed.markdown:
                sys.stdout.write(figures.markdown() + "\n")
            else:
                figures.show(console)
    except KeyboardInterrupt:
        sys.exit(130)


def add_backends(parser: argparse.ArgumentParser) -> None:
    """Adds the option that chooses backends."""
    parser.add_argument("--backend", choices=BACKENDS, action="append", help="only this one (default: both)")


def each_backend(
    arguments: argparse.Namespace, measure: Callable[[str], Iterator[Figures]], name: str
) -> Iterator[Figures]:
    """Yields what is measured on each chosen backend; says so where one cannot be had."""
    for backend in arguments.backend or BACKENDS:
        try:
            yield from measure(backend)
        except (StartError, OSError) as error:
            yield Figures(f"{name}, backend {backend}: not measured", "", ("why",), ((str(error),),))
