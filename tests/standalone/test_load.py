"""Processes that make full load: they burn, and they end with whoever wanted them."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from services.standalone.load import full_load
from tests.waiting import eventually, until

ROOT = Path(__file__).parents[2]


def burners_of(parent):
    """Processes of `full_load`, by the parent that they were told of, that are alive."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if len(words) > 5 and words[1:4] == [b"-I", b"-S", b"-c"] and words[5] == str(parent).encode():
            found.append(int(folder.name))
    return found


def cpu_ticks(pid):
    """User time of a process, in clock ticks."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11])


async def test_burners_burn_while_the_block_runs():
    async with full_load(2):
        pids = burners_of(os.getpid())
        assert len(pids) == 2
        for pid in pids:
            await eventually(lambda pid=pid: cpu_ticks(pid) > 5)
    assert burners_of(os.getpid()) == []


async def test_burners_end_with_a_block_that_fails_or_is_cancelled():
    with pytest.raises(ZeroDivisionError):
        async with full_load(2):
            1 / 0  # noqa: B018
    assert burners_of(os.getpid()) == []
    entered = asyncio.Event()

    async def hold():
        async with full_load(1):
            entered.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(hold())
    await entered.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert burners_of(os.getpid()) == []


def test_burners_end_with_a_killed_parent():
    program = (
        "import asyncio\nfrom services.standalone.load import full_load\n"
        "async def main():\n"
        "    async with full_load(2):\n        print('up', flush=True)\n        await asyncio.sleep(60)\n"
        "asyncio.run(main())\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert parent.stdout.readline() == "up\n"
        assert len(burners_of(parent.pid)) == 2
    finally:
        parent.send_signal(signal.SIGKILL)
        parent.communicate()
    until(lambda: burners_of(parent.pid) == [])
