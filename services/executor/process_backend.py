"""The `process` backend: sandboxes forked by a warm zygote into fresh namespaces.

The zygote (`harness/zygote.py`) runs without root's rights, in namespaces of its own, on a read-only root that holds an
interpreter and nothing else. Where the kernel refuses namespaces, `start` says why: there is no weaker mode.
"""

from __future__ import annotations

import asyncio
import os
import socket
from dataclasses import dataclass
from pathlib import Path

import structlog

from codearena.v1 import core_pb2
from services.executor import protocol
from services.executor.rootfs import Rootfs, RootfsError, build_rootfs
from services.executor.sandbox import BackendInfo, HarnessDied, Sandbox, SandboxLost
from services.executor.zygote_client import HARNESS_DIR, HELP, Zygote, launch

_NOBODY = 65534
_ISOLATION = "user, pid, mount, network, ipc and uts namespaces, read-only private root, no capabilities, seccomp"


@dataclass(frozen=True, slots=True)
class ProcessOptions:
    """How process sandboxes are made.

    Attributes:
        data_dir: Where the root filesystem is kept, in `sandbox/`.
        tmp_bytes: Size of each sandbox's /tmp.
        boot_timeout_seconds: Time for the zygote, and for each sandbox, to get ready.
    """

    data_dir: Path
    tmp_bytes: int = 16 << 20
    boot_timeout_seconds: float = 20.0


class ProcessSandbox:
    """A supervisor in namespaces of its own; see `services.executor.sandbox.Sandbox`."""

    def __init__(
        self, zygote: Zygote, identity: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._zygote = zygote
        self._identity = identity
        self._reader = reader
        self._writer = writer
        self._destroyed = False

    async def boot(self) -> None:
        """Waits for the harness's first frame. Raises SandboxLost."""
        try:
            if await protocol.read_frame(self._reader, 64) != protocol.READY:
                raise SandboxLost("the harness speaks another protocol than this executor")
        except (asyncio.IncompleteReadError, ValueError, OSError) as error:
            raise SandboxLost(f"the sandbox ended before it was ready: {error}") from error

    async def run(self, job: bytes) -> bytes:
        """Sends a job and returns the reply; see the protocol."""
        try:
            self._writer.write(job)
            await self._writer.drain()
            return await protocol.read_frame(self._reader)
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            if self._destroyed:
                raise SandboxLost("the sandbox was destroyed") from error
            status = await self._zygote.status(self._identity)
            code = os.waitstatus_to_exitcode(status)
            raise HarnessDied(f"the harness ended with {code}", out_of_memory=code == -9) from error
        except ValueError as error:
            raise HarnessDied(f"the harness was made to answer nonsense: {error}") from error

    async def destroy(self) -> None:
        """Kills the sandbox and waits until the kernel has removed it."""
        self._destroyed = True
        self._writer.close()
        await asyncio.shield(self._zygote.kill(self._identity))


class ProcessBackend:
    """A source of process sandboxes; see `services.executor.sandbox.SandboxBackend`."""

    def __init__(self, options: ProcessOptions) -> None:
        self._options = options
        self._zygote: Zygote | None = None
        self._rootfs: Rootfs | None = None
        self._restart = asyncio.Lock()
        self._stopped = False
        self._log = structlog.get_logger("sandbox")

    async def start(self) -> BackendInfo:
        """Builds the root filesystem where it is missing and starts the zygote.

        Nothing can be left of a killed executor: the kernel ends a zygote with its parent.
        """
        try:
            self._rootfs = await asyncio.to_thread(build_rootfs, self._options.data_dir / "sandbox", HARNESS_DIR)
        except RootfsError as error:
            raise SandboxLost(str(error)) from error
        await self._living_zygote()
        return BackendInfo(core_pb2.SANDBOX_BACKEND_PROCESS, _ISOLATION, isolated=True)

    async def create(self) -> Sandbox:
        """Forks a sandbox and waits until its harness is ready."""
        zygote = await self._living_zygote()
        ours, theirs = _socket_pair(socket.SOCK_STREAM)
        try:
            with theirs:
                async with asyncio.timeout(self._options.boot_timeout_seconds):
                    identity = await zygote.spawn(theirs)
            ours.setblocking(False)
            reader, writer = await asyncio.open_connection(sock=ours, limit=1 << 20)
        except TimeoutError as error:
            ours.close()
            await asyncio.shield(zygote.close())
            raise SandboxLost("the sandbox zygote did not answer in time") from error
        except BaseException:
            ours.close()
            raise
        sandbox = ProcessSandbox(zygote, identity, reader, writer)
        try:
            async with asyncio.timeout(self._options.boot_timeout_seconds):
                await sandbox.boot()
        except TimeoutError as error:
            await sandbox.destroy()
            raise SandboxLost("the sandbox did not get ready in time") from error
        except BaseException:
            await asyncio.shield(sandbox.destroy())
            raise
        return sandbox

    async def ping(self) -> None:
        """Returns if there is a zygote; starts one if it was killed."""
        await self._living_zygote()

    async def stop(self) -> None:
        """Ends the zygote and every sandbox."""
        self._stopped = True
        async with self._restart:
            zygote, self._zygote = self._zygote, None
            if zygote is not None:
                await zygote.close()

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
