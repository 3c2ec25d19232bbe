"""Calls that are given up, refused or interrupted: no slot, no sandbox and no process stays behind."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import docker
import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from codearena import QueueFullError
from codearena.v1 import core_pb2 as core
from codearena.v1 import executor_service_pb2 as wire
from services.executor.docker_engine import DockerEngine
from tests.executor.conftest import DOUBLE, Executor, descendants, double_suite, refused, started, until
from tests.executor.engine_proxy import EngineProxy

ENDLESS = "def double(x):\n    while True: pass\n"


def endless(executor: Executor, timeout: float | None = None) -> grpc.aio.UnaryUnaryCall:
    """A grading in a sandbox of its own, which its limits stop only after 20 seconds."""
    suite = double_suite(cpu_seconds=20, wall_seconds=20)
    return executor.stub.Execute(wire.ExecuteRequest(code=ENDLESS, suite=suite, fresh=True), timeout=timeout)


@pytest.fixture(scope="module")
async def prepared(executor: Executor) -> Executor:
    """The executor, with the reference of the endless program's suite measured."""
    await executor.grade(DOUBLE, double_suite(cpu_seconds=20, wall_seconds=20))
    await until(executor.all_free)
    return executor


async def test_a_deadline_in_an_endless_loop_destroys_the_sandbox(prepared: Executor) -> None:
    error = await refused(endless(prepared, timeout=0.5))

    assert error.code is grpc.StatusCode.DEADLINE_EXCEEDED
    await until(prepared.all_free)
    assert (await prepared.grade(DOUBLE)).outcome == core.OUTCOME_PASSED


async def test_cancelled_calls_free_their_slots_and_places(prepared: Executor) -> None:
    calls = [endless(prepared) for _ in range(6)]
    await until(lambda: prepared.gauge("codearena_executor_slots", state="busy") == 2)
    await until(lambda: prepared.gauge("codearena_executor_queue_depth") == 4)

    for call in calls:
        call.cancel()

    await until(prepared.all_free)
    assert prepared.gauge("codearena_executor_queue_depth") == 0
    assert (await prepared.grade(DOUBLE)).outcome == core.OUTCOME_PASSED


async def test_a_full_queue_says_when_to_come_back(data_dir: Path) -> None:
    async with started("process", data_dir, slots=1, warm=0, queue=1) as executor:
        suite = double_suite(cpu_seconds=20, wall_seconds=20)
        await executor.grade(DOUBLE, suite)
        await until(executor.all_free)
        running, waiting = endless(executor), endless(executor)
        await until(lambda: executor.gauge("codearena_executor_queue_depth") == 1)

        error = await refused(executor.grade(DOUBLE, suite))

        assert isinstance(error, QueueFullError)
        assert (error.code, error.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "QUEUE_FULL")
        assert 0 < error.retry_after_seconds < 60
        running.cancel()
        waiting.cancel()
        await until(executor.all_free)
        assert (await executor.grade(DOUBLE, suite)).outcome == core.OUTCOME_PASSED


@pytest.mark.parametrize(("code", "reference"), [(ENDLESS, DOUBLE), (DOUBLE, ENDLESS)], ids=["program", "reference"])
async def test_stopping_in_the_middle_leaves_nothing(data_dir: Path, code: str, reference: str) -> None:
    before = {pid for pid, _ in descendants(os.getpid())}
    suite = double_suite(cpu_seconds=20, wall_seconds=20)
    suite.reference_code = reference
    async with started("process", data_dir) as executor:
        if reference == DOUBLE:
            await executor.grade(DOUBLE, suite)
            await until(executor.all_free)
        call = executor.stub.Execute(wire.ExecuteRequest(code=code, suite=suite), timeout=60)
        await until(lambda: executor.gauge("codearena_executor_slots", state="busy") == 1)
        await executor.service.stop()
        error = await refused(call)

        assert (error.code, error.reason) == (grpc.StatusCode.UNAVAILABLE, "SHUTTING_DOWN")
        later = await refused(executor.grade(DOUBLE))
        assert (later.code, later.reason) == (grpc.StatusCode.UNAVAILABLE, "SHUTTING_DOWN")
        await until(lambda: {pid for pid, _ in descendants(os.getpid())} <= before)


@pytest.fixture
async def proxy(docker_engine: docker.APIClient, tmp_path: Path) -> AsyncIterator[EngineProxy]:
    engine = DockerEngine(None, 10)
    proxy = EngineProxy(tmp_path, engine.address)
    engine.close()
    await proxy.up()
    yield proxy
    await proxy.down()


@pytest.mark.docker
async def test_an_engine_that_goes_away_is_no_verdict(data_dir: Path, proxy: EngineProxy) -> None:
    async with started("docker", data_dir, docker_host=proxy.address) as executor:
        health = health_pb2_grpc.HealthStub(executor.channel)
        ready = health_pb2.HealthCheckResponse.SERVING

        async def status() -> int:
            return (await health.Check(health_pb2.HealthCheckRequest())).status

        async def becomes(wanted: int) -> None:
            for _ in range(300):
                if await status() == wanted:
                    return
                await asyncio.sleep(0.1)
            pytest.fail("the readiness does not change")

        await executor.grade(DOUBLE, double_suite(cpu_seconds=20, wall_seconds=20))
        await until(executor.all_free)
        assert await status() == ready
        call = endless(executor)
        await until(lambda: executor.gauge("codearena_executor_slots", state="busy") == 1)
        await asyncio.sleep(0.5)

        await proxy.down()

        error = await refused(call)
        assert (error.code, error.reason) == (grpc.StatusCode.UNAVAILABLE, "SANDBOX_UNAVAILABLE")
        again = await refused(executor.grade(DOUBLE))
        assert (again.code, again.reason) == (grpc.StatusCode.UNAVAILABLE, "SANDBOX_UNAVAILABLE")
        await becomes(health_pb2.HealthCheckResponse.NOT_SERVING)
        alive = await health.Check(health_pb2.HealthCheckRequest(service="liveness"))
        assert alive.status == ready, "liveness is not the engine's"
        failed = executor.gauge("codearena_sandbox_exits_total", backend="docker", reason="infra_error")
        assert failed == 2

        await proxy.up()

        await becomes(ready)
        assert (await executor.grade(DOUBLE)).outcome == core.OUTCOME_PASSED
        mine = {"label": f"codearena.executor={executor.service.chosen.backend.instance}"}
    client = docker.APIClient(version="auto", **docker.utils.kwargs_from_env())
    assert client.containers(all=True, filters=mine) == []
    client.close()
