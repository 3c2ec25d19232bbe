"""The process backend when its zygote, its executor or its control socket fails."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import pytest

from codearena.v1 import core_pb2 as core
from codearena.v1 import executor_service_pb2 as wire
from codearena.v1.executor_service_pb2_grpc import ExecutorServiceStub
from services.executor import jobs
from services.executor.limits import Limits
from services.executor.process_backend import ProcessBackend, ProcessOptions
from services.executor.sandbox import SandboxLost
from services.executor.zygote_client import Zygote
from tests.executor.conftest import DOUBLE, descendants, double_suite, refused, started, until

REPOSITORY = Path(__file__).parents[2]
_SPARE = 4  # sandboxes that the pool may hold at one time and not at another; each is three processes
ENDLESS = jobs.program("while True: pass", Limits()) + jobs.batch([], Limits(), visible=0)


@asynccontextmanager
async def running(data_dir: Path) -> AsyncIterator[ProcessBackend]:
    backend = ProcessBackend(ProcessOptions(data_dir))
    try:
        await backend.start()
        yield backend
    finally:
        await backend.stop()


def harnesses(below: int, before: set[int] = frozenset()) -> list[int]:
    """Our processes that run the harness: zygotes, supervisors and their children."""
    return sorted(pid for pid, command in descendants(below) if "harness" in command and pid not in before)


async def test_sandboxes_end_with_their_zygote(data_dir: Path) -> None:
    before = set(harnesses(os.getpid()))
    async with running(data_dir) as backend:
        sandboxes = [await backend.create(), await backend.create()]
        at_work = asyncio.create_task(sandboxes[0].run(ENDLESS))
        await until(lambda: len(harnesses(os.getpid(), before)) >= 5)
        os.kill(harnesses(os.getpid(), before)[0], signal.SIGKILL)

        with pytest.raises(SandboxLost, match="zygote"):
            await at_work
        await until(lambda: harnesses(os.getpid(), before) == [])
        with pytest.raises(SandboxLost, match="zygote"):
            await sandboxes[1].run(ENDLESS)
        await asyncio.gather(*(sandbox.destroy() for sandbox in sandboxes))

        await backend.ping()
        again = await backend.create()
        await again.destroy()
    assert harnesses(os.getpid(), before) == []


async def test_a_killed_zygote_is_not_the_submissions_failure(data_dir: Path) -> None:
    before = set(harnesses(os.getpid()))
    async with started("process", data_dir) as executor:
        await executor.grade(DOUBLE)
        await until(executor.all_free)
        grading = asyncio.create_task(refused(executor.grade("while True: pass", double_suite(cpu_seconds=20))))
        await until(lambda: executor.gauge("codearena_executor_slots", state="busy") == 1)
        await asyncio.sleep(0.2)
        os.kill(harnesses(os.getpid(), before)[0], signal.SIGKILL)

        error = await grading

        assert (error.code, error.reason) == (grpc.StatusCode.UNAVAILABLE, "SANDBOX_UNAVAILABLE")
        assert "zygote" in error.message
        for warmed_before in (True, False, False):
            (answer,) = await asyncio.gather(executor.grade(DOUBLE), return_exceptions=True)
            if isinstance(answer, grpc.aio.AioRpcError) and warmed_before:  # it died with the zygote
                assert answer.code() is grpc.StatusCode.UNAVAILABLE
            else:
                assert answer.outcome == core.OUTCOME_PASSED
        await until(executor.all_free)


async def test_nothing_is_kept_of_two_hundred_gradings(data_dir: Path) -> None:
    def open_files() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    async with started("process", data_dir, slots=4, warm=1, warm_max=1) as executor:
        programs = [DOUBLE, "import os\nos._exit(3)", "print('x' * 70000)\n" + DOUBLE, "x ="]
        await asyncio.gather(*(executor.grade(f"{program}\n# {n}") for program in programs for n in range(10)))
        await until(executor.all_free)
        before, processes = open_files(), len(harnesses(os.getpid()))

        graded = await asyncio.gather(*(executor.grade(f"{p}\n# {n}") for p in programs for n in range(50, 100)))

        assert {response.outcome for response in (*graded[:50], *graded[100:150])} == {core.OUTCOME_PASSED}
        await until(executor.all_free)
        await until(lambda: open_files() <= before + _SPARE)
        await until(lambda: len(harnesses(os.getpid())) <= processes + 3 * _SPARE)


async def test_a_cancelled_creation_leaves_no_process(data_dir: Path) -> None:
    async with running(data_dir) as backend:
        await backend.ping()
        before = set(harnesses(os.getpid()))
        for turns in range(12):
            creating = asyncio.create_task(backend.create())
            for _ in range(turns):
                await asyncio.sleep(0)
            creating.cancel()
            for sandbox in await asyncio.gather(creating, return_exceptions=True):
                if not isinstance(sandbox, BaseException):
                    await sandbox.destroy()
        await until(lambda: harnesses(os.getpid(), before) == [])


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def is_busy(metrics_port: int) -> bool:
    """Whether the executor of these metrics runs a program."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{metrics_port}/metrics", timeout=5) as page:
            return b'codearena_executor_slots{state="busy"} 1.0' in page.read()
    except OSError:
        return False


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
async def test_an_executor_that_is_ended_leaves_no_process(data_dir: Path, how: signal.Signals) -> None:
    port, metrics_port = free_port(), free_port()
    variables = {
        "CODEARENA_EXECUTOR_PORT": str(port),
        "CODEARENA_EXECUTOR_METRICS_PORT": str(metrics_port),
        "CODEARENA_SANDBOX_BACKEND": "process",
        "CODEARENA_DATA_DIR": str(data_dir),
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "services.executor",
        cwd=REPOSITORY,
        env=os.environ | variables,
        stderr=subprocess.PIPE,
    )
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            request = wire.ExecuteRequest(code="import time\ntime.sleep(1)\n" + DOUBLE, suite=double_suite())
            stub = ExecutorServiceStub(channel)
            grading = asyncio.ensure_future(stub.Execute(request, timeout=60, wait_for_ready=True))
            await until(lambda: is_busy(metrics_port))
            await asyncio.sleep(0.2)
            ours = harnesses(process.pid)

            process.send_signal(how)

            if how == signal.SIGTERM:
                assert (await grading).outcome == core.OUTCOME_PASSED, "a grading under way is finished"
            else:
                assert (await refused(grading)).code is grpc.StatusCode.UNAVAILABLE
            status = await asyncio.wait_for(process.wait(), 30)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert status == (0 if how == signal.SIGTERM else -signal.SIGKILL)
    await until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in ours))


@asynccontextmanager
async def scripted_zygote() -> AsyncIterator[tuple[Zygote, socket.socket]]:
    """The executor's end of a zygote whose messages the test sends."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-S", "-c", "import time; time.sleep(60)", stderr=subprocess.PIPE
    )
    zygote = Zygote(process, ours)
    with theirs:
        theirs.send(b'{"ready": true}')
        await zygote.ready()
        yield zygote, theirs
        await zygote.close()


@pytest.mark.parametrize(
    "message",
    [
        b"nonsense",
        b"\xff",
        b"5",
        b"[" * 4096,
        b'{"failed": 1}',
        b'{"ended": 1}',
        b'{"spawned": []}',
    ],
)
async def test_nonsense_on_the_control_socket_loses_the_zygote(message: bytes) -> None:
    async with scripted_zygote() as (zygote, control):
        with socket.socket() as stream:
            spawning = asyncio.create_task(zygote.spawn(stream))
            await asyncio.sleep(0)
            control.send(message)
            with pytest.raises(SandboxLost, match="nonsense"):
                await asyncio.wait_for(spawning, 10)
            with pytest.raises(SandboxLost, match="nonsense"):
                await zygote.spawn(stream)
        await zygote.kill(1)


async def test_messages_about_nobody_are_passed_over() -> None:
    async with scripted_zygote() as (zygote, control):
        for message in ({"spawned": 77}, {"ended": 77, "status": 0}, {"failed": 77, "why": "no"}, {}, []):
            control.send(json.dumps(message).encode())
        with socket.socket() as stream:
            spawning = asyncio.create_task(zygote.spawn(stream))
            await asyncio.sleep(0)
            control.send(b'{"spawned": 1}')
            identity = await asyncio.wait_for(spawning, 10)
        control.send(b'{"ended": 1, "status": 256}')
        assert await asyncio.wait_for(zygote.status(identity), 10) == 256


async def test_a_refused_sandbox_says_why() -> None:
    async with scripted_zygote() as (zygote, control):
        with socket.socket() as stream:
            spawning = asyncio.create_task(zygote.spawn(stream))
            await asyncio.sleep(0)
            control.send(b'{"failed": 1, "why": "clone: No space left on device"}')
            with pytest.raises(SandboxLost, match=r"refused a sandbox: clone: No space left .*user namespaces"):
                await asyncio.wait_for(spawning, 10)
        assert zygote.lost is None


async def test_a_root_that_cannot_be_entered_is_explained(data_dir: Path, tmp_path: Path) -> None:
    (tmp_path / "sandbox").write_text("a file where a folder belongs")
    backend = ProcessBackend(ProcessOptions(tmp_path))
    with pytest.raises(SandboxLost):
        await backend.start()
    await backend.stop()
