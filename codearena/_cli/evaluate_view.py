"""How an evaluation looks while it runs, and at its end."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from codearena._cli.render import console, figure, plain_table, printable
from codearena.evaluation import Comparison, Difference, Estimate, Rollout, Summary


class EvaluationView(AbstractContextManager["EvaluationView"]):
    """A progress bar on stderr with the mean reward so far, where that is a terminal.

    Args:
        total: How many episodes there are.
        finished: Those that were played before.
    """

    def __init__(self, total: int, finished: Sequence[Rollout]) -> None:
        out = console(stderr=True)
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
        )
        self._bar = Progress(*columns, console=out, transient=True, disable=not out.is_terminal)
        self._count, self._sum = len(finished), sum(rollout.reward for rollout in finished)
        self._failed = 0
        self._task = self._bar.add_task(self._text(), total=total, completed=len(finished))

    def ended(self, rollout: Rollout) -> None:
        """Counts a rollout."""
        if rollout.failure:
            self._failed += 1
        else:
            self._count += 1
            self._sum += rollout.reward
        self._bar.update(self._task, advance=1, description=self._text())

    def _text(self) -> str:
        mean = f"mean reward {self._sum / self._count:.3f}" if self._count else "mean reward -"
        return mean + (f", {self._failed} failed" if self._failed else "")

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()


def log_lines(rollout: Rollout, agent: str) -> Iterator[str]:
    """Yields a rollout as lines for log scrapers: [START], a [STEP] for each answer, [END]."""
    which = f"task={_word(rollout.task_id)} sample={rollout.sample}"
    yield f"[START] {which} agent={_word(agent)}"
    for turn in rollout.turns:
        yield (
            f"[STEP] {which} step={turn.number} answer={turn.answer} outcome={turn.outcome or '-'} "
            f"reward={turn.reward:.3f} tests={turn.tests_passed}/{turn.tests_total}"
        )
    failure = f" failure={_word(rollout.failure)}" if rollout.failure else ""
    solved = str(rollout.solved_at is not None).lower()
    yield f"[END] {which} solved={solved} steps={len(rollout.turns)} reward={rollout.reward:.3f}{failure}"


def print_summary(out: Console, summary: Summary, folder: Path) -> None:
    """Prints the figures of an evaluation."""
    table = plain_table("figure", "value", "95 % interval")
    table.add_row("mean reward", *_cells(summary.reward))
    table.add_row("mean reward of first answers", *_cells(summary.first_reward))
    table.add_row("solved", *_cells(summary.solved))
    for k, found in summary.pass_at.items():
        table.add_row(f"pass@{k}", *_cells(found))
    for number, share in enumerate(summary.solved_by_turn, start=1):
        table.add_row(f"solved by turn {number}", figure(share), "")
    table.add_row("repeated fixes", figure(summary.repeat_rate), "")
    for answer, count in summary.answers.items():
        table.add_row(f"answers: {answer.replace('_', ' ')}", str(count), "")
    if summary.completion_tokens:
        table.add_row("tokens read, written", f"{summary.prompt_tokens:,}, {summary.completion_tokens:,}", "")
    if summary.cost_usd:
        table.add_row("cost, US dollars", figure(summary.cost_usd, 4), "")
    out.print(table)
    categories = plain_table("category", "mean reward")
    for name, mean in summary.by_category.items():
        categories.add_row(printable(name), figure(mean))
    out.print()
    out.print(categories)
    out.print(f"\n{summary.rollouts} episodes of {summary.tasks} tasks: {folder}", soft_wrap=True)
    for reason, count in summary.failed.items():
        out.print(printable(f"failed, and in no figure: {count} times {reason}"), soft_wrap=True)
    if summary.failed:
        out.print("the same command plays them again", soft_wrap=True)


def print_comparison(out: Console, comparison: Comparison, names: tuple[str, str]) -> None:
    """Prints two evaluations side by side."""
    table = plain_table("figure", "A", "B", "B - A", "95 % interval", "p")
    rows = {
        "mean reward": comparison.reward,
        "mean reward of first answers": comparison.first_reward,
        "solved": comparison.solved,
        "pass@1": comparison.pass_at_1,
    }
    for name, found in rows.items():
        table.add_row(name, *_differences(found))
    out.print(f"A: {names[0]}\nB: {names[1]}\n", soft_wrap=True)
    out.print(table)
    out.print(
        f"\n{comparison.tasks} tasks: B is better on {comparison.better}, worse on {comparison.worse}, "
        f"alike on {comparison.equal}",
        soft_wrap=True,
    )
    for label, tasks in (("A", comparison.only_a), ("B", comparison.only_b)):
        if tasks:
            shown = ", ".join(tasks[:5]) + (" ..." if len(tasks) > 5 else "")
            out.print(printable(f"left out, played by {label} alone: {len(tasks)} ({shown})"), soft_wrap=True)


def _cells(found: Estimate) -> tuple[str, str]:
    return figure(found.mean), _interval(found)


def _differences(found: Difference) -> tuple[str, str, str, str, str]:
    return (
        figure(found.a),
        figure(found.b),
        f"{found.difference.mean:+.3f}",
        _interval(found.difference),
        figure(found.p_value, 4),
    )


def _interval(found: Estimate) -> str:
    return "-" if found.low is None or found.high is None else f"{found.low:.3f} to {found.high:.3f}"


def _word(text: str) -> str:
    """Returns a text as one word, in quotes where it has spaces."""
    return text if text and text.isprintable() and not set(text) & set(' "=') else json.dumps(text)
