"""Queue and stock of a real executor: fair, in time, with living sandboxes, and nothing left after a stop."""

from __future__ import annotations

import asyncio
from pathlib import Path

import docker
import grpc
import pytest

from codearena import QueueFullError
from codearena.v1 import core_pb2 as core
from codearena.v1 import executor_service_pb2 as wire
from tests.executor.conftest import (
    DOUBLE,
    Executor,
    descendants,
    double_suite,
    launchers,
    pods_of,
    refused,
    started,
    until,
)

ENDLESS = "def double(x):\n    while True: pass\n"
LONG = double_suite(cpu_seconds=20, wall_seconds=20)


def grading(executor: Executor, code: str, run_id: str, timeout: float = 60) -> grpc.aio.UnaryUnaryCall:
    request = wire.ExecuteRequest(code=code, suite=LONG, run_id=run_id, fresh=True)
    return executor.stub.Execute(request, timeout=timeout)


def waiting(executor: Executor) -> float | None:
    return executor.gauge("codearena_executor_queue_depth")


def leased(executor: Executor) -> float | None:
    return executor.gauge("codearena_sandbox_pool_size", backend="process", state="leased")


def cold_and_warm_starts(executor: Executor) -> float:
    name = "codearena_sandbox_start_duration_seconds_count"
    return sum(executor.gauge(name, backend="process", path=path) or 0 for path in ("cold", "warm"))


async def test_a_run_that_floods_the_queue_neither_shuts_out_nor_holds_up_another(data_dir: Path) -> None:
    async with started("process", data_dir, slots=1, queue=3) as executor:
        await executor.grade(DOUBLE, LONG)
        await until(executor.all_free)
        flood = []
        for number in range(4):
            flood.append(grading(executor, ENDLESS, "flood"))
            await until(lambda number=number: waiting(executor) == number)

        other = grading(executor, DOUBLE, "other")

        error = await refused(flood.pop())
        assert isinstance(error, QueueFullError)
        assert error.reason == "QUEUE_FULL"
        assert 0 < error.retry_after_seconds <= 60
        flood.pop(0).cancel()
        response = await other
        assert response.outcome == core.OUTCOME_PASSED
        assert response.stages.queue.ToNanoseconds() > 0
        for call in flood:
            call.cancel()
        await until(executor.all_free)
        assert waiting(executor) == 0


async def test_a_deadline_that_goes_by_in_the_queue_costs_no_sandbox(data_dir: Path) -> None:
    async with started("process", data_dir, slots=1) as executor:
        await executor.grade(DOUBLE, LONG)
        await until(lambda: leased(executor) == 0)
        running = grading(executor, ENDLESS, "a")
        await until(lambda: leased(executor) == 1)
        starts = cold_and_warm_starts(executor)

        error = await refused(grading(executor, DOUBLE, "b", timeout=0.2))

        assert error.code is grpc.StatusCode.DEADLINE_EXCEEDED
        await until(lambda: waiting(executor) == 0)
        running.cancel()
        await until(executor.all_free)
        assert cold_and_warm_starts(executor) == starts


async def test_a_weight_of_a_run_is_heard(data_dir: Path) -> None:
    async with started("process", data_dir, slots=1, queue=100, run_weights={"heavy": 4.0}) as executor:
        await executor.grade(DOUBLE, LONG)
        await until(executor.all_free)
        first = grading(executor, ENDLESS, "first")
        await until(lambda: executor.gauge("codearena_executor_slots", state="busy") == 1)
        served: list[str] = []
        calls = [(run, grading(executor, DOUBLE, run)) for _ in range(20) for run in ("heavy", "light")]

        async def note(run: str, call: grpc.aio.UnaryUnaryCall) -> None:
            await call
            served.append(run)

        notes = [asyncio.create_task(note(run, call)) for run, call in calls]
        await until(lambda: waiting(executor) == 40)
        first.cancel()
        await asyncio.gather(*notes)
        assert served[:20].count("heavy") >= 12, served


@pytest.mark.parametrize("seconds", [0.0, 0.05, 0.2])
async def test_stopping_while_sandboxes_are_made_leaves_nothing(
    backend_name: str, data_dir: Path, request: pytest.FixtureRequest, seconds: float
) -> None:
    others = launchers()
    async with started(backend_name, data_dir, warm=8, warm_max=8, starting=4) as executor:
        backend = executor.service.chosen.backend
        await asyncio.sleep(seconds)
        ours = launchers() - others
        ours |= {pid for launcher in ours for pid, _ in descendants(launcher)}
        assert bool(ours) == (backend_name == "process")
    await until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in ours))
    if backend_name == "kubernetes":
        assert await pods_of(executor) == []
    if backend_name == "docker":
        mine = {"label": f"codearena.executor={backend.instance}"}
        assert request.getfixturevalue("docker_engine").containers(all=True, filters=mine) == []


@pytest.mark.docker
async def test_a_container_that_somebody_killed_is_replaced_before_anybody_asks(
    data_dir: Path, docker_engine: docker.APIClient
) -> None:
    async with started("docker", data_dir, warm=2, warm_max=2) as executor:
        mine = {"label": f"codearena.executor={executor.service.chosen.backend.instance}"}

        def running() -> set[str]:
            return {container["Id"] for container in docker_engine.containers(filters=mine)}

        def idle() -> float | None:
            return executor.gauge("codearena_sandbox_pool_size", backend="docker", state="idle")

        await until(lambda: idle() == 2 and executor.none_left())
        killed = running()
        for container in killed:
            docker_engine.kill(container)
        await until(lambda: idle() == 2 and len(running()) == 2)
        assert not running() & killed
        assert (await executor.grade(DOUBLE)).outcome == core.OUTCOME_PASSED
