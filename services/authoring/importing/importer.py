"""Imports a data set: every entry converted, certified, and kept or dropped with a reason."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from services.authoring import task_yaml
from services.authoring.importing.certify import certified
from services.authoring.importing.entries import DataSet, Entry, Unusable, printable
from services.authoring.importing.journal import Journal, Verdict
from services.authoring.sandboxes import Sandboxes
from services.env.task_files import CatalogueError


@dataclass(frozen=True, slots=True)
class Report:
    """What became of a data set.

    Attributes:
        source: Where it was read from.
        data_set: Its name.
        verdicts: One for each entry, in the order of the source.
    """

    source: Path
    data_set: str
    verdicts: tuple[Verdict, ...]

    @property
    def dropped(self) -> list[Verdict]:
        """The entries that are no task."""
        return [verdict for verdict in self.verdicts if not verdict.task_id]

    def to_json(self) -> dict[str, Any]:
        """Returns the report as JSON has it."""
        kept = [verdict for verdict in self.verdicts if verdict.task_id]
        return {
            "source": str(self.source),
            "data_set": self.data_set,
            "kept": [
                {"id": verdict.task_id, "file": f"{verdict.task_id}.yaml", "entry": verdict.entry} for verdict in kept
            ],
            "dropped": [
                {"entry": verdict.entry, "line": verdict.line, "reason": verdict.reason} for verdict in self.dropped
            ],
            "counts": {"entries": len(self.verdicts), "kept": len(kept), "dropped": len(self.dropped)},
        }


def _reason(error: Exception) -> str:
    """Returns why an entry is dropped, on one line that a terminal may be given."""
    return printable(" ".join(str(error).split()))


class Importer:
    """Imports one data set into one folder.

    Args:
        data_set: How it is read.
        folder: Where the tasks go.
        journal: What is known of its entries already.
        boxes: Where tasks are certified.
    """

    def __init__(self, data_set: DataSet, folder: Path, journal: Journal, boxes: Sandboxes) -> None:
        self._data_set = data_set
        self._folder = folder
        self._journal = journal
        self._boxes = boxes
        self._taken: dict[str, Entry] = {}

    async def run(self, entries: Sequence[Entry], tell: Callable[[Verdict], None]) -> tuple[Verdict, ...]:
        """Returns one verdict for each entry; tells each as it is found.

        Raises:
            AioRpcError: An entry could not be graded for a reason of ours; what was found before is kept.
        """
        room = asyncio.Semaphore(max(1, self._boxes.slots))

        async def one(entry: Entry) -> Verdict:
            async with room:
                verdict = await self._verdict(entry)
            tell(verdict)
            return verdict

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(entry)) for entry in entries]
        return tuple(task.result() for task in tasks)

    async def _verdict(self, entry: Entry) -> Verdict:
        try:
            task = self._data_set.task(entry)
            first = self._taken.setdefault(task.id, entry)
            if first is not entry:
                raise Unusable(f"its id {task.id!r} is also that of {first.name}, line {first.line}")
        except Unusable as error:
            return Verdict(digest=entry.digest, entry=entry.name, line=entry.line, reason=_reason(error))
        known = self._journal.get(entry.digest)
        if known is not None:
            return known.model_copy(update={"entry": entry.name, "line": entry.line})
        try:
            fitted = await certified(task, self._boxes)
            await asyncio.to_thread(task_yaml.write, fitted, self._folder)
            verdict = Verdict(digest=entry.digest, entry=entry.name, line=entry.line, task_id=task.id)
        except (Unusable, CatalogueError) as error:
            verdict = Verdict(digest=entry.digest, entry=entry.name, line=entry.line, reason=_reason(error))
            self._journal.forget(task.id)
        self._journal.add(verdict)
        return verdict
