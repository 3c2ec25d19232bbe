"""The audit log: who was let in, who was not, and what changed about it. Never a token, never a submission's code."""

from __future__ import annotations

import json
import logging
import sys
import time
from datetime import UTC, datetime
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Final

import structlog

from services.common.rates import Bucket

STDOUT: Final = Path("-")
_FILE_BYTES = 16 * 1024 * 1024
_FILES = 5
_REFUSALS_PER_SECOND = 1.0
_REFUSALS_BURST = 20
_MOST_CHARACTERS = 256


class Audit:
    """Writes one JSON object a line: `time`, `audit` (what happened), `service`, and what is known of it.

    A file is rotated at 16 MiB and four older ones are kept, beside it and named `.1` to `.4`. Refusals are a flood if
    somebody wants them to be: after twenty, one a second is written, with the number of those that were not.

    Args:
        service: Short name of the service.
        file: Where to; "-" for stdout; None for the service's own log, where the lines carry `audit`.

    Raises:
        OSError: The file cannot be opened.
    """

    def __init__(self, service: str, file: Path | None) -> None:
        self._service = service
        self._log = structlog.get_logger(service)
        self._lines = None if file is None else _lines(file)
        self._refusals = Bucket(_REFUSALS_PER_SECOND, _REFUSALS_BURST)
        self._suppressed = 0

    def record(self, what: str, **facts: object) -> None:
        """Writes what happened, e.g. "tokens reloaded". Texts are cut at 256 characters."""
        shown = {name: _cut(fact) for name, fact in facts.items() if fact not in (None, "")}
        if self._lines is None:
            self._log.info(what, audit=True, **shown)
            return
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        self._lines.info(json.dumps({"time": now, "audit": what, "service": self._service, **shown}, default=str))

    def note(self, what: str, **facts: object) -> None:
        """The same for what the service's own log says anyway: there it is not written again."""
        if self._lines is not None:
            self.record(what, **facts)

    def refused(self, what: str, **facts: object) -> None:
        """Writes that somebody was refused, unless that is a flood."""
        if self._refusals.take(time.monotonic()):
            self._suppressed += 1
            return
        suppressed, self._suppressed = self._suppressed, 0
        self.record(what, **facts, suppressed=suppressed or None)


def _lines(file: Path) -> logging.Logger:
    """Returns the logger of a file; services of one process share it, or they would rotate it under each other."""
    logger = logging.getLogger(f"codearena.audit:{'-' if file == STDOUT else file.absolute()}")
    if file == STDOUT:
        logger.handlers = [logging.StreamHandler(sys.stdout)]  # the stdout of now
    elif not logger.handlers:
        logger.addHandler(RotatingFileHandler(file, maxBytes=_FILE_BYTES, backupCount=_FILES - 1, encoding="utf-8"))
    logger.setLevel(logging.INFO)
    logger.propagate = False
    return logger


def _cut(fact: object) -> object:
    return fact[:_MOST_CHARACTERS] if isinstance(fact, str) else fact
