"""Files of stored steps: CSV, and Parquet where pyarrow is installed."""

from __future__ import annotations

import csv
import dataclasses
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Protocol, Self

from codearena import StepRecord

FIELDS: Final = tuple(field.name for field in dataclasses.fields(StepRecord) if field.name != "proposed_fix")
FIX_FIELD: Final = "proposed_fix"
GROUP_ROWS: Final = 10_000
GROUP_CHARACTERS: Final = 32 * 1024 * 1024


class StepFile(Protocol):
    """A file that takes steps."""

    def write(self, step: StepRecord) -> None:
        """Writes a step."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class CsvFile(AbstractContextManager["CsvFile"]):
    """A CSV with a header, a line for each step, times in ISO 8601 and UTC.

    Args:
        path: The file; it is replaced.
        fields: What of a step to write.
    """

    def __init__(self, path: Path, fields: tuple[str, ...]) -> None:
        self._fields = fields
        self._file = path.open("w", newline="", encoding="utf-8")
        self._writer = csv.writer(self._file)
        self._writer.writerow(fields)

    def write(self, step: StepRecord) -> None:
        """Writes a step."""
        self._writer.writerow([_cell(getattr(step, field)) for field in self._fields])

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()


class ParquetFile(AbstractContextManager["ParquetFile"]):
    """A Parquet file in row groups of at most `GROUP_ROWS` steps, so that memory stays small however long it gets.

    Args:
        path: The file; it is replaced.
        fields: What of a step to write.

    Raises:
        ImportError: pyarrow is not installed.
    """

    def __init__(self, path: Path, fields: tuple[str, ...]) -> None:
        import pyarrow  # an optional extra, and slow to import
        from pyarrow import parquet

        kinds = {
            **dict.fromkeys(("step", "tests_passed"), pyarrow.int32()),
            **dict.fromkeys(("repeated", "solved"), pyarrow.bool_()),
            "reward": pyarrow.float64(),
            "created_at": pyarrow.timestamp("us", tz="UTC"),
        }
        self._fields = fields
        self._schema = pyarrow.schema([(field, kinds.get(field, pyarrow.string())) for field in fields])
        self._batch: Any = pyarrow.RecordBatch
        self._writer = parquet.ParquetWriter(path, self._schema, compression="zstd")
        self._rows: list[dict[str, object]] = []
        self._characters = 0

    def write(self, step: StepRecord) -> None:
        """Writes a step, or keeps it for the next row group."""
        self._rows.append({field: _typed(getattr(step, field)) for field in self._fields})
        self._characters += len(step.proposed_fix) if FIX_FIELD in self._fields else 0
        if len(self._rows) >= GROUP_ROWS or self._characters >= GROUP_CHARACTERS:
            self._flush()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None:
                self._flush()
        finally:
            self._writer.close()

    def _flush(self) -> None:
        if self._rows:
            self._writer.write_batch(self._batch.from_pylist(self._rows, schema=self._schema))
            self._rows, self._characters = [], 0


def _typed(value: object) -> object:
    return str(value) if isinstance(value, str) else value  # an enum's member as its name


def _cell(value: object) -> object:
    return value.isoformat() if isinstance(value, datetime) else _typed(value)
