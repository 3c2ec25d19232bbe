"""How much of an arena a number of episodes needs, and what breaks first.

`measure` finds what a step costs on this machine and keeps it in measured.json, `validate` puts the simulation beside
what it simulates, `plan` tells what 10, 1,000 and 100,000 episodes at a time need and simulates them.
"""

from __future__ import annotations

from benchmarks.capacity.report import add_arguments, measure
from benchmarks.command import main_of

if __name__ == "__main__":
    main_of("capacity", __doc__, add_arguments, measure)
