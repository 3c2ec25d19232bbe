"""Pure functions over hostile text, run where they cannot hurt a service.

Parsing source that an agent wrote can exhaust memory, stack or time. Such functions run here in a small pool
of persistent processes with hard limits; one that is hurt is killed and replaced, and the caller gets a value
or a `WorkerFailed`. This confines *our* code while it reads hostile text. It is no sandbox for hostile code.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).resolve().parents[2]
_START_SECONDS = 60.0
_STOP_SECONDS = 5.0
_MIB = 1024 * 1024


class FailureKind(StrEnum):
    """Why a call has no result."""

    TIMEOUT = "timeout"
    """The elapsed time was up; the machine may have been busy."""
    CPU = "cpu"
    """The CPU time was up: a property of the input, however busy the machine is."""
    MEMORY = "memory"
    """The address space was full: a property of the input."""
    CRASH = "crash"
    """The process ended, or answered what is no answer."""
    ERROR = "error"
    """The function raised."""
    BUSY = "busy"
    """Every worker was taken for too long, or too many callers were waiting."""


class WorkerFailed(Exception):
    """A call has no result.

    Args:
        kind: Why.
        detail: For people; never holds the arguments. For `FailureKind.ERROR` the message of the exception.
        exception: For `FailureKind.ERROR` the name of the exception's type, else "".
    """

    def __init__(self, kind: FailureKind, detail: str, exception: str = "") -> None:
        super().__init__(f"{kind}: {exception + ': ' if exception else ''}{detail}")
        self.kind = kind
        self.detail = detail
        self.exception = exception


@dataclass(frozen=True)
class WorkerLimits:
    """What one worker process may use.

    Attributes:
        memory_bytes: Address space.
        stack_bytes: Stack of its one thread.
        recursion_depth: Python frames.
        message_bytes: Largest request and largest answer.
        calls: A worker is replaced after this many calls, so that no call sees the remains of many.
    """

    memory_bytes: int = 512 * _MIB
    stack_bytes: int = 64 * _MIB
    recursion_depth: int = 10_000
    message_bytes: int = 16 * _MIB
    calls: int = 500


class LimitedWorkers:
    """A bounded pool of limited processes that call named functions.

    Args:
        functions: What may be called, as "module:function". Each takes JSON values by keyword and returns a
            JSON value. They are imported when a worker starts.
        size: Number of worker processes.
        max_waiting: Callers that may wait for a free worker; more are refused at once.
        limits: What each worker may use.
        python_path: Further folders to import from.
    """

    def __init__(
        self,
        functions: Sequence[str],
        *,
        size: int = 2,
        max_waiting: int = 64,
        limits: WorkerLimits | None = None,
        python_path: Sequence[Path] = (),
    ) -> None:
        if size < 1 or max_waiting < 0:
            raise ValueError("size must be positive and max_waiting not negative")
        self._functions = tuple(functions)
        self._size = size
        self._max_waiting = max_waiting
        self._limits = limits or WorkerLimits()
        self._environment = _environment(python_path)
        self._idle: asyncio.Queue[_Worker | None] = asyncio.Queue(size)
        self._workers: set[_Worker] = set()
        self._replacing: set[asyncio.Task[None]] = set()
        self._waiting = 0
        self._running = False

    @property
    def running(self) -> bool:
        """Whether the pool was started and not stopped."""
        return self._running

    async def start(self) -> None:
        """Starts every worker and waits until its functions are imported.

        Raises:
            WorkerFailed: A worker did not come up.
        """
        self._running = True
        try:
            for _ in range(self._size):
                self._idle.put_nowait(await self._spawn())
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Ends every worker; calls under way fail. Safe to call twice."""
        self._running = False
        for task in self._replacing:
            task.cancel()
        await asyncio.gather(*self._replacing, return_exceptions=True)
        await asyncio.gather(*(worker.end() for worker in tuple(self._workers)))
        self._workers.clear()
        while not self._idle.empty():
            self._idle.get_nowait()

    async def call(
        self,
        function: str,
        arguments: Mapping[str, object],
        *,
        timeout_seconds: float,
        cpu_seconds: int | None = None,
    ) -> Any:  # noqa: ANN401 - any JSON value
        """Calls a function in a worker.

        Args:
            function: One of the pool's functions.
            arguments: Keyword arguments, JSON values.
            timeout_seconds: Elapsed time, for the wait for a worker and again for the call itself.
            cpu_seconds: CPU time of the call, in whole seconds. Default: `timeout_seconds` rounded up.

        Returns:
            What the function returned, as JSON carries it.

        Raises:
            WorkerFailed: There is no result.
            ValueError: The function is not one of the pool's, the arguments are no JSON or are too large.
        """
        frame = self._frame(function, arguments, cpu_seconds or int(-(-timeout_seconds // 1)))
        worker = await self._lease(timeout_seconds)
        try:
            reply = await worker.exchange(frame, timeout_seconds)
        except BaseException:
            self._retire(worker)
            raise
        if reply.get("error") == "MemoryError" or worker.calls >= self._limits.calls:
            self._retire(worker)
        else:
            self._idle.put_nowait(worker)
        return _result(reply)

    def _frame(self, function: str, arguments: Mapping[str, object], cpu_seconds: int) -> bytes:
        if function not in self._functions:
            raise ValueError(f"{function} is not one of this pool's functions")
        request = {"function": function, "arguments": dict(arguments), "cpu_seconds": cpu_seconds}
        try:
            body = json.dumps(request).encode()
        except TypeError as error:
            raise ValueError(f"the arguments are no JSON values: {error}") from error
        if len(body) > self._limits.message_bytes:
            raise ValueError(f"{len(body)} bytes of arguments, at most {self._limits.message_bytes}")
        return len(body).to_bytes(4, "big") + body

    async def _lease(self, timeout_seconds: float) -> _Worker:
        if not self._running:
            raise WorkerFailed(FailureKind.BUSY, "the workers are not running")
        if self._idle.empty() and self._waiting >= self._max_waiting:
            raise WorkerFailed(FailureKind.BUSY, f"{self._waiting} callers are waiting for a worker")
        self._waiting += 1
        try:
            async with asyncio.timeout(timeout_seconds):
                worker = await self._idle.get()
        except TimeoutError as error:
            raise WorkerFailed(FailureKind.BUSY, "no worker became free in time") from error
        finally:
            self._waiting -= 1
        if worker is not None:
            return worker
        try:
            return await self._spawn()
        except BaseException:
            self._idle.put_nowait(None)
            raise

    async def _spawn(self) -> _Worker:
        worker = await _Worker.launch(self._functions, self._limits, self._environment)
        self._workers.add(worker)
        try:
            await worker.greet()
        except BaseException:
            self._workers.discard(worker)
            await asyncio.shield(worker.end())
            raise
        return worker

    def _retire(self, worker: _Worker) -> None:
        """Kills a worker; its place is taken by a new one as soon as that is ready."""
        worker.kill()
        task = asyncio.create_task(self._replace(worker))
        self._replacing.add(task)
        task.add_done_callback(self._replacing.discard)

    async def _replace(self, worker: _Worker) -> None:
        """Fills the place of a worker, with None (the next caller then tries) if no new one comes up."""
        await worker.end()
        self._workers.discard(worker)
        successor: _Worker | None = None
        if self._running:
            with contextlib.suppress(WorkerFailed, OSError):
                successor = await self._spawn()
        self._idle.put_nowait(successor)


class _Worker:
    """One worker process."""

    def __init__(self, process: asyncio.subprocess.Process, message_bytes: int) -> None:
        self._process = process
        self._message_bytes = message_bytes
        self.calls = 0

    @classmethod
    async def launch(cls, functions: Sequence[str], limits: WorkerLimits, environment: Mapping[str, str]) -> _Worker:
        settings = {
            "memory_bytes": limits.memory_bytes,
            "stack_bytes": limits.stack_bytes,
            "recursion_depth": limits.recursion_depth,
            "parent_pid": os.getpid(),
        }
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-s", "-P", "-m", "services.common.limited_worker", json.dumps(settings)),
            *functions,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            cwd=_ROOT,
            env=dict(environment),
            start_new_session=True,
        )
        return cls(process, limits.message_bytes)

    async def greet(self) -> None:
        """Waits until the worker is ready."""
        try:
            async with asyncio.timeout(_START_SECONDS):
                reply = await self._receive()
        except TimeoutError as error:
            raise WorkerFailed(FailureKind.TIMEOUT, "a worker did not start in time") from error
        if "ready" not in reply:
            raise WorkerFailed(FailureKind.CRASH, "a worker did not say that it is ready")

    async def exchange(self, frame: bytes, timeout_seconds: float) -> dict[str, Any]:
        """Sends a request and returns its reply. After a failure the worker is of no more use."""
        self.calls += 1
        assert self._process.stdin is not None
        try:
            async with asyncio.timeout(timeout_seconds):
                self._process.stdin.write(frame)
                with contextlib.suppress(ConnectionError):
                    await self._process.stdin.drain()
                return await self._receive()
        except TimeoutError as error:
            raise WorkerFailed(FailureKind.TIMEOUT, f"no answer within {timeout_seconds:g} s") from error

    async def _receive(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        try:
            size = int.from_bytes(await self._process.stdout.readexactly(4), "big")
            if size > self._message_bytes:
                raise WorkerFailed(FailureKind.CRASH, f"an answer of {size} bytes")
            reply = json.loads(await self._process.stdout.readexactly(size))
        except asyncio.IncompleteReadError as error:
            raise await self._death() from error
        except (ValueError, RecursionError) as error:
            raise WorkerFailed(FailureKind.CRASH, "an answer that is no JSON") from error
        if not isinstance(reply, dict):
            raise WorkerFailed(FailureKind.CRASH, "an answer that is no JSON object")
        return reply

    async def _death(self) -> WorkerFailed:
        status = await self._process.wait()
        if status == -signal.SIGXCPU:
            return WorkerFailed(FailureKind.CPU, "the CPU time was up")
        return WorkerFailed(FailureKind.CRASH, f"the worker ended with status {status}")

    def kill(self) -> None:
        """Kills the process at once."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()

    async def end(self) -> None:
        """Kills the process and waits until it is gone, or stuck in the kernel for `_STOP_SECONDS`."""
        self.kill()
        if self._process.stdin is not None:
            self._process.stdin.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_STOP_SECONDS):
                await self._process.wait()


def _result(reply: dict[str, Any]) -> Any:  # noqa: ANN401 - any JSON value
    if "result" in reply:
        return reply["result"]
    exception = str(reply.get("error", ""))
    if exception == "MemoryError":
        raise WorkerFailed(FailureKind.MEMORY, "the address space was full")
    raise WorkerFailed(FailureKind.ERROR, str(reply.get("message", "")), exception)


def _environment(python_path: Sequence[Path]) -> dict[str, str]:
    """Returns the whole environment of a worker: nothing of ours that could be a secret."""
    inherited = os.environ.get("PYTHONPATH", "")
    path = [str(_ROOT), *map(str, python_path), *filter(None, inherited.split(os.pathsep))]
    return {
        "PATH": os.defpath,
        "PYTHONPATH": os.pathsep.join(path),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONHASHSEED": "0",
        "PYTHONUTF8": "1",
        "HOME": "/nonexistent",
        "XDG_CACHE_HOME": os.devnull,
    }
