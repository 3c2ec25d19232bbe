"""Grades the programs of tasks again and again through a whole arena, idle and under full load in turn."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from codearena import ArenaError, AsyncArenaClient, Grade, InvalidArgumentError
from services.env.task_schema import Task
from services.standalone.arena import Arena, arena
from services.standalone.load import full_load

_PATIENCE = 5
_BLOCKS = 4
_REFERENCE_SECONDS = 2.0
"""Age at which references are measured anew, so that gradings meet good and bad measurements, as over a long run."""

_PLAIN: dict[str, object] = {
    "host": "127.0.0.1",
    "tls_certificate_file": None,
    "tls_key_file": None,
    "tls_client_ca_file": None,
    "token": None,
    "reflection": False,
    "drain_seconds": 0,
    "database_url": None,
    "certificates": None,
    "judge_base_url": "",
    "judge_api_key": None,
    "reference_refresh_seconds": _REFERENCE_SECONDS,
}


class ArenaFailed(Exception):
    """The arena failed too often in a row, or answered from a cache: nothing was measured. The message says how."""


@dataclass(frozen=True, slots=True)
class Regrading:
    """One grading of one program.

    Attributes:
        loaded: Whether the machine was under full load.
        grade: What it came to; None if it was refused or failed.
        refused: Why the arena refused the task or the program; empty if it did not.
        failed: What failed in the arena, e.g. "UNAVAILABLE"; empty if nothing did.
    """

    loaded: bool
    grade: Grade | None = None
    refused: str = ""
    failed: str = ""

    @property
    def result(self) -> tuple[str, int]:
        """What must not differ between gradings: outcome and number of tests passed."""
        return ("REFUSED", 0) if self.grade is None else (self.grade.outcome.value, self.grade.tests_passed)


@dataclass(frozen=True, slots=True)
class Plan:
    """How often, and under what load.

    Attributes:
        runs: Gradings of each program, at least 2; half of them under load.
        burners: Processes that make the load.
    """

    runs: int
    burners: int

    def blocks(self) -> list[tuple[bool, int]]:
        """Returns (loaded, gradings) in order: idle and loaded in turn, so that a drift of the machine meets both."""
        turns = max(1, min(_BLOCKS // 2, self.runs // 2))
        halves = (self.runs - self.runs // 2, self.runs // 2)
        return [
            (loaded, half // turns + (turn < half % turns))
            for turn in range(turns)
            for loaded, half in zip((False, True), halves, strict=True)
        ]


@contextlib.asynccontextmanager
async def plain_arena(tasks: Sequence[Path], **overrides: object) -> AsyncIterator[Arena]:
    """Runs an arena of its own on free ports: static judge, empty store, nobody quarantined.

    Sandboxes are configured by the environment, as for every arena.

    Args:
        tasks: Files and folders.
        overrides: Further settings.

    Raises:
        StartError: It cannot start.
    """
    with tempfile.TemporaryDirectory(prefix="codearena-regrade-") as folder:
        settings = _PLAIN | {"tasks": tuple(tasks)} | overrides
        async with arena(port=0, private=True, data_dir=Path(folder), **settings) as running:
            yield running


async def regrade(
    client: AsyncArenaClient,
    task: Task,
    plan: Plan,
    *,
    skip: Collection[str] = (),
    graded: Callable[[], None] = lambda: None,
) -> dict[str, list[Regrading]]:
    """Grades each program of a task `plan.runs` times, one at a time, and never from a cache.

    Args:
        client: Of an arena that has the task. It should not retry.
        task: The task.
        plan: How often.
        skip: Names of programs to leave out.
        graded: Called after each grading.

    Returns:
        The gradings by the program's name.

    Raises:
        ArenaFailed: The arena failed `_PATIENCE` times in a row, or answered from a cache.
        TimeoutError: The load could not be made.
    """
    found: dict[str, list[Regrading]] = {name: [] for name in task.programs if name not in skip}
    failures = 0
    for loaded, count in plan.blocks():
        async with full_load(plan.burners) if loaded else contextlib.nullcontext():
            for name in list(found) * count:
                one = await _grade(client, task.id, task.programs[name], loaded=loaded)
                found[name].append(one)
                failures = failures + 1 if one.failed else 0
                if failures == _PATIENCE:
                    raise ArenaFailed(f"{task.id}: {failures} gradings in a row failed, the last with {one.failed}")
                graded()
    return found


async def _grade(client: AsyncArenaClient, task_id: str, code: str, *, loaded: bool) -> Regrading:
    try:
        grade = await client.grade(task_id, code, fresh=True)
    except InvalidArgumentError as error:
        return Regrading(loaded, refused=error.message)
    except ArenaError as error:
        return Regrading(loaded, failed=f"{error.code.name}: {error.message}")
    if grade.cached:
        raise ArenaFailed(f"{task_id}: the arena answered from its cache, though it was told not to")
    return Regrading(loaded, grade)
