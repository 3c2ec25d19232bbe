"""Full load: processes that burn CPU time and sweep caches while a block runs, and end with it whatever happens."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator

START_SECONDS = 60.0

# Tells that it has started. Ends by itself once its parent, whose id it is given, is gone.
_BURN = """
import os, sys
block = bytearray(8 << 20)
print(flush=True)
while os.getppid() == int(sys.argv[1]):
    for _ in range(200_000):
        pass
    bytes(block)
"""


@contextlib.asynccontextmanager
async def full_load(burners: int) -> AsyncIterator[None]:
    """Runs `burners` processes that burn CPU time as long as the block runs.

    Raises:
        TimeoutError: They have not all started after `START_SECONDS`.
        OSError: One cannot be started.
    """
    running: list[asyncio.subprocess.Process] = []
    try:
        async with asyncio.timeout(START_SECONDS):
            for _ in range(burners):
                running.append(await _start())
            for process in running:
                assert process.stdout is not None
                await process.stdout.readline()
        yield
    finally:
        for process in running:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
        await asyncio.shield(asyncio.gather(*(process.wait() for process in running)))


async def _start() -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", "-S", "-c", _BURN, str(os.getpid())),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        start_new_session=True,  # a Ctrl-C is for the one who started them
    )
