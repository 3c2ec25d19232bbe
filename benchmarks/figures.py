"""One table of figures: on a terminal, and in the report."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True, slots=True)
class Figures:
    """What one benchmark found.

    Attributes:
        title: What was measured.
        command: How it is measured again.
        columns: Headings; the first one is text, the others are figures.
        rows: One text for each column.
        note: How to read it, or what the floor is.
    """

    title: str
    command: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""

    def show(self, console: Console) -> None:
        """Prints the table."""
        table = Table(title=self.title, caption=self.note or None)
        for number, column in enumerate(self.columns):
            table.add_column(column, justify="right" if number else "left", no_wrap=True)
        for row in self.rows:
            table.add_row(*row)
        console.print(table)

    def markdown(self) -> str:
        """Returns the table as a section of the report."""
        lines = [f"## {self.title}", "", "```console", f"$ {self.command}", "```", ""]
        if self.note:
            lines += [self.note, ""]
        lines += [_row(self.columns), _row(["---", *["---:"] * (len(self.columns) - 1)]), *map(_row, self.rows)]
        return "\n".join(lines) + "\n"


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def median(values: Sequence[float]) -> float:
    """Returns the middle one, or the mean of the two in the middle. Raises ValueError if there is none."""
    ordered = sorted(values)
    if not ordered:
        raise ValueError("no value to take the median of")
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def percentile(ordered: Sequence[float], part: float) -> float:
    """Returns the value that a part of an ordered sample, 0 to 1, lies under: linear between its values."""
    where = part * (len(ordered) - 1)
    low = min(int(where), max(len(ordered) - 2, 0))
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (where - low)


def milliseconds(seconds: float) -> str:
    """Returns seconds as milliseconds with two digits."""
    return f"{seconds * 1000:.2f}"


def machine() -> str:
    """Describes the machine in one sentence."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{os.cpu_count()} cores ({_processor()}), {memory:.0f} GiB, Linux {platform.release()}, "
        f"Python {platform.python_version()}, {'GIL' if _has_gil() else 'no GIL'}"
    )


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _has_gil() -> bool:
    enabled = getattr(sys, "_is_gil_enabled", None)
    return enabled is None or bool(enabled())
