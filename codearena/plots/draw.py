"""The charts. Each shows one question; colours are those of Okabe and Ito, which colour-blind people tell apart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from codearena.plots import series
from codearena.reward_log import LoggedStep

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PALETTE: Final = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#000000")
_MOST_BARS, _MOST_METHODS, _MOST_COMPLEXITIES = 40, 8, 12
_OTHERS = "others"
_PLAIN, _FAINT = "#0072B2", "#9aa5b1"

Chart = Callable[["Axes", Sequence[LoggedStep]], None]


def draw_charts(steps: Sequence[LoggedStep], folder: Path, formats: Sequence[str] = ("png", "svg")) -> list[Path]:
    """Draws every chart into a folder, and returns the files.

    Args:
        steps: The steps.
        folder: It is made if it is missing; files of the same names are replaced.
        formats: "png", "svg", or both.

    Raises:
        ValueError: There are no steps.
        ImportError: matplotlib is not installed.
    """
    from matplotlib import rc_context  # an optional extra, and slow to import
    from matplotlib.figure import Figure

    if not steps:
        raise ValueError("no steps to draw")
    folder.mkdir(parents=True, exist_ok=True)
    ordered, files = series.in_order(steps), []
    with rc_context({"svg.hashsalt": "codearena", "axes.spines.top": False, "axes.spines.right": False}):
        for name, chart in CHARTS.items():
            figure = Figure(figsize=(9, 5), layout="constrained")
            chart(figure.subplots(), ordered)
            for kind in formats:
                path = folder / f"{name}.{kind}"
                figure.savefig(path, dpi=130, metadata={"Date": None} if kind == "svg" else None)
                files.append(path)
    return files


def reward_curve(axes: Axes, steps: Sequence[LoggedStep]) -> None:
    """Does the reward rise? Each step's reward and the mean of ten steps."""
    rewards = [step.reward for step in steps]
    numbers = range(1, len(steps) + 1)
    axes.plot(numbers, rewards, ".", color=_FAINT, markersize=4, label="step")
    axes.plot(numbers, series.rolling_mean(rewards), color=_PLAIN, label=f"mean of {series.ROLLING} steps")
    axes.set(title="Reward of each step", xlabel="step", ylabel="reward", ylim=(-0.02, 1.02))
    axes.legend()


def reward_by_task(axes: Axes, steps: Sequence[LoggedStep]) -> None:
    """Which tasks are hard? The mean reward of each, lowest first."""
    means = sorted(series.mean_rewards(steps, lambda step: step.task_id).items(), key=lambda item: item[1])
    shown = means[:_MOST_BARS]
    axes.barh([name for name, _ in shown], [value for _, value in shown], color=_PLAIN)
    more = f", the lowest {_MOST_BARS} of {len(means)}" if len(means) > _MOST_BARS else ""
    axes.set(title=f"Mean reward by task{more}", xlabel="reward", xlim=(0, 1))
    axes.tick_params(axis="y", labelsize=7 if len(shown) > 15 else 9)
    axes.invert_yaxis()


def difficulty_matrix(axes: Axes, steps: Sequence[LoggedStep]) -> None:
    """How do reward and difficulty go together? The mean reward by difficulty and step of the episode."""
    cells = series.grouped(steps, lambda step: (step.difficulty.upper() or "?", step.step))
    rows = [name for name in (*series.DIFFICULTIES, "?") if any(row == name for row, _ in cells)]
    columns = sorted({number for _, number in cells})
    values = [[_cell(cells.get((row, column))) for column in columns] for row in rows]
    image = axes.imshow(values, cmap="cividis", vmin=0, vmax=1, aspect="auto")
    for y, row in enumerate(rows):
        for x, column in enumerate(columns):
            if group := cells.get((row, column)):
                value = values[y][x]
                colour = "white" if value < 0.6 else "black"
                axes.text(x, y, f"{value:.2f}\nn={len(group)}", ha="center", va="center", color=colour)
    axes.set_xticks(range(len(columns)), [str(column) for column in columns])
    axes.set_yticks(range(len(rows)), [row.lower() for row in rows])
    axes.set(title="Mean reward by difficulty and step", xlabel="step of the episode")
    axes.figure.colorbar(image, ax=axes, label="reward")


def complexity_distribution(axes: Axes, steps: Sequence[LoggedStep]) -> None:
    """How efficient is what was written? Fixes by estimated time complexity, passed and not."""
    counts = Counter(step.complexity or "unknown" for step in steps)
    names = [name for name, _ in counts.most_common(_MOST_COMPLEXITIES)]
    passed = Counter(step.complexity or "unknown" for step in steps if step.outcome == "PASSED")
    axes.bar(names, [passed[name] for name in names], color=PALETTE[2], label="passed")
    rest = [counts[name] - passed[name] for name in names]
    axes.bar(names, rest, bottom=[passed[name] for name in names], color=PALETTE[1], label="not passed", hatch="//")
    axes.set(title="Fixes by time complexity", ylabel="fixes")
    axes.tick_params(axis="x", rotation=30)
    axes.legend()


def method_box(axes: Axes, steps: Sequence[LoggedStep]) -> None:
    """Which method earns most? The rewards of each as a box plot, with how many there are."""
    groups = _by_method(steps)
    labels = [f"{name}\n(n={len(group)})" for name, group in groups.items()]
    boxes = axes.boxplot(
        [[step.reward for step in group] for group in groups.values()], tick_labels=labels, patch_artist=True
    )
    for box, colour in zip(boxes["boxes"], PALETTE, strict=False):
        box.set(facecolor=colour, alpha=0.6)
    axes.set(title="Rewards by method", ylabel="reward", ylim=(-0.02, 1.02))
    axes.tick_params(axis="x", labelsize=8)


def cumulative_reward(axes: Axes, steps: Sequence[LoggedStep]) -> None:
    """Who gains fastest? The sum of rewards over the steps of each method."""
    for (name, group), colour in zip(_by_method(steps).items(), PALETTE, strict=False):
        total, sums = 0.0, []
        for step in group:
            total += step.reward
            sums.append(total)
        axes.plot(range(1, len(sums) + 1), sums, color=colour, label=name)
    axes.set(title="Cumulative reward by method", xlabel="step of the method", ylabel="sum of rewards")
    axes.legend()


def method_scatter(axes: Axes, steps: Sequence[LoggedStep]) -> None:
    """Which method earned what, and when? Each step's reward, marked by method."""
    numbers = {id(step): number for number, step in enumerate(steps, start=1)}
    for (name, group), colour, marker in zip(_by_method(steps).items(), PALETTE, "osD^vPX*", strict=False):
        at, rewards = [numbers[id(step)] for step in group], [step.reward for step in group]
        axes.scatter(at, rewards, color=colour, marker=marker, s=22, alpha=0.7, label=name)
    axes.set(title="Rewards by method", xlabel="step", ylabel="reward", ylim=(-0.02, 1.02))
    axes.legend(loc="lower right")


def solved_by_turn(axes: Axes, steps: Sequence[LoggedStep]) -> None:
    """Does feedback help? The share of episodes that are solved by each turn."""
    shares = series.solved_by_turn(steps)
    turns = range(1, len(shares) + 1)
    bars = axes.bar(turns, shares, color=_PLAIN)
    axes.bar_label(bars, [f"{share:.0%}" for share in shares])
    axes.set(title="Episodes solved by turn", xlabel="turn", ylabel="share", ylim=(0, 1.08))
    axes.set_xticks(list(turns))


def component_breakdown(axes: Axes, steps: Sequence[LoggedStep]) -> None:
    """Where is the reward lost? The mean score of each component by step of the episode."""
    found = series.component_means(steps)
    for (name, means), colour, marker in zip(found.items(), PALETTE, "osD^vPX*", strict=False):
        axes.plot(list(means), list(means.values()), color=colour, marker=marker, label=name)
    axes.set(title="Components of the reward", xlabel="step of the episode", ylabel="mean score", ylim=(-0.02, 1.05))
    axes.set_xticks(sorted({step for means in found.values() for step in means}))
    if found:
        axes.legend(fontsize=8)
    else:
        _nothing(axes, "the log has no components")


def curriculum(axes: Axes, steps: Sequence[LoggedStep]) -> None:
    """Does the difficulty follow the agent? The level of each episode, and the mean reward of ten episodes."""
    levels, rewards = series.difficulty_levels(steps)
    if not levels:
        _nothing(axes, "the log has no difficulties")
    else:
        numbers = range(1, len(levels) + 1)
        axes.step(numbers, levels, where="mid", color=_FAINT, label="level of the episode")
        axes.plot(numbers, series.rolling_mean(levels), color=PALETTE[5], label="mean level")
        axes.set_yticks(range(len(series.DIFFICULTIES)), [name.lower() for name in series.DIFFICULTIES])
        other = axes.twinx()
        other.plot(numbers, series.rolling_mean(rewards), color=_PLAIN, label="mean reward")
        other.set(ylabel=f"mean reward of {series.ROLLING} episodes", ylim=(0, 1))
        lines = [*axes.get_lines(), *other.get_lines()]
        axes.legend(lines, [str(line.get_label()) for line in lines], loc="upper left")
    axes.set(title="Difficulty over the episodes", xlabel="episode")


CHARTS: Final[Mapping[str, Chart]] = MappingProxyType(
    {
        chart.__name__: chart
        for chart in (
            reward_curve,
            reward_by_task,
            difficulty_matrix,
            complexity_distribution,
            method_box,
            cumulative_reward,
            method_scatter,
            solved_by_turn,
            component_breakdown,
            curriculum,
        )
    }
)
"""File name, without its ending, to chart."""


def _by_method(steps: Sequence[LoggedStep]) -> dict[str, list[LoggedStep]]:
    """Returns steps by method, the most frequent ones by name and the others together."""
    counts = Counter(_method(step) for step in steps)
    most = _MOST_METHODS if len(counts) <= _MOST_METHODS else _MOST_METHODS - 1
    named = [name for name, _ in counts.most_common(most)]
    found = series.grouped(steps, lambda step: _method(step) if _method(step) in named else _OTHERS)
    return {name: found[name] for name in (*named, _OTHERS) if name in found}


def _method(step: LoggedStep) -> str:
    return step.method or "unknown"


def _cell(group: Sequence[LoggedStep] | None) -> float:
    return float("nan") if group is None else series.mean([step.reward for step in group])


def _nothing(axes: Axes, why: str) -> None:
    axes.text(0.5, 0.5, why, ha="center", va="center", transform=axes.transAxes)
