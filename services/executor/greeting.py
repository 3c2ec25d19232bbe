"""How a harness that has booted says so."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from services.executor.protocol import READY
from services.executor.sandbox import SandboxLost


async def wait_for_greeting(read: Callable[[], Awaitable[bytes]], last_words: Callable[[], Awaitable[str]]) -> None:
    """Waits until a harness greets. Has no bound of its own.

    Args:
        read: Reads its first frame; raises as `protocol.read_frame` does, or ConnectionError.
        last_words: Says for people how a harness ended that did not greet.

    Raises:
        SandboxLost: The harness ended, or is another one.
    """
    try:
        greeting = await read()
    except asyncio.IncompleteReadError as error:
        raise SandboxLost(f"the harness did not boot: {await last_words()}") from error
    except (ConnectionError, ValueError) as error:
        raise SandboxLost(f"the harness did not boot: {error}") from error
    if greeting != READY:
        raise SandboxLost(f"the sandbox image's harness greets with {greeting!r}, not {READY!r}: make the image again")
