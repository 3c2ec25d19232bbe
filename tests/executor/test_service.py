"""The executor put together: which sandbox it chooses and why, what it exports, how it fails to start."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from services.common.server import serving
from services.executor.backends import choose
from services.executor.sandbox import SandboxLost
from services.executor.service import ExecutorService
from services.executor.settings import ExecutorSettings
from tests.executor.conftest import DOUBLE, Executor, on_process, started

REPOSITORY = Path(__file__).parents[2]


async def test_without_an_engine_auto_takes_processes_and_says_why(data_dir: Path, tmp_path: Path) -> None:
    nowhere = f"unix://{tmp_path}/nothing.sock"
    settings = ExecutorSettings(sandbox_backend="auto", docker_host=nowhere, data_dir=data_dir)

    chosen = await choose(settings)
    await chosen.backend.stop()

    assert chosen.name == "process"
    assert chosen.reason.startswith("no Docker engine can be used: ")
    assert nowhere in chosen.reason
    assert "namespaces" in chosen.info.isolation
    assert chosen.info.isolated


@pytest.mark.docker
async def test_with_an_engine_auto_takes_containers(docker_engine: object, data_dir: Path) -> None:
    settings = ExecutorSettings(sandbox_backend="auto", data_dir=data_dir, sandbox_image_source="host")

    chosen = await choose(settings)
    await chosen.backend.stop()

    assert chosen.name == "docker"
    assert chosen.reason.startswith("an engine answers: docker ")


async def test_a_choice_that_cannot_be_had_is_not_replaced(data_dir: Path, tmp_path: Path) -> None:
    settings = ExecutorSettings(
        sandbox_backend="docker", docker_host=f"unix://{tmp_path}/nothing.sock", data_dir=data_dir
    )

    with pytest.raises(SandboxLost, match="start the engine"):
        await choose(settings)
    service = ExecutorService(settings, CollectorRegistry())
    with pytest.raises(SandboxLost):
        async with serving(service, settings, CollectorRegistry()):
            pytest.fail("it serves without a sandbox")


@pytest.mark.parametrize(
    ("variables", "status", "words"),
    [
        (
            {"CODEARENA_SANDBOX_BACKEND": "docker", "CODEARENA_DOCKER_HOST": "unix:///nowhere/docker.sock"},
            1,
            "cannot start: ",
        ),
        ({"CODEARENA_SANDBOX_BACKEND": "hope"}, 2, "CODEARENA_SANDBOX_BACKEND"),
        ({"CODEARENA_EXECUTOR_SLOTS": "0"}, 2, "CODEARENA_EXECUTOR_SLOTS"),
    ],
)
async def test_a_start_that_fails_is_explained_and_has_a_status(
    tmp_path: Path, variables: dict[str, str], status: int, words: str
) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "services.executor",
        cwd=REPOSITORY,
        env=os.environ | {"CODEARENA_DATA_DIR": str(tmp_path), "CODEARENA_EXECUTOR_PORT": "0"} | variables,
        stderr=subprocess.PIPE,
    )
    _, said = await asyncio.wait_for(process.communicate(), 60)

    assert process.returncode == status
    assert "Traceback" not in said.decode()
    if status == 1:
        (line,) = [line for line in said.decode().splitlines() if words in line]
        assert "start the engine" in line
    else:
        assert words in said.decode()


NAMES = {
    "grpc_server_handled": "counter",
    "grpc_server_handling_seconds": "histogram",
    "codearena_executor_queue_depth": "gauge",
    "codearena_executor_queue_wait_seconds": "histogram",
    "codearena_executor_slots": "gauge",
    "codearena_sandbox_pool_size": "gauge",
    "codearena_sandbox_start_duration_seconds": "histogram",
    "codearena_sandbox_exits": "counter",
    "codearena_sandbox_violations": "counter",
    "codearena_build_info": "gauge",
}


async def test_what_is_exported(data_dir: Path) -> None:
    async with started("process", data_dir) as executor:
        await executor.grade(DOUBLE)
        await executor.grade("import os\nos.fork()")
        await executor.run("import socket\nsocket.socket()")

        page = generate_latest(executor.registry).decode()

    families = {family.name: family for family in text_string_to_metric_families(page)}

    assert NAMES.items() <= {name: family.type for name, family in families.items()}.items()
    assert all(family.documentation for family in families.values())
    samples = [sample for family in families.values() for sample in family.samples]
    assert len(samples) < 3000
    value = {(sample.name, *sorted(sample.labels.values())): sample.value for sample in samples}
    assert value["codearena_sandbox_exits_total", "ok", "process"] == 2
    assert value["codearena_sandbox_exits_total", "nonzero", "process"] == 1
    assert value["codearena_sandbox_exits_total", "infra_error", "process"] == 0
    assert value["codearena_sandbox_violations_total", "network"] == 1
    assert value["codearena_sandbox_violations_total", "syscall"] == 1
    assert value["codearena_sandbox_violations_total", "tamper"] == 0
    assert value["codearena_executor_queue_depth",] == 0


async def test_metrics_are_served_over_http(data_dir: Path) -> None:
    settings = ExecutorSettings(
        port=0, metrics_port=0, sandbox_backend="process", data_dir=data_dir, warm=0, drain_seconds=0
    )
    registry = CollectorRegistry()
    async with serving(ExecutorService(settings, registry), settings, registry) as server:
        page = await asyncio.to_thread(urllib.request.urlopen, f"http://127.0.0.1:{server.metrics_port}/metrics")

        assert b"codearena_executor_slots" in page.read()


@on_process
async def test_it_says_what_it_runs_on(executor: Executor) -> None:
    assert executor.service.chosen.reason.startswith("CODEARENA_SANDBOX_BACKEND says so: ")
    assert await executor.service.check()
