"""The health check of the containers, against a real gRPC server."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import aio

from services.common.probe import serves

STATUS = health_pb2.HealthCheckResponse


@pytest.fixture
async def server():
    """A server's health and its port."""
    health, running = aio.HealthServicer(), grpc.aio.server()
    health_pb2_grpc.add_HealthServicer_to_server(health, running)
    port = running.add_insecure_port("127.0.0.1:0")
    await running.start()
    yield health, port
    await running.stop(None)


@pytest.mark.parametrize(
    ("status", "expected"), [(STATUS.SERVING, True), (STATUS.NOT_SERVING, False), (STATUS.UNKNOWN, False)]
)
async def test_it_reads_what_the_server_reports(server, status, expected):
    health, port = server
    await health.set("", status)
    assert await asyncio.to_thread(serves, port) is expected


async def test_a_server_without_a_health_service_does_not_serve():
    running = grpc.aio.server()
    port = running.add_insecure_port("127.0.0.1:0")
    await running.start()
    assert await asyncio.to_thread(serves, port) is False
    await running.stop(None)


async def test_its_exit_status_is_the_answer(server):
    health, port = server
    assert (await ran(port)).returncode == 0
    await health.set("", STATUS.NOT_SERVING)
    told = await ran(port)
    assert (told.returncode, told.stderr) == (1, b"not serving\n")


async def test_nobody_there_is_no_trace(unused_tcp_port):
    told = await ran(unused_tcp_port)
    assert told.returncode == 1
    assert told.stderr.startswith(b"no answer: ")
    assert told.stderr.count(b"\n") == 1


async def ran(port: int) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "services.common.probe", str(port)]
    return await asyncio.to_thread(subprocess.run, command, capture_output=True, timeout=60, check=False)
