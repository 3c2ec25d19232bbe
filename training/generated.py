"""Tasks for a tiny model: bugs planted in short programs, some of which are held out."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from datasets import Dataset

from codearena._cli.embedded import run_service_module
from services.env.catalogue import load_catalogue
from services.env.task_schema import Task
from training import edits
from training.config import ConfigError, Tiny

END_OF_PROMPT: Final = "=>"
_ROOT = Path(__file__).resolve().parents[1]
_FEWER = 1


@dataclass(frozen=True, slots=True)
class Planted:
    """Generated tasks.

    Attributes:
        trained: Those that may be learnt from.
        held_out: Those that may not: no bug in them was planted in any program of the others.
    """

    trained: Sequence[Task]
    held_out: Sequence[Task]


def generate(tiny: Tiny, seed: int, folder: Path) -> None:
    """Makes tasks with `codearena tasks generate`, unless the folder has them.

    Raises:
        ConfigError: The sources cannot be used.
    """
    done = folder / "generate-report.json"
    if done.exists():
        return
    sources = [part for source in tiny.sources for part in ("--from", str(_ROOT / source))]
    arguments = [*sources, "--seed", str(seed), "--count", str(tiny.count), "--out", str(folder)]
    status = run_service_module("services.authoring.generate", arguments)
    if status not in (0, _FEWER):
        raise ConfigError(f"`codearena tasks generate` ended with status {status}; see what it said above")


def planted(folder: Path, held_out_share: float, seed: int) -> Planted:
    """Returns the tasks of a folder by whether their bugs are held out; those with bugs of both kinds are left out.

    Args:
        folder: Of generated tasks.
        held_out_share: Of the bugs.
        seed: Chooses them.

    Raises:
        ConfigError: There are no tasks of one of the kinds.
    """
    trained, held_out = [], []
    for task in load_catalogue([folder]):
        kinds = {_share_of(bug, seed) < held_out_share for bug in _bugs(task)}
        if kinds == {False}:
            trained.append(task)
        elif kinds == {True}:
            held_out.append(task)
    if not trained or not held_out:
        raise ConfigError(f"{folder}: too few tasks to hold some out; raise tiny.count")
    return Planted(trained, _shuffled(held_out, seed))


def rows(tasks: Sequence[Task]) -> Dataset:
    """Returns tasks as rows of `prompt`, `completion`, which is the edit that mends it, `task_id` and `buggy_code`."""
    return Dataset.from_list(
        [
            {
                "prompt": prompt(task.buggy_code),
                "completion": edits.edit(task.buggy_code, task.reference),
                "task_id": task.id,
                "buggy_code": task.buggy_code,
            }
            for task in tasks
        ]
    )


def prompt(program: str) -> str:
    """Returns what a tiny model is told: the program with numbered lines."""
    return f"{edits.numbered(program)}{END_OF_PROMPT}\n"


def _bugs(task: Task) -> list[str]:
    return [f"{task.origin}/{label.line}:{label.column}/{label.before}/{label.after}" for label in task.labels]


def _share_of(name: str, seed: int) -> float:
    """Returns a number in [0, 1) that is as good as random."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{name}".encode()).digest()[:8], "big") / 2**64


def _shuffled(tasks: Sequence[Task], seed: int) -> list[Task]:
    return sorted(tasks, key=lambda task: _share_of(task.id, seed))
