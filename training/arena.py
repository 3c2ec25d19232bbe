"""The arena of a run: one that is there, or one that lives as long as the run."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from codearena._cli.embedded import embedded_arena

_LOG = logging.getLogger(__name__)


@contextmanager
def arena_at(address: str | None, *, sandbox: str, further_tasks: Path | None = None) -> Iterator[str]:
    """Yields the address of an arena.

    Args:
        address: Of one that is there; None starts one on loopback, and ends it afterwards.
        sandbox: Backend of one that is started, unless CODEARENA_SANDBOX_BACKEND names another.
        further_tasks: Folder of tasks that one that is started serves beside its own.

    Raises:
        ArenaProblem: None can be started.
    """
    if address is not None:
        yield address
        return
    os.environ.setdefault("CODEARENA_SANDBOX_BACKEND", sandbox)
    tasks = () if further_tasks is None else (str(further_tasks.resolve()),)
    with embedded_arena(further_tasks=tasks) as arena:
        _LOG.info("arena at %s, sandbox: %s (%s)", arena.address, arena.sandbox, arena.reason)
        yield arena.address
