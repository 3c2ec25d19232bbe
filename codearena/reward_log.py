"""rewards_log.csv: a line for each step, written by the demo and by evaluations, read by the plots."""

from __future__ import annotations

import csv
import dataclasses
import math
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from codearena._models import REWARD_COMPONENTS, REWARD_PENALTIES

COLUMNS: Final = (
    *("timestamp", "task_id", "step", "reward"),
    *REWARD_COMPONENTS,
    *REWARD_PENALTIES,
    *("outcome", "method", "category", "difficulty", "sample", "complexity"),
)
_NEEDED: Final = ("task_id", "step", "reward")


class RewardLogError(Exception):
    """A file that is no log of rewards; the message names file, line and column."""


@dataclass(frozen=True, slots=True)
class LoggedStep:
    """One step.

    Attributes:
        task_id: The task.
        step: Its number, from 1.
        reward: In [0, 1].
        timestamp: ISO 8601, UTC; "" if not known.
        category: The task's; "" if not known.
        difficulty: The task's; "" if not known.
        sample: Which episode of the task, from 0.
        episode_id: The episode, where an arena keeps it; "" if not known. A log does not have it.
        scores: Each component's score, in [0, 1]; without those that nobody gave.
        penalties: Each penalty, as a positive number.
        outcome: What became of the program.
        complexity: Estimated time complexity, such as "O(n)"; may be empty.
        method: Who or what made it; may be empty.
    """

    task_id: str
    step: int
    reward: float
    timestamp: str = ""
    category: str = ""
    difficulty: str = ""
    sample: int = 0
    episode_id: str = ""
    scores: Mapping[str, float] = field(default_factory=dict)
    penalties: Mapping[str, float] = field(default_factory=dict)
    outcome: str = ""
    complexity: str = ""
    method: str = ""


class RewardLog(AbstractContextManager["RewardLog"]):
    """Writes a log, a line for each step, as the steps come.

    Args:
        path: The file; it is replaced.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("w", newline="", encoding="utf-8")
        self._writer = csv.writer(self._file)
        self._writer.writerow(COLUMNS)

    def write(self, step: LoggedStep) -> None:
        """Writes a step. A component that nobody scored stays empty."""
        values = {one.name: getattr(step, one.name) for one in dataclasses.fields(step)}
        values |= {name: _rounded(step.scores.get(name)) for name in REWARD_COMPONENTS}
        values |= {name: _rounded(step.penalties.get(name, 0.0)) for name in REWARD_PENALTIES}
        values["reward"] = _rounded(step.reward)
        self._writer.writerow([values[column] for column in COLUMNS])
        self._file.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()


def read_log(path: Path) -> Iterator[LoggedStep]:
    """Yields the steps of a log, or of what `codearena export` wrote as CSV; other columns are passed over.

    Raises:
        RewardLogError: It is neither; line and column are named.
    """
    try:
        file = path.open(newline="", encoding="utf-8")
    except OSError as error:
        raise RewardLogError(f"cannot read {path}: {error.strerror or error}") from error
    with file:
        reader = csv.DictReader(file)
        if missing := [column for column in _NEEDED if column not in (reader.fieldnames or ())]:
            raise RewardLogError(f"{path} is no log of rewards: the column {missing[0]} is missing")
        try:
            for row in reader:
                yield _step(path, reader.line_num, row)
        except (csv.Error, UnicodeDecodeError) as error:
            raise RewardLogError(f"{path}, line {reader.line_num}: {error}") from error


def _step(path: Path, line: int, row: Mapping[str, str | None]) -> LoggedStep:
    def number(column: str) -> float | None:
        text = row.get(column) or ""
        if not text:
            return None
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise RewardLogError(f"{path}, line {line}: {column} must be a number, not {text[:40]!r}")
        return value

    reward = number("reward")
    if reward is None:
        raise RewardLogError(f"{path}, line {line}: reward is empty")
    scores = {name: score for name in REWARD_COMPONENTS if (score := number(name)) is not None}
    penalties = {name: value for name in REWARD_PENALTIES if (value := number(name)) is not None}
    return LoggedStep(
        task_id=row.get("task_id") or "",
        step=int(number("step") or 0),
        reward=reward,
        timestamp=row.get("timestamp") or row.get("created_at") or "",
        category=row.get("category") or "",
        difficulty=row.get("difficulty") or "",
        sample=int(number("sample") or 0),
        episode_id=row.get("episode_id") or "",
        scores=scores,
        penalties=penalties,
        outcome=row.get("outcome") or "",
        complexity=row.get("complexity") or row.get("time_complexity") or "",
        method=row.get("method") or "",
    )


def _rounded(number: float | None) -> float | None:
    return None if number is None else round(number, 6)
