"""`python -m services.standalone.simulate_curriculum`: shows what the curriculum does to three synthetic agents.

One improves, one gets stuck and one collapses. Only the agents are made up: levels move and tasks are drawn by the code
of the env service.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from pathlib import Path

from services.env.curriculum import CurriculumRules
from services.standalone.commands import console
from services.standalone.curriculum_runs import simulate
from services.standalone.curriculum_view import CHART_FORMATS, draw_chart, run_table
from services.standalone.synthetic_agents import AGENTS

MAX_EPISODES = 10_000
EXIT_NO_CHART = 1


def _parser() -> argparse.ArgumentParser:
    rules = CurriculumRules()
    parser = argparse.ArgumentParser(
        prog="codearena simulate-curriculum",
        description="Shows what the curriculum does to three agents: one improves, one gets stuck, one collapses.",
        epilog="Exit status: 0 done, 1 the chart could not be written, 2 the command line is wrong.",
    )
    parser.add_argument("--episodes", type=int, default=300, help="episodes of each agent (default 300)")
    parser.add_argument("--seed", type=int, default=0, help="the same seed gives the same runs (default 0)")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="also draw a chart, as .svg or .png")
    for field in dataclasses.fields(rules):
        default = getattr(rules, field.name)
        option = f"--{field.name.replace('_', '-')}"
        parser.add_argument(option, type=type(default), default=default, help=f"of the rules (default {default})")
    return parser


def _rules(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> CurriculumRules:
    if not 1 <= arguments.episodes <= MAX_EPISODES:
        parser.error(f"--episodes must be from 1 to {MAX_EPISODES}")
    if arguments.plot is not None and arguments.plot.suffix not in CHART_FORMATS:
        parser.error(f"--plot must name a file that ends with {' or '.join(CHART_FORMATS)}")
    names = [field.name for field in dataclasses.fields(CurriculumRules)]
    try:
        return CurriculumRules(**{name: getattr(arguments, name) for name in names})
    except ValueError as error:
        parser.error(str(error))


def main() -> int:
    """Returns the exit status that `--help` tells."""
    parser = _parser()
    arguments = parser.parse_args()
    rules = _rules(parser, arguments)
    out, say = console(), console(stderr=True)
    runs = [simulate(agent, arguments.episodes, arguments.seed, rules) for agent in AGENTS]
    for run in runs:
        out.print(run_table(run))
        out.print(f"{run.ending}\n")
    if arguments.plot is None:
        return 0
    try:
        draw_chart(runs, rules, arguments.plot)
    except ImportError:
        say.print("no chart: matplotlib is not installed (it is the extra `plot`)")
        return EXIT_NO_CHART
    except OSError as error:
        say.print(f"no chart: {error}", soft_wrap=True)
        return EXIT_NO_CHART
    say.print(f"chart: {arguments.plot}", soft_wrap=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
