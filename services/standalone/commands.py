"""What the commands of this package share: how they end, and what they say."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine
from typing import Any, TypeVar

from rich.console import Console

T = TypeVar("T")

EXIT_OVER_THE_LIMIT, EXIT_NO_TASKS, EXIT_NO_SANDBOX, EXIT_INTERRUPTED = 1, 2, 3, 130
PIPE_WIDTH = 200


class Interrupted(Exception):
    """A Ctrl-C or a SIGTERM ended the work, and with it all that it had started."""


def run(work: Coroutine[Any, Any, T]) -> T:
    """Runs work to its end, or until a Ctrl-C or a SIGTERM cancels it.

    Raises:
        Interrupted: It was cancelled.
    """
    try:
        return asyncio.run(_terminable(work))
    except (KeyboardInterrupt, asyncio.CancelledError) as error:
        raise Interrupted from error


async def _terminable(work: Coroutine[Any, Any, T]) -> T:
    this = asyncio.current_task()
    assert this is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, this.cancel)
    return await work


def console(*, stderr: bool = False) -> Console:
    """Returns a console on stdout or stderr; where that is no terminal, lines are wide and plain."""
    found = Console(stderr=stderr, highlight=False, markup=False, emoji=False)
    if not found.is_terminal:
        found.width = PIPE_WIDTH
    return found
