"""Datasets for TRL: rows of a prompt and the task that it is about."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from codearena import Difficulty, Task, TLSConfig, prompts
from codearena._channel import DEFAULT_ADDRESS
from codearena.integrations._clients import Where
from codearena.integrations._extras import missing

if TYPE_CHECKING:
    from datasets import Dataset

_REPORT: Final = "generate-report.json"


def catalogue_dataset(
    address: str = DEFAULT_ADDRESS,
    *,
    split: str = "train",
    category: str = "",
    difficulty: Difficulty | str | None = None,
    tool: bool = False,
    token: str | Callable[[], str | None] | None = None,
    tls: TLSConfig | None = None,
) -> Dataset:
    """Returns the tasks of an arena as rows.

    The columns are `prompt` (a system message and a user message), `task_id`, `category`, `difficulty`, `split` and
    `buggy_code`. A task's split follows from its content, so that none is in two of them.

    Args:
        address: As for `ArenaClient`; so are `token` and `tls`.
        split: "train", "validation" or "test"; empty for all.
        category: Only this category.
        difficulty: Only this difficulty.
        tool: Make prompts for `environment_factory`, which itself says what the task is, instead of for `GroupReward`.
        token: Bearer token.
        tls: How to encrypt.

    Raises:
        ImportError: The package `datasets` is missing.
        ValueError: The arena has no such task.
        ArenaError: The arena cannot be asked.
    """
    with Where(address, token, tls).connect() as arena:
        tasks = list(arena.list_tasks(category=category, difficulty=difficulty, split=split))
    return _dataset((_row(task, tool, task.split) for task in tasks), "the arena has no task of this kind")


def generated_dataset(
    folder: str | Path,
    address: str = DEFAULT_ADDRESS,
    *,
    split: str = "train",
    test_share: float = 0.2,
    seed: int = 0,
    tool: bool = False,
    token: str | Callable[[], str | None] | None = None,
    tls: TLSConfig | None = None,
) -> Dataset:
    """Returns tasks that `codearena tasks generate` made as rows, with the columns of `catalogue_dataset`.

    The arena must serve them. Bugs that were planted in the same program are all in the same split, so that the test
    split asks for programs that were never trained on.

    Args:
        folder: What `--out` named.
        address: As for `ArenaClient`; so are `token` and `tls`.
        split: "train" or "test".
        test_share: Of the programs, in (0, 1).
        seed: Chooses which programs are tested.
        tool: As for `catalogue_dataset`.
        token: Bearer token.
        tls: How to encrypt.

    Raises:
        ImportError: The package `datasets` is missing.
        ValueError: The folder holds no generated tasks, the arena does not serve them, or a split would be empty.
        ArenaError: The arena cannot be asked.
    """
    if split not in ("train", "test"):
        raise ValueError(f"split must be 'train' or 'test', not {split!r}")
    if not 0 < test_share < 1:
        raise ValueError(f"test_share must be above 0 and below 1, not {test_share}")
    generated = _generated_ids(Path(folder))
    tested = _held_out({_program(task_id) for task_id in generated}, test_share, seed)
    wanted = {task_id for task_id in generated if (_program(task_id) in tested) == (split == "test")}
    with Where(address, token, tls).connect() as arena:
        tasks = [task for task in arena.list_tasks() if task.task_id in wanted]
    if len(tasks) < len(wanted):
        absent = min(wanted - {task.task_id for task in tasks})
        raise ValueError(
            f"the arena does not serve {absent} of {folder}, nor {len(wanted) - len(tasks) - 1} others: start it with "
            f"CODEARENA_TASKS naming that folder"
        )
    return _dataset((_row(task, tool, split) for task in tasks), f"{folder} has too few programs for a {split} split")


def curriculum_dataset(count: int, *, seed: int = 0) -> Dataset:
    """Returns rows for `environment_factory(run_id=…)` whose tasks the curriculum of the run chooses.

    Each row has a `seed` of its own, so that all rollouts of a group play the same task.

    Args:
        count: How many rows.
        seed: That of the first row; the others count on.

    Raises:
        ImportError: The package `datasets` is missing.
        ValueError: The count is not positive.
    """
    rows = ({"prompt": _messages("", tool=True), "task_id": "auto", "seed": seed + place} for place in range(count))
    return _dataset(rows, "count must be at least 1")


def _dataset(rows: Iterable[dict[str, Any]], nothing: str) -> Dataset:
    try:
        from datasets import Dataset
    except ImportError as error:
        raise missing("datasets", "trl") from error
    listed = list(rows)
    if not listed:
        raise ValueError(nothing)
    return Dataset.from_list(listed)


def _row(task: Task, tool: bool, split: str) -> dict[str, Any]:
    return {
        "prompt": _messages("" if tool else prompts.first_message(task), tool=tool),
        "task_id": task.task_id,
        "category": task.category,
        "difficulty": task.difficulty.value,
        "split": split,
        "buggy_code": task.buggy_code,
    }


def _messages(first: str, *, tool: bool) -> list[dict[str, str]]:
    system = prompts.system_message(prompts.TOOL if tool else prompts.BLOCK)
    return [{"role": "system", "content": system}, {"role": "user", "content": first}]


def _generated_ids(folder: Path) -> list[str]:
    path = folder / _REPORT
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
        return [str(task["id"]) for task in report["tasks"]]
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror}; `codearena tasks generate --out` makes it") from error
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is no report of `codearena tasks generate`") from error


def _program(task_id: str) -> str:
    """Returns the name of the program that a generated task was made of."""
    return task_id.rpartition("-")[0]


def _held_out(programs: Collection[str], share: float, seed: int) -> set[str]:
    """Returns the programs of the test split: at least one, and the same for the same programs and seed."""
    ordered = sorted(programs, key=lambda name: hashlib.sha256(f"{seed}/{name}".encode()).digest())
    return set(ordered[: max(1, round(share * len(ordered)))])
