"""Control groups around process sandboxes, on this machine's kernel."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from services.executor import jobs
from services.executor.cgroups import CONTROLLERS, CgroupLimits, Cgroups, Hierarchy, NoCgroups, find_hierarchy
from services.executor.jobs import Call, Reply
from services.executor.limits import Limits
from services.executor.process_backend import ProcessBackend, ProcessOptions
from tests.conftest import require

LIMITS = CgroupLimits(memory_bytes=96 << 20, pids=12, cpus=0.25)


@pytest.fixture(scope="module", autouse=True)
def groups_can_be_had() -> None:
    try:
        groups = Cgroups(LIMITS)
    except NoCgroups as error:
        require("cgroups", False, f"no control groups can be made here: {error}")
    else:
        groups.close()


@asynccontextmanager
async def narrow(data_dir: Path, **changes: Any) -> AsyncIterator[ProcessBackend]:
    """A backend whose groups are narrower than the resource limits of its programs."""
    limits = {"cgroup_memory_bytes": LIMITS.memory_bytes, "cgroup_pids": LIMITS.pids, "cpus": LIMITS.cpus} | changes
    backend = ProcessBackend(ProcessOptions(data_dir, **limits))
    try:
        info = await backend.start()
        assert "control groups (v" in info.isolation
        yield backend
    finally:
        await backend.stop()


async def evaluate(backend: ProcessBackend, code: str, call: str) -> Reply:
    limits = Limits(cpu_seconds=5, wall_seconds=20)
    sandbox = await backend.create()
    try:
        job = jobs.program(code, limits) + jobs.batch([Call("", call)], limits, visible=0)
        return jobs.parse_reply(await sandbox.run(job), 1)
    finally:
        await sandbox.destroy()


async def test_memory_beyond_the_group_ends_the_program_and_not_the_lane(data_dir: Path) -> None:
    async with narrow(data_dir) as backend:
        for _ in range(3):
            reply = await evaluate(backend, "def hold(mib): return len(b'x' * (mib << 20)) >> 20", "hold(150)")
            assert [answer.state for answer in reply.cases] == ["memory"]
            assert (await evaluate(backend, "x = 1", "x")).cases[0].payload == "1"


async def test_files_in_tmp_count_as_memory(data_dir: Path) -> None:
    code = "def fill(mib):\n    with open('/tmp/x', 'wb') as f: return f.write(bytes(mib << 20)) >> 20\n"
    async with narrow(data_dir, cgroup_memory_bytes=14 << 20) as backend:
        assert (await evaluate(backend, code, "fill(15)")).cases[0].state == "memory"


async def test_threads_beyond_the_group_cannot_be_had(data_dir: Path) -> None:
    code = (
        "import threading\n"
        "def most():\n"
        "    gate, count = threading.Event(), 0\n"
        "    try:\n"
        "        while count < 100:\n"
        "            threading.Thread(target=gate.wait, daemon=True).start()\n"
        "            count += 1\n"
        "    except RuntimeError: pass\n"
        "    gate.set()\n"
        "    return count\n"
    )
    async with narrow(data_dir) as backend:
        count = int((await evaluate(backend, code, "most()")).cases[0].payload)
    assert 4 <= count < LIMITS.pids


async def test_a_program_gets_no_more_cpu_than_its_group(data_dir: Path) -> None:
    code = "import time\ndef spin(seconds):\n    while time.process_time() < seconds: pass\n"
    async with narrow(data_dir) as backend:
        usage = (await evaluate(backend, code, "spin(0.6)")).usage
    assert usage.wall > 2 * usage.cpu, "a quarter of a core takes four times as long, but for the first period"


async def test_groups_are_gone_with_the_backend_and_those_of_the_dead_with_the_next(data_dir: Path) -> None:
    where = find_hierarchy()
    gone = [folder / "codearena-4194000-1-0" for folder in set(where.folders.values())]
    for folder in gone:
        folder.mkdir()
    before = ours(where)

    async with narrow(data_dir) as backend:
        await evaluate(backend, "x = 1", "x")
        assert ours(where) > before

    assert not any(folder.exists() for folder in gone)
    assert ours(where) == before


def ours(where: Hierarchy) -> set[Path]:
    return {path for folder in set(where.folders.values()) for path in folder.glob(f"codearena-{os.getpid()}-*")}


def test_a_folder_that_is_no_hierarchy_is_named(tmp_path: Path) -> None:
    with pytest.raises(NoCgroups, match="nowhere"):
        Cgroups(LIMITS, Hierarchy(1, dict.fromkeys(CONTROLLERS, tmp_path / "nowhere")))
