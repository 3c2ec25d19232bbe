"""Control groups for process sandboxes: a second wall behind their resource limits, where the kernel lets us build it.

Each lane has a group of its own, which its template joins before it forks the first child. Both versions are spoken: of
version 2 the one hierarchy, of version 1 one for each controller. What is made lies below the group that the executor
itself is in.
"""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

from services.executor.docker_owner import process_start

_PREFIX = "codearena-"
_PERIOD_MICROSECONDS = 100_000
_NOT_EVERYWHERE = ("memory.swap.max", "memory.memsw.limit_in_bytes")  # kernels without swap accounting
CONTROLLERS = ("memory", "pids", "cpu")


class NoCgroups(Exception):
    """Groups cannot be made here; the message says why."""


@dataclass(frozen=True, slots=True)
class CgroupLimits:
    """What all processes of one sandbox may use together.

    Attributes:
        memory_bytes: Including what lies on its /tmp and what the kernel holds for it. No swap.
        pids: Processes and threads.
        cpus: CPU time per elapsed time.
    """

    memory_bytes: int
    pids: int
    cpus: float

    def files(self, version: int) -> dict[str, dict[str, str]]:
        """Returns what is written to which file, by controller."""
        quota = round(self.cpus * _PERIOD_MICROSECONDS)
        if version == 2:
            return {
                "memory": {"memory.max": str(self.memory_bytes), "memory.swap.max": "0"},
                "pids": {"pids.max": str(self.pids)},
                "cpu": {"cpu.max": f"{quota} {_PERIOD_MICROSECONDS}"},
            }
        return {
            "memory": {
                "memory.limit_in_bytes": str(self.memory_bytes),
                "memory.memsw.limit_in_bytes": str(self.memory_bytes),
            },
            "pids": {"pids.max": str(self.pids)},
            "cpu": {"cpu.cfs_period_us": str(_PERIOD_MICROSECONDS), "cpu.cfs_quota_us": str(quota)},
        }


@dataclass(frozen=True, slots=True)
class Hierarchy:
    """Where groups may be made: one folder for all controllers (version 2), or one for each (version 1)."""

    version: int
    folders: dict[str, Path] = field(default_factory=dict)


class Cgroup:
    """The group of one lane."""

    def __init__(self, folders: frozenset[Path]) -> None:
        self._folders = folders

    @contextlib.contextmanager
    def joining(self) -> Iterator[list[int]]:
        """Yields descriptors: who writes "0" to each of them is in the group."""
        with contextlib.ExitStack() as stack:
            yield [stack.enter_context((folder / "cgroup.procs").open("w")).fileno() for folder in self._folders]

    def remove(self) -> bool:
        """Removes it. Returns whether it is gone: as long as a process is in it, it is not."""
        for folder in self._folders:
            with contextlib.suppress(FileNotFoundError):
                try:
                    folder.rmdir()
                except OSError:
                    return False
        return True


class Cgroups:
    """Makes groups with the same limits.

    Raises:
        NoCgroups: This user may not, or the kernel has no such controllers.
    """

    def __init__(self, limits: CgroupLimits, hierarchy: Hierarchy | None = None) -> None:
        where = hierarchy or find_hierarchy()
        self.version = where.version
        self._limits = limits.files(where.version)
        name = f"{_PREFIX}{os.getpid()}-{process_start(os.getpid())}-{uuid4().hex[:8]}"
        self._parents = {controller: folder / name for controller, folder in where.folders.items()}
        self._numbers = itertools.count(1)
        self._emptied: list[Cgroup] = []
        try:
            for folder in set(where.folders.values()):
                _remove_abandoned(folder)
                (folder / name).mkdir()
            if self.version == 2:
                _delegate(self._parents["memory"])
            self.make().remove()
        except OSError as error:
            self.close()
            raise NoCgroups(f"{error.strerror} ({error.filename})") from error

    def make(self) -> Cgroup:
        """Returns a new, empty group. Raises OSError."""
        self._emptied = [group for group in self._emptied if not group.remove()]
        name = f"lane-{next(self._numbers)}"
        folders = {controller: parent / name for controller, parent in self._parents.items()}
        group = Cgroup(frozenset(folders.values()))
        for folder in set(folders.values()):
            folder.mkdir()
        for controller, folder in folders.items():
            for file, value in self._limits[controller].items():
                if file not in _NOT_EVERYWHERE or (folder / file).exists():
                    (folder / file).write_text(value)
        return group

    def give_back(self, group: Cgroup) -> None:
        """Removes a group, now or when its last process is gone."""
        if not group.remove():
            self._emptied.append(group)

    def close(self) -> bool:
        """Removes everything, as far as no process is left in it. Returns whether all is gone."""
        parents = set(self._parents.values())
        for parent in parents:
            _remove_tree(parent)
        return not any(parent.exists() for parent in parents)


def find_hierarchy() -> Hierarchy:
    """Returns the place of the executor's own groups.

    Source: cgroups(7); /proc/self/mountinfo has the mounts, /proc/self/cgroup the own group in each hierarchy.

    Raises:
        NoCgroups: A controller is missing.
    """
    own = dict(line.split(":", 2)[1:] for line in Path("/proc/self/cgroup").read_text().splitlines())
    mounts = list(_mounts())
    by_controller = {c: path for names, path in own.items() for c in names.split(",")}
    folders = {}
    for controller in CONTROLLERS:
        for kind, options, root, point in mounts:
            if kind == "cgroup" and controller in options and controller in by_controller:
                folders[controller] = _below(point, root, by_controller[controller])
    if len(folders) == len(CONTROLLERS):
        return Hierarchy(1, folders)
    for kind, _, root, point in mounts:
        if kind == "cgroup2" and "" in own:
            folder = _below(point, root, own[""])
            return Hierarchy(2, {controller: _with_controllers(folder) for controller in CONTROLLERS})
    raise NoCgroups("no cgroup file system with the controllers memory, pids and cpu is mounted")


def _mounts() -> Iterator[tuple[str, set[str], str, Path]]:
    """Yields kind, options, root and mount point of each mount; see proc_pid_mountinfo(5)."""
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        before, _, after = line.partition(" - ")
        fields, (kind, _, options) = before.split(), after.split(" ", 2)
        yield kind, set(options.split(",")), fields[3], Path(fields[4])


def _below(point: Path, root: str, group: str) -> Path:
    relative = os.path.relpath(group, root)
    return point if relative.startswith("..") else point / relative


def _with_controllers(folder: Path) -> Path:
    """Returns the folder of version 2 in which groups with all controllers can be made.

    Raises:
        NoCgroups: There is none.
    """
    try:
        offered = (folder / "cgroup.controllers").read_text().split()
        if missing := sorted(set(CONTROLLERS) - set(offered)):
            raise NoCgroups(f"the group {folder} has no controller {', '.join(missing)}")
        _delegate(folder)
    except OSError as error:
        raise NoCgroups(f"{error.strerror} ({error.filename})") from error
    return folder


def _delegate(folder: Path) -> None:
    """Gives the controllers to the groups below. A group that does so holds no process itself, so it moves our own."""
    wanted = " ".join(f"+{controller}" for controller in CONTROLLERS)
    try:
        (folder / "cgroup.subtree_control").write_text(wanted)
    except OSError:
        if (folder / "cgroup.procs").read_text().split() != [str(os.getpid())]:
            raise  # others are in it, whom it is not for us to move
        leaf = folder / f"{_PREFIX}executor"
        leaf.mkdir(exist_ok=True)
        (leaf / "cgroup.procs").write_text(str(os.getpid()))
        (folder / "cgroup.subtree_control").write_text(wanted)


def _remove_abandoned(folder: Path) -> None:
    """Removes the groups of executors that are gone."""
    for group in folder.glob(f"{_PREFIX}[0-9]*-[0-9]*-*"):
        pid, started, _ = group.name.removeprefix(_PREFIX).split("-")
        if process_start(int(pid)) != started:
            _remove_tree(group)


def _remove_tree(folder: Path) -> None:
    for group in (*folder.glob("lane-*"), folder):
        with contextlib.suppress(OSError):  # somebody is in it still: the next executor removes it
            group.rmdir()
