"""How answers look: rich for people, JSON for programs."""

from __future__ import annotations

import dataclasses
import json
import re
import sys
from collections.abc import Iterable
from datetime import datetime

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from codearena import ArenaError, Grade, Outcome, RewardBreakdown, Task

_PIPE_WIDTH = 200
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")

_SHORT = {"compile_score": "compile", "test_pass_ratio": "tests", "efficiency_score": "efficiency"}


def console(*, quiet: bool = False, stderr: bool = False) -> Console:
    """Returns a console on stdout or stderr. Where that is no terminal, lines are wide and plain."""
    file = sys.stderr if stderr else sys.stdout
    width = None if file.isatty() else _PIPE_WIDTH
    return Console(file=file, width=width, highlight=False, markup=False, emoji=False, quiet=quiet)


def emit_json(document: object) -> None:
    """Prints one JSON document; models become objects with the fields' names."""
    click.echo(json.dumps(plain(document), indent=2, ensure_ascii=False))


def plain(value: object) -> object:
    """Returns a value with every model and error in it as a dictionary, and every time as text."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, ArenaError):
        return {"reason": value.reason, "message": value.message, "code": value.code.name}
    return value


def printable(text: str) -> str:
    """Returns text in which control characters are spelled out.

    What comes from a graded program must not steer the terminal of whoever looks at it.
    """
    return _CONTROL.sub(lambda match: f"\\x{ord(match.group()):02x}", text)


def short_name(component: str) -> str:
    """Returns a component's name as tables show it."""
    return _SHORT.get(component, component.removeprefix("llm_").removesuffix("_penalty"))


def explain_reward(reward: float, breakdown: RewardBreakdown) -> str:
    """Returns the sum that makes a reward: each score times its weight, minus the penalties."""
    parts = [(name, score, breakdown.weights.get(name, 0.0)) for name, score in breakdown.items()]
    line = " + ".join(
        f"{short_name(name)} {score:.2f}*{weight:.2f}={score * weight:.3f}" for name, score, weight in parts
    )
    for name, penalty in breakdown.penalties.items():
        if penalty:
            line += f" - {short_name(name)} {penalty:.3f}"
    total = sum(score * weight for _, score, weight in parts) - sum(breakdown.penalties.values())
    clamped = f" (clamped from {total:.3f})" if abs(total - reward) > 0.0005 else ""
    return f"{line} = {reward:.3f}{clamped}"


def outcome_text(outcome: Outcome) -> Text:
    """Returns an outcome in its colour."""
    return Text(outcome, style="green" if outcome is Outcome.PASSED else "red")


def print_grade(out: Console, grade: Grade) -> None:
    """Prints what a grade says."""
    line = Text.assemble(
        outcome_text(grade.outcome),
        f"  {grade.tests_passed}/{grade.tests_total} tests  reward ",
        (f"{grade.reward:.3f}", "bold"),
        f"  judge {grade.judge_source.lower()}  sandbox {grade.backend.lower()}",
    )
    out.print(line, soft_wrap=True)
    out.print(Text(explain_reward(grade.reward, grade.breakdown), style="dim"), soft_wrap=True)
    for component, reason in grade.breakdown.reasons.items():
        out.print(Text(f"  {short_name(component)}: {printable(reason)}", style="dim"), soft_wrap=True)
    if grade.error_log:
        out.print(Text(printable(grade.error_log.rstrip())), soft_wrap=True)


def print_task(out: Console, task: Task) -> None:
    """Prints a task as an agent sees it."""
    out.print(Text.assemble((task.task_id, "bold"), f"  {printable(task.title)}"), soft_wrap=True)
    facts = [task.difficulty.lower(), task.category, *filter(None, [task.split]), f"repairs {task.function_name}()"]
    out.print(" | ".join(facts), soft_wrap=True)
    out.print()
    out.print(Text(printable(task.description.rstrip())), soft_wrap=True)
    out.print()
    out.print(Text(printable(task.buggy_code.rstrip()), style="cyan"), soft_wrap=True)
    out.print()
    for name, source in task.modules.items():
        out.print(Text(f"{printable(name)}.py, not to be changed:"), soft_wrap=True)
        out.print(Text(printable(source.rstrip()), style="dim"), soft_wrap=True)
        out.print()
    for test in task.visible_tests:
        out.print(Text(printable(f"  {test.name}: {test.call} -> {test.expected}")), soft_wrap=True)
    out.print(f"  and {task.hidden_test_count} hidden tests")


def plain_table(*columns: str, left: int = 1, title: str | None = None) -> Table:
    """Returns an empty table without lines; all columns but the first `left` hold numbers."""
    table = Table(box=None, pad_edge=False, title=title, title_justify="left", title_style="bold")
    for index, column in enumerate(columns):
        table.add_column(column, justify="left" if index < left else "right", no_wrap=True)
    return table


def figure(number: float | None, digits: int = 3) -> str:
    """Returns a number as tables show it; "-" for one that is absent."""
    return "-" if number is None else f"{number:.{digits}f}"


def local_time(moment: datetime | None) -> str:
    """Returns a time in the local zone, to the second; "-" for one that is absent."""
    return "-" if moment is None else moment.astimezone().isoformat(sep=" ", timespec="seconds")


def task_table(tasks: Iterable[Task]) -> Table:
    """Returns the catalogue as a table."""
    table = Table(box=None, pad_edge=False)
    for column in ("task", "difficulty", "category", "title"):
        table.add_column(column, no_wrap=column != "title")
    for task in tasks:
        table.add_row(task.task_id, task.difficulty.lower(), task.category, Text(printable(task.title)))
    return table
