"""The file of an evaluation: its settings in the first line, then a line for each rollout, as they end."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from codearena.evaluation.rollouts import Rollout

FORMAT: Final = 1
NAME: Final = "rollouts.jsonl"
_MISSING: Final = "(absent)"


class RolloutFileError(Exception):
    """A file of rollouts that cannot be used; the message names file, line and what to do."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """What a file holds.

    Attributes:
        settings: How the rollouts were made.
        rollouts: They, of each episode the last one that was written.
    """

    settings: Mapping[str, Any]
    rollouts: tuple[Rollout, ...]


def rollouts_path(path: Path) -> Path:
    """Returns the file of rollouts that a path stands for: itself, or the one in its folder."""
    return path / NAME if path.is_dir() else path


def read_rollouts(path: Path) -> Recorded:
    """Reads a file of rollouts, or that of a folder. A last line that is cut off is passed over.

    Raises:
        RolloutFileError: There is none, or it is damaged.
    """
    recorded, _ = _read(rollouts_path(path))
    return recorded


class RolloutFile:
    """Takes the rollouts of one evaluation, as they end, and goes on where an earlier process was stopped.

    Args:
        path: The file.
        settings: How the rollouts are made. A file that was begun with others is refused.

    Attributes:
        finished: The rollouts that are there already, without those that failed.

    Raises:
        RolloutFileError: The file was begun with other settings, or is damaged.
    """

    def __init__(self, path: Path, settings: Mapping[str, Any]) -> None:
        self.finished: tuple[Rollout, ...] = ()
        header = {"format": FORMAT, "settings": dict(settings)}
        if path.exists() and path.stat().st_size:
            recorded, whole_bytes = _read(path)
            _check_same(path, recorded.settings, json.loads(json.dumps(header))["settings"])
            self.finished = tuple(rollout for rollout in recorded.rollouts if not rollout.failure)
            self._file = path.open("r+", encoding="utf-8", newline="\n")
            self._file.truncate(whole_bytes)
            self._file.seek(whole_bytes)
        else:
            self._file = path.open("w", encoding="utf-8", newline="\n")
            self._write(header)

    def write(self, rollout: Rollout) -> None:
        """Appends a rollout; it is with the operating system when this returns."""
        self._write(rollout.to_json())

    def _write(self, document: Mapping[str, Any]) -> None:
        self._file.write(json.dumps(document, ensure_ascii=True, separators=(",", ":")) + "\n")
        self._file.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()


def _read(path: Path) -> tuple[Recorded, int]:
    """Returns what a file holds, and how many bytes its whole lines have."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise RolloutFileError(f"cannot read {path}: {error.strerror or error}") from error
    whole = data.rfind(b"\n") + 1
    lines = data[:whole].split(b"\n")[:-1]
    if not lines:
        raise RolloutFileError(f"{path}: no line of it is whole; remove it to begin anew")
    settings = _header(path, lines[0])
    rollouts: dict[tuple[str, int], Rollout] = {}
    for number, line in enumerate(lines[1:], start=2):
        try:
            rollout = Rollout.from_json(json.loads(line))
        except ValueError as error:
            raise RolloutFileError(f"{path}, line {number}: no rollout: {error}") from error
        rollouts[rollout.key] = rollout
    return Recorded(settings, tuple(rollouts[key] for key in sorted(rollouts))), whole


def _header(path: Path, line: bytes) -> Mapping[str, Any]:
    try:
        header = json.loads(line)
    except ValueError as error:
        raise RolloutFileError(f"{path}, line 1: not JSON: {error}") from error
    if not isinstance(header, dict) or not isinstance(header.get("settings"), dict):
        raise RolloutFileError(f"{path}, line 1: this is no file of rollouts")
    if header.get("format") != FORMAT:
        raise RolloutFileError(f"{path}: its format is {header.get('format')!r}, this version reads {FORMAT}")
    return dict(header["settings"])


def _check_same(path: Path, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    names: Sequence[str] = sorted(before.keys() | now.keys())
    differences = [
        f"{name} was {_shown(before.get(name, _MISSING))} and is {_shown(now.get(name, _MISSING))}"
        for name in names
        if before.get(name, _MISSING) != now.get(name, _MISSING)
    ]
    if differences:
        raise RolloutFileError(
            f"{path} was begun with other settings: {'; '.join(differences)}. Give the same settings to go on, or "
            "another folder to begin anew"
        )


def _shown(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
