"""Simulated runs as tables and as a chart."""

from __future__ import annotations

from collections.abc import Sequence
from math import nan
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Final

from rich.table import Table

from services.env.curriculum import CurriculumRules
from services.env.task_schema import Difficulty
from services.standalone.curriculum_runs import Play, SimulatedRun
from services.standalone.synthetic_agents import DEMANDS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BLOCK: Final = 50
"""Episodes of a row."""
CHART_FORMATS: Final = (".svg", ".png")
# of the palette of Okabe and Ito, which people see apart who do not see all colours; line styles tell the same
_BLUE, _VERMILLION, _GREEN = "#0072B2", "#D55E00", "#009E73"


def run_table(run: SimulatedRun) -> Table:
    """Returns a row for each 50 episodes and one for all: mean reward, share of time at each level, moves and why."""
    title = f"{run.agent.name}: {run.agent.story}"
    table = Table(title=title, title_justify="left", box=None, padding=(0, 2, 0, 0), pad_edge=False)
    table.header_style, table.title_style = "bold underline", "bold"
    for column in ("episodes", "reward", *Difficulty):
        table.add_column(column, no_wrap=True, justify="right")
    table.add_column("moves")
    for start in range(0, len(run.plays), BLOCK):
        block = run.plays[start : start + BLOCK]
        moves = "\n".join(_told(play) for play in block if play.move is not None)
        table.add_row(f"{start + 1}-{start + len(block)}", *_cells(block), moves)
    table.add_row("all", *_cells(run.plays), _count(sum(play.move is not None for play in run.plays)), style="bold")
    return table


def draw_chart(runs: Sequence[SimulatedRun], rules: CurriculumRules, path: Path) -> None:
    """Draws each run: level and skill above, the mean reward that decides below.

    Args:
        runs: The runs, side by side.
        rules: Those that they went by.
        path: Where it goes; its suffix is one of `CHART_FORMATS`. The same runs give the same SVG.

    Raises:
        ImportError: matplotlib is not installed.
        OSError: The file cannot be written.
    """
    from matplotlib import rc_context  # an optional extra, and slow to import
    from matplotlib.figure import Figure

    with rc_context({"svg.hashsalt": "codearena"}):
        figure = Figure(figsize=(4 * len(runs), 5.2), layout="constrained")
        panels = figure.subplots(2, len(runs), sharex="col", sharey="row", squeeze=False)
        for number, run in enumerate(runs):
            _draw_levels(panels[0][number], run)
            _draw_means(panels[1][number], run, rules)
        panels[0][0].set_ylabel("level")
        panels[1][0].set_ylabel("mean reward")
        handles = [*panels[0][0].get_lines(), *panels[1][0].get_lines()]
        figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), frameon=False)
        metadata = {"Date": None} if path.suffix == ".svg" else {}
        figure.savefig(path, dpi=130, metadata=metadata)


def _cells(plays: Sequence[Play]) -> tuple[str, ...]:
    shares = [sum(play.level is level for play in plays) / len(plays) for level in Difficulty]
    return (f"{fmean(play.reward for play in plays):.3f}", *(f"{share:.0%}" if share else "-" for share in shares))


def _told(play: Play) -> str:
    assert play.move is not None
    return f"{play.move.episode}: {play.move.from_level} to {play.move.to_level}, {play.move.why}"


def _count(moves: int) -> str:
    return f"{moves} move{'' if moves == 1 else 's'}"


def _draw_levels(axes: Axes, run: SimulatedRun) -> None:
    numbers = range(1, len(run.plays) + 1)
    axes.plot(numbers, [play.skill for play in run.plays], color=_VERMILLION, linestyle="--", label="skill")
    levels = [DEMANDS[play.level] for play in run.plays]
    axes.plot(numbers, levels, color=_BLUE, linewidth=2.2, drawstyle="steps-mid", label="level")
    axes.set_yticks(list(DEMANDS.values()), list(DEMANDS))
    axes.grid(axis="y", alpha=0.3)
    axes.set_title(run.agent.name)


def _draw_means(axes: Axes, run: SimulatedRun, rules: CurriculumRules) -> None:
    means: list[float] = []
    since = 0
    for play in run.plays:
        since += 1
        means.append(play.mean if since >= rules.minimum else nan)
        since = 0 if play.move is not None else since
    deciding = [(number, play.mean) for number, play in enumerate(run.plays, 1) if play.move is not None]
    axes.plot(range(1, len(means) + 1), means, color=_BLUE, label="mean reward")
    axes.plot(
        [at for at, _ in deciding],
        [mean for _, mean in deciding],
        color=_BLUE,
        marker="o",
        linestyle="none",
        label="it decides a move",
    )
    axes.axhline(rules.escalate_above, color=_GREEN, linestyle="-.", label=f"up over {rules.escalate_above:g}")
    axes.axhline(rules.deescalate_below, color="black", linestyle=":", label=f"down under {rules.deescalate_below:g}")
    axes.set(ylim=(0, 1), xlabel="episode")
