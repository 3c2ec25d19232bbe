"""The `process` backend: sandboxes forked by a warm zygote into fresh namespaces.

The zygote (`harness/zygote.py`) runs without root's rights, in namespaces of its own, on a read-only root that holds an
interpreter and nothing else. Where the kernel refuses namespaces, `start` says why: there is no weaker mode.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections import deque
from dataclasses import dataclass
from pathlib import Path

import structlog

from codearena.v1 import core_pb2
from services.executor.cgroups import Cgroup, CgroupLimits, Cgroups, NoCgroups
from services.executor.process_sandbox import Lane, ProcessSandbox
from services.executor.rootfs import Rootfs, RootfsError, build_rootfs
from services.executor.sandbox import BackendInfo, Sandbox, SandboxLost
from services.executor.zygote_client import HARNESS_DIR, HELP, Zygote, launch

_NOBODY = 65534
_LAST_MOMENTS, _MOMENT_SECONDS = 100, 0.02
_ISOLATION = "user, pid, mount, network, ipc and uts namespaces, read-only private root, no capabilities, seccomp"


@dataclass(frozen=True, slots=True)
class ProcessOptions:
    """How process sandboxes are made.

    Attributes:
        data_dir: Where the root filesystem is kept, in `sandbox/`.
        tmp_bytes: Size of each sandbox's /tmp.
        boot_timeout_seconds: Time for the zygote, and for each sandbox, to get ready.
        end_timeout_seconds: Time for a sandbox to end before its lane is killed.
        lanes: Lanes that are kept while no sandbox of theirs is in use.
        lane_jobs: Jobs after which a lane is replaced.
        cgroup_memory_bytes: What a sandbox may use in all, where control groups can be had: the most that a program may
            ask for, and a margin for the interpreter and its /tmp.
        cgroup_pids: Processes and threads of a sandbox, likewise.
        cpus: CPU time per elapsed time of a sandbox, likewise.
    """

    data_dir: Path
    tmp_bytes: int = 16 << 20
    boot_timeout_seconds: float = 20.0
    end_timeout_seconds: float = 5.0
    lanes: int = 64
    lane_jobs: int = 1000
    cgroup_memory_bytes: int = 1120 << 20
    cgroup_pids: int = 64
    cpus: float = 1.0


class ProcessBackend:
    """A source of process sandboxes; see `services.executor.sandbox.SandboxBackend`."""

    def __init__(self, options: ProcessOptions) -> None:
        self._options = options
        self._zygote: Zygote | None = None
        self._idle: deque[Lane] = deque()
        self._finishing: set[asyncio.Task[None]] = set()
        self._rootfs: Rootfs | None = None
        self._cgroups: Cgroups | None = None
        self._restart = asyncio.Lock()
        self._stopped = False
        self._log = structlog.get_logger("sandbox")

    @property
    def orphans_removed(self) -> int:
        """None, ever: the kernel ends a zygote, and all that it forked, with its parent."""
        return 0

    async def start(self) -> BackendInfo:
        """Builds the root filesystem where it is missing and starts the zygote.

        Nothing can be left of a killed executor: the kernel ends a zygote with its parent.
        """
        try:
            self._rootfs = await asyncio.to_thread(build_rootfs, self._options.data_dir / "sandbox", HARNESS_DIR)
        except RootfsError as error:
            raise SandboxLost(str(error)) from error
        await self._living_zygote()
        isolation = f"{_ISOLATION}; {self._start_cgroups()}"
        return BackendInfo(core_pb2.SANDBOX_BACKEND_PROCESS, isolation, isolated=True, digest=self._rootfs.digest)

    def _start_cgroups(self) -> str:
        """Prepares control groups where they can be had. Returns what became of it, for people."""
        options = self._options
        limits = CgroupLimits(options.cgroup_memory_bytes, options.cgroup_pids, options.cpus)
        try:
            self._cgroups = Cgroups(limits)
        except NoCgroups as error:
            return f"no control groups: {error}; resource limits alone bound memory, threads and CPU"
        memory = f"{limits.memory_bytes >> 20} MiB"
        return f"control groups (v{self._cgroups.version}) of {memory}, {limits.pids} pids, {limits.cpus:g} CPUs"

    async def create(self) -> Sandbox:
        """Returns a sandbox whose child waits for a program: one that a lane has ready, or that of a new lane."""
        while self._idle:
            lane = self._idle.pop()  # the last one used: its memory is still in the caches
            if lane.alive:
                return ProcessSandbox(lane, self._finish)
            await asyncio.shield(self._close(lane))
        lane = await self._new_lane()
        try:
            async with asyncio.timeout(self._options.boot_timeout_seconds):
                await lane.ready()
        except BaseException as error:
            await asyncio.shield(self._close(lane))
            if isinstance(error, TimeoutError):
                raise SandboxLost("the sandbox did not get ready in time") from error
            raise
        return ProcessSandbox(lane, self._finish)

    async def _new_lane(self) -> Lane:
        zygote = await self._living_zygote()
        ours, theirs = _socket_pair(socket.SOCK_STREAM)
        cgroup = self._make_cgroup()
        try:
            with theirs, contextlib.ExitStack() as stack:
                descriptors = stack.enter_context(cgroup.joining()) if cgroup else ()
                async with asyncio.timeout(self._options.boot_timeout_seconds):
                    identity = await zygote.spawn(theirs, descriptors)
            ours.setblocking(False)
            reader, writer = await asyncio.open_connection(sock=ours, limit=1 << 20)
        except BaseException as error:
            ours.close()
            self._drop_cgroup(cgroup)
            if isinstance(error, TimeoutError):
                await asyncio.shield(zygote.close())
                raise SandboxLost("the sandbox zygote did not answer in time") from error
            raise
        return Lane(zygote, identity, reader, writer, cgroup)

    def _make_cgroup(self) -> Cgroup | None:
        try:
            return self._cgroups.make() if self._cgroups else None
        except OSError as error:
            raise SandboxLost(f"no control group for a sandbox: {error}") from error

    def _drop_cgroup(self, cgroup: Cgroup | None) -> None:
        if self._cgroups and cgroup:
            self._cgroups.give_back(cgroup)

    async def _close_cgroups(self) -> None:
        """The kernel ends the last processes a moment after the zygote."""
        for _ in range(_LAST_MOMENTS):
            if self._cgroups is None or self._cgroups.close():
                return
            await asyncio.sleep(_MOMENT_SECONDS)

    async def _close(self, lane: Lane) -> None:
        await lane.close()
        self._drop_cgroup(lane.cgroup)

    def _finish(self, lane: Lane, unanswered: bool) -> asyncio.Task[None]:
        task = asyncio.create_task(self._end_sandbox(lane, unanswered))
        self._finishing.add(task)
        task.add_done_callback(self._finishing.discard)
        return task

    async def _end_sandbox(self, lane: Lane, unanswered: bool) -> None:
        """Ends a lane's sandbox, and the lane too if it is busy with it, broken, worn or not needed."""
        if not unanswered and lane.alive:
            try:
                async with asyncio.timeout(self._options.end_timeout_seconds):
                    await lane.end_job()
            except (SandboxLost, TimeoutError) as error:
                self._log.warning("a lane is given up", why=str(error) or "it does not end its sandbox")
            else:
                if not self._stopped and len(self._idle) < self._options.lanes and lane.jobs < self._options.lane_jobs:
                    self._idle.append(lane)
                    return
        await self._close(lane)

    async def ping(self) -> None:
        """Returns if there is a zygote; starts one if it was killed."""
        await self._living_zygote()

    async def stop(self) -> None:
        """Ends the zygote and every sandbox."""
        self._stopped = True
        async with self._restart:
            zygote, self._zygote = self._zygote, None
            self._idle.clear()
            if zygote is not None:
                await zygote.close()
        await asyncio.gather(*self._finishing, return_exceptions=True)
        await self._close_cgroups()

    async def _living_zygote(self) -> Zygote:
        async with self._restart:
            if self._stopped:
                raise SandboxLost("the process backend is not running")
            if self._zygote is not None and self._zygote.lost is not None:
                self._log.warning("the zygote is gone, starting another", why=self._zygote.lost)
                await self._zygote.close()
                self._zygote = None
            if self._zygote is None:
                self._zygote = await self._start_zygote()
            return self._zygote

    async def _start_zygote(self) -> Zygote:
        assert self._rootfs is not None, "start() comes first"
        config = {
            "root": str(self._rootfs.path),
            "python": self._rootfs.python,
            "uid": _NOBODY,
            "gid": _NOBODY,
            "tmp_bytes": self._options.tmp_bytes,
        }
        ours, theirs = _socket_pair(socket.SOCK_SEQPACKET)
        try:
            with theirs:
                process = await launch(config, theirs)
        except OSError as error:
            ours.close()
            raise SandboxLost(f"the sandbox zygote could not be started: {error}") from error
        zygote = Zygote(process, ours)
        try:
            async with asyncio.timeout(self._options.boot_timeout_seconds):
                await zygote.ready()
        except BaseException as error:
            await asyncio.shield(zygote.close())
            if isinstance(error, TimeoutError):
                raise SandboxLost(f"the sandbox zygote did not start in time; {HELP}") from error
            raise
        return zygote


def _socket_pair(kind: socket.SocketKind) -> tuple[socket.socket, socket.socket]:
    try:
        return socket.socketpair(socket.AF_UNIX, kind)
    except OSError as error:
        raise SandboxLost(f"no socket for a sandbox: {error}") from error
