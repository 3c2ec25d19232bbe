"""Engines, containers and harnesses that fail: nobody's verdict, a status that says what to do, and nothing leaks.

What becomes of a grading when the engine dies is in `test_lifecycle.py` and `test_chaos.py`; when the zygote does, in
`test_process_backend.py`.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import docker
import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from services.executor.docker_engine import DockerEngine
from tests.executor.conftest import (
    DOUBLE,
    Executor,
    outcome_name,
    refused,
    started,
    until,
)
from tests.executor.engine_proxy import EngineProxy
from tests.executor.traces import Family, containers, is_well
from tests.waiting import eventually

SANDBOX_UNAVAILABLE = (grpc.StatusCode.UNAVAILABLE, "SANDBOX_UNAVAILABLE")


def runs(pid: int) -> bool:
    """Whether a process has not ended yet; one that nobody has reaped has."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


@contextlib.asynccontextmanager
async def killing(victims: Callable[[], list[int]]) -> AsyncIterator[set[int]]:
    """Kills these processes as soon as they are there, while the block runs. Yields those that were killed."""
    killed: set[int] = set()

    async def kill() -> None:
        while True:
            for pid in set(victims()) - killed:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                    killed.add(pid)
            await asyncio.sleep(0)

    killer = asyncio.create_task(kill())
    try:
        yield killed
    finally:
        killer.cancel()
        await asyncio.gather(killer, return_exceptions=True)


async def test_a_harness_that_is_killed_while_it_boots_is_nobodys_verdict(data_dir: Path) -> None:
    family = Family()
    async with started("process", data_dir, warm=0, warm_max=0) as executor:
        await is_well(executor)
        async with killing(family.supervisors) as killed:
            errors = [await refused(executor.grade(f"{DOUBLE}# {number}")) for number in range(6)]
        assert len(killed) >= 6
        assert {(error.code, error.reason) for error in errors} == {SANDBOX_UNAVAILABLE}
        assert any("before it was ready" in error.message for error in errors)
        await is_well(executor)


async def test_a_child_that_is_killed_while_it_waits_is_nobodys_verdict(data_dir: Path) -> None:
    """The kernel chooses children first when the machine is out of memory, and most children wait."""
    family = Family()
    async with started("process", data_dir, slots=1) as executor:
        await is_well(executor)
        await until(lambda: len(family.programs()) == len(family.supervisors()) > 0)
        killed = family.programs()
        for pid in killed:
            os.kill(pid, signal.SIGKILL)
        await until(lambda: not any(map(runs, killed)))  # what dies later may have begun

        (answer,) = await asyncio.gather(executor.grade(DOUBLE), return_exceptions=True)

        if isinstance(answer, grpc.aio.AioRpcError):
            assert answer.code() is grpc.StatusCode.UNAVAILABLE
        else:
            assert outcome_name(answer.outcome) == "PASSED"
        await is_well(executor)


# Engines. What becomes of a grading when one dies is in test_lifecycle.py and test_chaos.py.


@pytest.fixture(scope="module")
async def proxy(
    docker_engine: docker.APIClient, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[EngineProxy]:
    engine = DockerEngine(None, 10)
    proxy = EngineProxy(tmp_path_factory.mktemp("engine"), engine.address)
    engine.close()
    await proxy.up()
    yield proxy
    await proxy.down()


@pytest.fixture(scope="module")
async def behind(data_dir: Path, proxy: EngineProxy, docker_engine: docker.APIClient) -> AsyncIterator[Executor]:
    """An executor that makes a container for each program, on an engine with which a test can do as it likes."""
    settings = {"docker_host": proxy.address, "docker_timeout_seconds": 1, "warm": 0, "warm_max": 0}
    async with started("docker", data_dir, **settings) as executor:
        await is_well(executor)
        yield executor
        proxy.mend()
    assert containers(executor, docker_engine) == []


@pytest.fixture
async def faulty(proxy: EngineProxy, behind: Executor) -> AsyncIterator[EngineProxy]:
    """The engine of `behind` with nothing left of the test before, mended afterwards."""
    await until(behind.none_left)
    yield proxy
    proxy.mend()


async def recovers(executor: Executor, engine: docker.APIClient) -> None:
    await is_well(executor)
    await until(lambda: containers(executor, engine) == [])


@pytest.mark.docker
@pytest.mark.parametrize(
    ("call", "message"),
    [
        ("POST .*/containers/create", "mkdir /var/lib/docker/overlay2/5f0c-init: no space left on device"),
        (
            "POST .*/containers/.*/start",
            "failed to create shim task: OCI runtime create failed: runc create failed: unable to start container "
            "process: error during container init: open /run/x: no space left on device: unknown",
        ),
    ],
    ids=["create", "start"],
)
async def test_an_engine_without_disk_space_is_no_verdict(
    behind: Executor, faulty: EngineProxy, docker_engine: docker.APIClient, call: str, message: str
) -> None:
    faulty.fail(call, 500, message)

    errors = await asyncio.gather(*(refused(behind.grade(DOUBLE)) for _ in range(3)))

    assert {(error.code, error.reason) for error in errors} == {SANDBOX_UNAVAILABLE}
    assert all("no space left on device" in error.message for error in errors)
    assert all("free disk space for the engine" in error.message for error in errors)
    faulty.mend()
    await recovers(behind, docker_engine)


NO_IMAGE = ("POST .*/containers/create", 404, "No such image: codearena-sandbox:0123456789ab")


@pytest.mark.docker
async def test_an_image_that_is_missing_is_looked_for_again(
    behind: Executor, faulty: EngineProxy, docker_engine: docker.APIClient
) -> None:
    faulty.fail(*NO_IMAGE, times=1)

    await recovers(behind, docker_engine)


@pytest.mark.docker
async def test_an_image_that_stays_missing_is_no_verdict(
    behind: Executor, faulty: EngineProxy, docker_engine: docker.APIClient
) -> None:
    faulty.fail(*NO_IMAGE)

    error = await refused(behind.grade(DOUBLE))

    assert (error.code, error.reason) == SANDBOX_UNAVAILABLE
    assert "make images" in error.message
    faulty.mend()
    await recovers(behind, docker_engine)


@pytest.mark.docker
async def test_an_engine_that_answers_slowly_is_waited_for(
    behind: Executor, faulty: EngineProxy, docker_engine: docker.APIClient
) -> None:
    faulty.seconds = 0.2

    graded = await asyncio.gather(*(behind.grade(f"{DOUBLE}# {number}") for number in range(4)))

    assert [outcome_name(response.outcome) for response in graded] == ["PASSED"] * 4
    assert {response.efficiency.score for response in graded} == {1.0}
    faulty.mend()
    await recovers(behind, docker_engine)


@pytest.mark.docker
async def test_an_engine_that_hangs_is_no_verdict(
    behind: Executor, faulty: EngineProxy, docker_engine: docker.APIClient
) -> None:
    health = health_pb2_grpc.HealthStub(behind.channel)

    async def status(service: str = "") -> int:
        return (await health.Check(health_pb2.HealthCheckRequest(service=service))).status

    async def becomes(wanted: int) -> None:
        async def reached() -> bool:
            return await status() == wanted

        await eventually(reached)

    at_work = asyncio.create_task(behind.grade("import time\ntime.sleep(1)\n" + DOUBLE, timeout=5))
    await until(lambda: behind.gauge("codearena_sandbox_pool_size", backend="docker", state="leased") == 1)
    faulty.hang()

    impatient = await refused(behind.grade(DOUBLE, timeout=0.5))
    patient = await refused(behind.grade(DOUBLE))
    held_up = await refused(at_work)

    assert impatient.code is held_up.code is grpc.StatusCode.DEADLINE_EXCEEDED
    assert (patient.code, patient.reason) == SANDBOX_UNAVAILABLE
    assert "overloaded or hangs" in patient.message
    await becomes(health_pb2.HealthCheckResponse.NOT_SERVING)
    assert await status("liveness") == health_pb2.HealthCheckResponse.SERVING
    faulty.mend()
    await becomes(health_pb2.HealthCheckResponse.SERVING)
    await is_well(behind)


@pytest.mark.docker
@pytest.mark.parametrize(
    "code",
    ["import time\ntime.sleep(1)\n" + DOUBLE, "import time\ndef double(x): return time.sleep(0.5) or 2 * x\n"],
    ids=["loading", "in a call"],
)
async def test_a_connection_that_is_lost_while_the_engine_is_well_is_no_verdict(
    behind: Executor, faulty: EngineProxy, docker_engine: docker.APIClient, code: str
) -> None:
    """The harness ends by itself when nobody listens any more: that is not the program's end."""
    grading = asyncio.create_task(refused(behind.grade(code)))
    await until(lambda: behind.gauge("codearena_sandbox_pool_size", backend="docker", state="leased") == 1)
    await asyncio.sleep(0.3)

    await faulty.cut()

    error = await grading
    assert (error.code, error.reason) == SANDBOX_UNAVAILABLE
    await recovers(behind, docker_engine)


@pytest.mark.docker
async def test_a_container_that_is_killed_while_it_boots_is_nobodys_verdict(
    behind: Executor, faulty: EngineProxy, docker_engine: docker.APIClient
) -> None:
    faulty.seconds = 0.2  # so that it is dead before anybody hears of it
    killed: set[str] = set()

    def kill_all() -> None:
        for name in set(containers(behind, docker_engine, running=True)) - killed:
            with contextlib.suppress(docker.errors.APIError):
                docker_engine.kill(name)
                killed.add(name)

    gradings = [asyncio.create_task(refused(behind.grade(f"{DOUBLE}# {number}"))) for number in range(3)]
    while not all(grading.done() for grading in gradings):
        await asyncio.to_thread(kill_all)
        await asyncio.sleep(0.01)

    errors = [await grading for grading in gradings]
    assert len(killed) >= 3
    assert {(error.code, error.reason) for error in errors} == {SANDBOX_UNAVAILABLE}
    words = [error.message for error in errors]  # one may greet before it is killed: the machine is as fast as it is
    assert all("did not boot" in said or "ended before it got its job" in said for said in words), words
    faulty.mend()
    await recovers(behind, docker_engine)


@pytest.mark.docker
async def test_an_executor_stops_though_its_engine_is_away(
    data_dir: Path, docker_engine: docker.APIClient, tmp_path: Path, proxy: EngineProxy
) -> None:
    """What it cannot remove ends by itself, and the next executor removes it; see test_docker_backend.py."""
    own = EngineProxy(tmp_path, f"unix://{proxy.address.removeprefix('unix://')}")
    await own.up()
    async with started("docker", data_dir, docker_host=own.address, docker_timeout_seconds=1) as executor:
        at_work = asyncio.create_task(refused(executor.grade("import time\ntime.sleep(60)\n", timeout=60)))
        await until(lambda: executor.gauge("codearena_sandbox_pool_size", backend="docker", state="leased") == 1)
        await own.down()
        assert (await at_work).code is grpc.StatusCode.UNAVAILABLE

    left = containers(executor, docker_engine)
    await until(lambda: containers(executor, docker_engine, running=True) == [])
    for container in left:
        docker_engine.remove_container(container, force=True)
