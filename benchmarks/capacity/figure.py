"""The plan as a picture: how many steps a second each part carries, and how many are asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

from benchmarks.capacity.deployment import plan
from benchmarks.capacity.durations import Distribution, Durations
from benchmarks.capacity.limits import limits
from benchmarks.capacity.simulation import simulate
from benchmarks.capacity.theory import offered_rate

_LOADS = (0.5, 0.75, 1.0, 1.15, 1.3, 1.4, 1.5, 1.6)
_EPISODES = 1000


def draw(file: Path, durations: Durations, think: Distribution, scales: Sequence[int]) -> None:
    """Draws the figure as SVG; equal arguments give equal files."""
    mpl.rcParams["svg.hashsalt"] = "codearena"
    figure = Figure(figsize=(11, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    found = limits(durations)
    left.barh([limit.part for limit in found], [limit.rate for limit in found], color="#4878a8")
    left.set_xscale("log")
    left.invert_yaxis()
    left.set_xlabel("steps a second that one of it carries")
    for episodes in scales:
        rate = offered_rate(episodes, think.mean, durations.stages["total"].mean)
        left.axvline(rate, color="#c44e52", linestyle="--", linewidth=1)
        place = left.get_xaxis_transform()
        left.text(rate, 1.01, f"{episodes:,}", color="#c44e52", ha="center", fontsize=8, transform=place)
    planned = plan(_EPISODES, think, durations)
    episodes_at_a_time = [round(load * _EPISODES) for load in _LOADS]
    middles, lates = [], []
    for episodes in episodes_at_a_time:
        deployment = replace(planned, episodes=episodes)
        outcome = simulate(deployment, durations, warm_up=60, seconds=240)
        middles.append(outcome.percentile(0.5))
        lates.append(outcome.percentile(0.99))
    right.plot(episodes_at_a_time, middles, "o-", label="p50", color="#4878a8")
    right.plot(episodes_at_a_time, lates, "o-", label="p99", color="#c44e52")
    right.set_yscale("log")
    right.set_xlabel(f"episodes at a time, on what is planned for {_EPISODES:,}")
    right.set_ylabel("seconds of a step")
    right.legend()
    figure.savefig(file, format="svg", metadata={"Date": None})
