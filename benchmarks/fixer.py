"""How many broken programs the built-in fixer repairs alone.

The programs are a committed set of a hundred, made by a generator of syntax breaks from working functions. A program is
repaired if, within the five rounds of an episode, it does again what the function did.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator, Sequence

from benchmarks.command import main_of
from benchmarks.figures import Figures
from benchmarks.syntax_breaks.generator import KINDS, Broken, broken
from benchmarks.syntax_breaks.held_out import held_out
from benchmarks.syntax_breaks.repair import ROUNDS, repaired

_COLUMNS = ("break", "programs", "repaired")


def _figures(title: str, command: str, programs: Sequence[Broken]) -> Figures:
    count = Counter(program.kind for program in programs)
    good = Counter(program.kind for program in programs if repaired(program) is not None)
    rows = [(kind, str(count[kind]), str(good[kind])) for kind in KINDS if count[kind]]
    rows.append(("all", str(count.total()), f"{good.total()} ({good.total() / max(1, count.total()):.0%})"))
    note = f"Repaired: it does what the function did, within {ROUNDS} rounds."
    return Figures(title, command, _COLUMNS, rows, note)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of this benchmark."""
    parser.add_argument(
        "--seeds", type=int, nargs=2, metavar=("FIRST", "END"), help="programs of these seeds, not the committed ones"
    )


def measure(arguments: argparse.Namespace) -> Iterator[Figures]:
    """Yields one table."""
    command = ".venv/bin/python -m benchmarks.fixer"
    if arguments.seeds is None:
        yield _figures("Syntax breaks that the fixer repairs, held-out seeds", command, held_out())
        return
    first, end = arguments.seeds
    title = f"Syntax breaks that the fixer repairs, seeds {first} to {end - 1}"
    yield _figures(title, f"{command} --seeds {first} {end}", [broken(seed) for seed in range(first, end)])


if __name__ == "__main__":
    main_of("fixer", __doc__, add_arguments, measure)
