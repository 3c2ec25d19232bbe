"""What an import has found so far, kept beside its tasks so that it can go on where it was stopped."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

NAME = ".import.jsonl"


class Verdict(BaseModel):
    """What became of one entry.

    Attributes:
        digest: Of the entry's content.
        entry: What the data set calls it.
        line: Where it is, from 1; 0 where it is a file of its own.
        task_id: The task that it became; "" if it was dropped.
        reason: Why it was dropped.
    """

    model_config = ConfigDict(frozen=True)

    digest: str
    entry: str
    line: int
    task_id: str = ""
    reason: str = ""


class Journal:
    """The verdicts of a folder, by the digest of their entries; appended to as they come.

    Args:
        folder: Where the tasks are.
        data_set: Its name; another one's verdicts in the same folder are left alone.
        again: Forget what is known.
    """

    def __init__(self, folder: Path, data_set: str, *, again: bool = False) -> None:
        self._file = folder / NAME
        self._data_set = data_set
        self._folder = folder
        found = self._read()
        self._kept = {verdict.task_id for verdict in found.values() if verdict.task_id}
        self._known = {} if again else found

    def get(self, digest: str) -> Verdict | None:
        """Returns what is known of an entry; None if that is nothing, or its task's file is gone."""
        verdict = self._known.get(digest)
        if verdict is None or (verdict.task_id and not (self._folder / f"{verdict.task_id}.yaml").exists()):
            return None
        return verdict

    def add(self, verdict: Verdict) -> None:
        """Keeps a verdict."""
        self._known[verdict.digest] = verdict
        line = json.dumps({"data_set": self._data_set, **verdict.model_dump()})
        with self._file.open("a+b") as file:
            file.seek(max(0, file.seek(0, 2) - 1))
            torn = file.read() not in (b"", b"\n")  # whatever ended an import may have cut off its last line
            file.write(b"\n" * torn + line.encode() + b"\n")

    def forget(self, task_id: str) -> None:
        """Removes the file of a task that an earlier import had kept, and whose entry is no task any more."""
        if task_id in self._kept:
            (self._folder / f"{task_id}.yaml").unlink(missing_ok=True)

    def _read(self) -> dict[str, Verdict]:
        if not self._file.exists():
            return {}
        found = {}
        for line in self._file.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                content: dict[str, Any] = json.loads(line)
                verdict = Verdict.model_validate(content)
            except (ValueError, ValidationError):
                continue  # the last line, cut off by whatever ended the import: that entry is certified again
            if content.get("data_set") == self._data_set:
                found[verdict.digest] = verdict
        return found
