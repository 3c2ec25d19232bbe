"""The hundred broken programs by which the fixer is judged; its rules are made with other seeds.

`python -m benchmarks.syntax_breaks.held_out` writes them anew.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from benchmarks.syntax_breaks.generator import Broken, broken

SEEDS = range(70_000, 70_100)
_FILE = Path(__file__).with_name("held_out.json")


def held_out() -> list[Broken]:
    """Returns the committed programs, in the order of their seeds."""
    return [Broken(**entry) for entry in json.loads(_FILE.read_text(encoding="utf-8"))]


def main() -> None:
    """Writes what the generator makes of the seeds."""
    entries = [asdict(broken(seed)) for seed in SEEDS]
    _FILE.write_text(json.dumps(entries, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
