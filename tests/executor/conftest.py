"""A real executor for each sandbox backend."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
import grpc
import pytest
from prometheus_client import CollectorRegistry

from codearena.v1 import core_pb2 as core
from codearena.v1 import executor_service_pb2 as wire
from codearena.v1.executor_service_pb2_grpc import ExecutorServiceStub
from services.common.server import serving
from services.executor.service import ExecutorService
from services.executor.settings import ExecutorSettings

DOUBLE = "def double(x):\n    return 2 * x\n"


@pytest.fixture(scope="session", params=["process", pytest.param("docker", marks=pytest.mark.docker)])
def backend_name(request: pytest.FixtureRequest) -> str:
    """The name of each backend in turn; docker's tests are skipped where no engine answers."""
    if request.param == "docker":
        request.getfixturevalue("docker_engine")
    return str(request.param)


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One data directory for all, so that the sandbox's root is built once."""
    return tmp_path_factory.mktemp("data")


@dataclass(frozen=True)
class Executor:
    """A client of a running executor, with the service beside it for what only its owner may see."""

    stub: Any
    service: ExecutorService
    registry: CollectorRegistry

    async def grade(self, code: str, suite: wire.Suite | None = None, timeout: float = 60) -> wire.ExecuteResponse:
        return await self.stub.Execute(wire.ExecuteRequest(code=code, suite=suite or double_suite()), timeout=timeout)

    async def run(self, code: str, stdin: str = "") -> wire.ExecutorServiceRunCodeResponse:
        return await self.stub.RunCode(wire.ExecutorServiceRunCodeRequest(code=code, stdin=stdin), timeout=60)


@pytest.fixture(scope="session")
async def executor(backend_name: str, data_dir: Path) -> AsyncIterator[Executor]:
    settings = ExecutorSettings(
        port=0, metrics_port=None, sandbox_backend=backend_name, data_dir=data_dir, slots=2, warm=1, drain_seconds=0
    )
    registry = CollectorRegistry()
    service = ExecutorService(settings, registry)
    async with (
        serving(service, settings, registry) as server,
        grpc.aio.insecure_channel(
            f"127.0.0.1:{server.port}", options=[("grpc.max_send_message_length", 16 << 20)]
        ) as channel,
    ):
        yield Executor(ExecutorServiceStub(channel), service, registry)


def double_suite(**limits: Any) -> wire.Suite:
    """A suite for `double(x)`: one visible case, two hidden ones."""
    suite = wire.Suite(
        cases=[
            wire.Case(name="two", call="double(2)", expected_literal="4"),
            wire.Case(name="text", call="double('ab')", expected_literal="'abab'", hidden=True),
            wire.Case(name="half", call="double(0.5)", expected_literal="1.0", hidden=True),
        ],
        reference_code=DOUBLE,
    )
    suite.limits.cpu_time.FromMilliseconds(int(limits.pop("cpu_seconds", 1.0) * 1000))
    suite.limits.wall_time.FromMilliseconds(int(limits.pop("wall_seconds", 3.0) * 1000))
    for name, value in limits.items():
        setattr(suite.limits, name, value)
    return suite


def outcome_name(value: int) -> str:
    return core.Outcome.Name(value).removeprefix("OUTCOME_")


def our_containers(engine: docker.APIClient) -> list[str]:
    found = engine.containers(all=True, filters={"label": "codearena.role=sandbox"})
    return [container["Names"][0] for container in found]
