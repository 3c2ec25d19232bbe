"""Reads the complexity of submissions in processes where hostile source can hurt nobody."""

from __future__ import annotations

import dataclasses
from typing import Any

import structlog

from services.common.limited import LimitedWorkers, WorkerFailed
from services.env.complexity import Analysis, FunctionComplexity, analyse

_FUNCTION = f"{__name__}:analyse_as_json"
_TIMEOUT_SECONDS = 5.0


def analyse_as_json(source: str) -> dict[str, Any]:
    """Runs in a worker: `services.env.complexity.analyse` with a result that JSON carries."""
    return dataclasses.asdict(analyse(source))


class Analyst:
    """A pool of limited processes that read source.

    Args:
        workers: How many processes.
    """

    def __init__(self, workers: int) -> None:
        self._workers = LimitedWorkers([_FUNCTION], size=workers)
        self._log = structlog.get_logger("analyst")

    async def start(self) -> None:
        """Starts the processes."""
        await self._workers.start()

    async def stop(self) -> None:
        """Ends the processes."""
        await self._workers.stop()

    async def analyse(self, source: str) -> Analysis:
        """Returns what can be read from a program; an empty analysis if it cannot be read within limits.

        The analysis feeds hints and statistics, never the reward, so a grading does not fail for the want of it.
        """
        try:
            found = await self._workers.call(_FUNCTION, {"source": source}, timeout_seconds=_TIMEOUT_SECONDS)
        except WorkerFailed as error:
            self._log.warning("source not analysed", why=str(error))
            return Analysis()
        functions = tuple(FunctionComplexity(**function) for function in found.pop("functions"))
        return Analysis(**found, functions=functions)
