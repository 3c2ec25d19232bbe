"""What there is of executors on this machine, and how one shows that it is well."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import docker

from codearena.v1 import core_pb2 as core
from services.executor.cgroups import NoCgroups, find_hierarchy
from tests.executor.conftest import DOUBLE, Executor, descendants, outcome_name, until


async def is_well(executor: Executor) -> None:
    """The next honest program passes, and then nothing is in use."""
    response = await executor.grade(DOUBLE)
    assert outcome_name(response.outcome) == "PASSED"
    assert response.violations == core.Violations()
    await until(executor.all_free)


def traces() -> dict[str, int]:
    """How much of this process's executors there is on the machine, containers apart."""
    groups: set[Path] = set()
    with contextlib.suppress(NoCgroups):
        for folder in set(find_hierarchy().folders.values()):
            groups.update(folder.glob(f"codearena-{os.getpid()}-*"))
    return {
        "descriptors": sum(not _is_grpcs(descriptor) for descriptor in Path("/proc/self/fd").iterdir()),
        "processes": len(descendants(os.getpid())),
        "control groups": len(groups),
        "mounts": len(Path("/proc/self/mounts").read_text().splitlines()),
    }


def _is_grpcs(descriptor: Path) -> bool:
    """Whether it is of a kind that gRPC makes more of when it has more to do, and keeps; we make none of them."""
    with contextlib.suppress(OSError):
        return str(descriptor.readlink()) in ("anon_inode:[eventfd]", "anon_inode:[eventpoll]")
    return True  # it has gone


async def returns_to(before: dict[str, int]) -> None:
    """Waits until there is no more of anything than before."""
    seen: dict[str, int] = {}

    def returned() -> bool:
        seen.update(traces())
        return all(seen[name] <= count for name, count in before.items())

    try:
        await until(returned)
    except AssertionError as error:
        raise AssertionError(f"{before} became {seen}") from error


def containers(executor: Executor, engine: docker.APIClient, *, running: bool = False) -> list[str]:
    mine = {"label": f"codearena.executor={executor.service.chosen.backend.instance}"}
    return [str(container["Id"]) for container in engine.containers(all=not running, filters=mine)]


def children(pid: int) -> list[int]:
    with contextlib.suppress(OSError):  # they come and go
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


class Family:
    """The processes of the process backend that one executor started: zygote, supervisors, templates, children."""

    def __init__(self) -> None:
        self._others = set(self._launchers())

    def _launchers(self) -> list[int]:
        return [pid for pid, command in descendants(os.getpid()) if "zygote launch" in command]

    def supervisors(self) -> list[int]:
        zygotes = [pid for launcher in set(self._launchers()) - self._others for pid in children(launcher)]
        return [pid for zygote in zygotes for pid in children(zygote)]

    def programs(self) -> list[int]:
        """The children that wait for a program or run one; a supervisor's other child is its template."""
        return [max(below) for below in map(children, self.supervisors()) if len(below) == 2]


def cpu_seconds(pid: int) -> float:
    """What a process used so far; 0 if it is gone. See proc(5): fields 14 and 15 of /proc/[pid]/stat."""
    with contextlib.suppress(OSError, IndexError):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return 0.0
