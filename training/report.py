"""`python -m training.report`: what runs over several seeds come to, as a table and a chart."""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from codearena.evaluation.summary import Estimate, interval
from codearena.plots.draw import PALETTE
from codearena.plots.series import rolling_mean
from training.scores import GREEDY, SAMPLED, Scores, load

EXIT_BELOW, EXIT_USAGE = 1, 2


@dataclass(frozen=True, slots=True)
class Run:
    """One run.

    Attributes:
        name: Of its folder.
        before: Held-out scores before GRPO, by decoding.
        after: The same after it.
        curve: Mean reward of each step's completions.
    """

    name: str
    before: dict[str, Scores]
    after: dict[str, Scores]
    curve: Sequence[float]

    @classmethod
    def read(cls, folder: Path) -> Run:
        """Reads a run's folder.

        Raises:
            OSError: It holds no run that came to its end.
            ValueError: A file holds something else.
        """
        lines = (folder / "curve.jsonl").read_text(encoding="utf-8").splitlines()
        steps = [json.loads(line) for line in lines]
        curve = [float(step["reward"]) for step in steps if step.get("reward") is not None]
        return cls(folder.name, load(folder / "before.json"), load(folder / "after.json"), curve)

    def gains(self, decoding: str) -> list[float]:
        """Returns what each held-out task earns more after GRPO than before it."""
        before, after = self.before[decoding].rewards, self.after[decoding].rewards
        return [after[task_id] - before[task_id] for task_id in sorted(before.keys() & after.keys())]


def gain(runs: Sequence[Run], decoding: str) -> Estimate:
    """Returns the mean gain over runs and their held-out tasks, with its 95 % interval by bootstrap over those."""
    return interval([value for run in runs for value in run.gains(decoding)])


def table(runs: Sequence[Run]) -> str:
    """Returns a Markdown table: a row a run and decoding, and one for all runs."""
    lines = [
        "| run | decoding | held-out tasks | before GRPO | after GRPO | gain | 95 % interval |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for decoding in (SAMPLED, GREEDY):
        shown = [run for run in runs if decoding in run.before]
        for run in shown:
            lines.append(_row(run.name, decoding, [run]))
        if len(shown) > 1:
            lines.append(_row("all", decoding, shown))
    return "\n".join(lines) + "\n"


def draw(runs: Sequence[Run], file: Path) -> None:
    """Draws the reward of each step of GRPO, one line a run.

    Raises:
        ImportError: matplotlib is not installed.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context({"svg.hashsalt": "codearena", "axes.spines.top": False, "axes.spines.right": False}):
        figure = Figure(figsize=(9, 5), layout="constrained")
        axes = figure.subplots()
        for place, run in enumerate(runs):
            colour = PALETTE[place % len(PALETTE)]
            numbers = range(1, len(run.curve) + 1)
            axes.plot(numbers, run.curve, ".", color=colour, markersize=3, alpha=0.35)
            axes.plot(numbers, rolling_mean(run.curve), color=colour, label=run.name)
        axes.set(title="Mean reward of each step of GRPO, and the mean of ten steps", xlabel="step", ylabel="reward")
        axes.set(ylim=(0, 1))
        axes.legend()
        figure.savefig(file, dpi=130, metadata={"Date": None} if file.suffix == ".svg" else None)


def main() -> int:
    """Returns 0, 1 if the gain is below what was asked for, 2 for a folder without a finished run."""
    parser = argparse.ArgumentParser(
        prog="python -m training.report",
        description="Compares held-out rewards before and after GRPO, over runs that differ in their seed.",
        epilog="Exit status: 0 done, 1 the gain is below --at-least, 2 a folder holds no finished run.",
    )
    parser.add_argument("folders", nargs="+", type=Path, metavar="DIR", help="folder of a finished run")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="also draw the reward of each step, .svg or .png")
    parser.add_argument("--at-least", type=float, metavar="GAIN", help="fail below this mean gain when sampled")
    options = parser.parse_args()
    try:
        runs = [Run.read(folder) for folder in options.folders]
    except (OSError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return EXIT_USAGE
    sys.stdout.write(table(runs))
    if options.plot is not None:
        options.plot.parent.mkdir(parents=True, exist_ok=True)
        draw(runs, options.plot)
        sys.stderr.write(f"chart: {options.plot}\n")
    if options.at_least is None:
        return 0
    found = gain(runs, SAMPLED)
    enough = found.mean >= options.at_least and (found.low or 0.0) > 0
    if not enough:
        sys.stderr.write(f"the mean gain must be at least {options.at_least}, with an interval above 0\n")
    return 0 if enough else EXIT_BELOW


def _row(name: str, decoding: str, runs: Sequence[Run]) -> str:
    before, after = ([_mean(run.before[decoding]) for run in runs], [_mean(run.after[decoding]) for run in runs])
    found = gain(runs, decoding)
    tasks = sum(len(run.gains(decoding)) for run in runs)
    between = "-" if found.low is None or found.high is None else f"{found.low:+.3f} to {found.high:+.3f}"
    means = [math.fsum(values) / len(values) for values in (before, after)]
    return f"| {name} | {decoding} | {tasks} | {means[0]:.3f} | {means[1]:.3f} | {found.mean:+.3f} | {between} |"


def _mean(scores: Scores) -> float:
    return scores.mean


if __name__ == "__main__":
    sys.exit(main())
