"""How the demo looks while it runs."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from codearena import RewardBreakdown, Task
from codearena._cli.demo_play import PlayedStep, is_solved
from codearena._cli.render import explain_reward, outcome_text, printable

_COLUMNS = ("task", "difficulty", "step", "tests", "efficiency", "judge", "reward", "outcome", "what was changed")
_WIDE = 110
"""Columns of a terminal from which on the table also says what was changed."""


class DemoView:
    """A live table of all tasks on a terminal; elsewhere a line for each step and each task.

    Args:
        out: Where to print.
        tasks: The tasks that will be played, in order.
    """

    def __init__(self, out: Console, tasks: Sequence[Task]) -> None:
        self._out = out
        self._tasks = tasks
        self._last: dict[str, PlayedStep] = {}
        self._live = Live(console=out, auto_refresh=False) if out.is_terminal else None

    def step(self, step: PlayedStep) -> None:
        """Shows a step: why it has its reward, and what was changed."""
        self._last[step.task.task_id] = step
        head = f"{step.task.task_id} step {step.number}: "
        reward = explain_reward(step.result.reward, step.result.breakdown)
        self._out.print(Text.assemble((head, "bold"), reward), soft_wrap=True)
        if self._live is not None:
            self._out.print(Text(f"  changed: {_changes(step)}", style="dim"), soft_wrap=True)
        self._refresh()

    def finished(self, task: Task, steps: list[PlayedStep]) -> None:
        """Shows what became of a task, where no table does."""
        if self._live is None:
            mark = "solved" if is_solved(steps) else "NOT SOLVED"
            cells = _cells(task, steps[-1] if steps else None)
            words = ", ".join(f"{name} {cell}" for name, cell in zip(_COLUMNS[1:], cells[1:], strict=True))
            self._out.print(Text(f"{task.task_id}: {mark} ({words})"), soft_wrap=True)

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
            self._refresh()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def _refresh(self) -> None:
        if self._live is not None:
            self._live.update(self._table(), refresh=True)

    def _table(self) -> Table:
        wide = self._out.width >= _WIDE
        shown = len(_COLUMNS) if wide else len(_COLUMNS) - 1
        table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style="bold underline", expand=wide)
        for column in _COLUMNS[:shown]:
            rest = 1 if column == _COLUMNS[-1] else None
            table.add_column(column, no_wrap=True, overflow="ellipsis", ratio=rest)
        for task in self._tasks:
            table.add_row(*_cells(task, self._last.get(task.task_id))[:shown])
        return table


def judged(breakdown: RewardBreakdown) -> float | None:
    """Returns the judge's scores as one number, weighted as in the reward; None if nothing was judged."""
    weights = {name: breakdown.weights.get(name, 0.0) for name in breakdown if name.startswith("llm_")}
    total = sum(weights.values())
    return sum(breakdown[name] * weight for name, weight in weights.items()) / total if total else None


def _cells(task: Task, step: PlayedStep | None) -> tuple[Text, ...]:
    difficulty = task.difficulty.lower()
    if step is None:
        return Text(task.task_id), Text(difficulty), *(Text("-") for _ in _COLUMNS[2:])
    result, observation = step.result, step.result.observation
    score = judged(result.breakdown)
    source = result.grade.judge_source.lower()
    efficiency = result.breakdown.get("efficiency_score")
    return (
        Text(task.task_id),
        Text(difficulty),
        Text(f"{step.number}/{observation.max_steps}"),
        Text(f"{result.tests_passed}/{result.tests_total}"),
        Text("-" if efficiency is None else f"{efficiency:.2f}"),
        Text(source if score is None else f"{source} {score:.2f}"),
        Text(f"{result.reward:.3f}", style="bold"),
        outcome_text(result.outcome),
        Text(_changes(step)),
    )


def _changes(step: PlayedStep) -> str:
    return " ".join(printable("; ".join(step.proposal.explanations) or "nothing").split())
