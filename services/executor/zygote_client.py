"""The executor's end of a running zygote (`harness/zygote.py`)."""

from __future__ import annotations

import array
import asyncio
import contextlib
import json
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from services.executor import protocol
from services.executor.sandbox import SandboxLost

HARNESS_DIR = Path(__file__).parent / "harness"
HELP = (
    "the kernel must allow user namespaces (sysctl user.max_user_namespaces > 0, and no AppArmor or container "
    "policy against them); or use CODEARENA_SANDBOX_BACKEND=docker"
)
_KEPT_COMPLAINT = 2048


class Zygote:
    """The executor's end of a running zygote."""

    def __init__(self, process: asyncio.subprocess.Process, control: socket.socket) -> None:
        self._process = process
        self._control = control
        self._next = 0
        self._spawning: dict[int, asyncio.Future[None]] = {}
        self._ending: dict[int, asyncio.Future[int]] = {}
        self._reader: asyncio.Task[None] | None = None
        self._complaint = bytearray()
        self._listener = asyncio.create_task(self._listen())
        self.lost: str | None = None

    async def ready(self) -> None:
        """Waits until it serves. Raises SandboxLost with what it wrote to stderr."""
        loop = asyncio.get_running_loop()
        self._control.setblocking(False)
        if not await loop.sock_recv(self._control, 4096):
            raise SandboxLost(f"the sandbox zygote did not start: {await self._last_words()}; {HELP}")
        self._reader = asyncio.create_task(self._read())

    async def spawn(self, stream: socket.socket, cgroups: Sequence[int] = ()) -> int:
        """Starts a supervisor on one end of a socket pair. Returns its id. Raises SandboxLost.

        Args:
            stream: Its end.
            cgroups: Descriptors of the `cgroup.procs` files of the groups that its children are to be in.
        """
        self._check()
        self._next += 1
        identity = self._next
        loop = asyncio.get_running_loop()
        spawned: asyncio.Future[None] = loop.create_future()
        self._spawning[identity], self._ending[identity] = spawned, loop.create_future()
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [stream.fileno(), *cgroups]))]
        try:
            self._send({"spawn": identity}, rights)
            await asyncio.shield(spawned)
        except BaseException:
            self._ending.pop(identity, None)  # nobody will ask for its end
            raise
        return identity

    async def kill(self, identity: int) -> None:
        """Ends a sandbox with everything in it and waits until it is gone."""
        ending = self._ending.get(identity)
        if ending is not None and not ending.done() and self.lost is None:
            with contextlib.suppress(SandboxLost):
                self._send({"kill": identity})
                await asyncio.shield(ending)
        self._ending.pop(identity, None)

    async def status(self, identity: int) -> int:
        """Waits for a sandbox to end and returns its wait status. Raises SandboxLost."""
        ending = self._ending.get(identity)
        if ending is None:
            raise SandboxLost("the sandbox was destroyed")
        return await asyncio.shield(ending)

    async def close(self) -> None:
        """Ends the zygote, and the kernel every sandbox with it."""
        if self._reader is not None:
            self._reader.cancel()
            await asyncio.gather(self._reader, return_exceptions=True)
        self._lose("the executor is stopping")
        self._control.close()
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
        await self._process.wait()
        await self._listener

    def _check(self) -> None:
        if self.lost is not None:
            raise SandboxLost(self.lost)

    def _send(self, message: dict[str, int], rights: list[tuple[int, int, array.array[int]]] | None = None) -> None:
        try:
            self._control.sendmsg([json.dumps(message).encode()], rights or [])
        except OSError as error:
            raise SandboxLost(f"the sandbox zygote does not answer: {error}") from error

    async def _read(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while data := await loop.sock_recv(self._control, 4096):
                self._dispatch(json.loads(data))
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            self._lose(f"the sandbox zygote speaks nonsense: {error}")
            return
        self._lose(f"the sandbox zygote ended: {await self._last_words()}")

    def _dispatch(self, message: dict[str, Any]) -> None:
        if "spawned" in message:
            _resolve(self._spawning.pop(message["spawned"], None), None)
        elif "failed" in message:
            lost = SandboxLost(f"the kernel refused a sandbox: {message['why']}; {HELP}")
            self._ending.pop(message["failed"], None)
            _reject(self._spawning.pop(message["failed"], None), lost)
        elif "ended" in message:
            _resolve(self._ending.get(message["ended"]), message["status"])

    def _lose(self, why: str) -> None:
        self.lost = self.lost or why
        for waiting in (self._spawning, self._ending):
            for future in waiting.values():
                _reject(future, SandboxLost(self.lost))
        self._spawning.clear()

    async def _listen(self) -> None:
        """Keeps the end of what the zygote writes to stderr, so that it never blocks on it."""
        assert self._process.stderr is not None
        while data := await self._process.stderr.read(4096):
            self._complaint += data
            del self._complaint[:-_KEPT_COMPLAINT]

    async def _last_words(self) -> str:
        await asyncio.wait([self._listener], timeout=2)
        return self._complaint.decode(errors="replace").strip() or "without a word"


def _resolve(future: asyncio.Future[Any] | None, value: object) -> None:
    if future is not None and not future.done():
        future.set_result(value)


def _reject(future: asyncio.Future[Any] | None, error: Exception) -> None:
    if future is not None and not future.done():
        future.set_exception(error)
        future.exception()  # marks it as seen: nobody may be waiting


async def launch(config: dict[str, object], control: socket.socket) -> asyncio.subprocess.Process:
    """Starts the zygote's launcher with the control socket as descriptor 3 and nothing else of ours."""
    shim = f"import os,sys;os.dup2({control.fileno()},3);os.execv(sys.executable,[sys.executable,*sys.argv[1:]])"
    arguments = [*protocol.PYTHON_FLAGS, str(HARNESS_DIR), "zygote", "launch", json.dumps(config)]
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-S",
        "-c",
        shim,
        *arguments,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        pass_fds=(control.fileno(),),
        env=protocol.ENVIRONMENT,
    )
