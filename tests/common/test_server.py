"""The server around a service: health, reflection, metrics, drain, and what becomes of a failed start."""

import asyncio
import urllib.request

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from codearena.v1 import env_service_pb2 as wire
from services.common.errors import StartError
from services.common.server import LIVENESS
from tests.common.stand import FULL_NAME, Stand, served
from tests.waiting import eventually

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


async def health(env, name):
    request = health_pb2.HealthCheckRequest(service=name)
    return (await health_pb2_grpc.HealthStub(env.channel).Check(request, timeout=10)).status


async def until_health(env, name, status):
    async def reached():
        return await health(env, name) == status

    await eventually(reached)


async def test_a_ready_service_is_healthy_under_every_name():
    async with served() as env:
        assert [await health(env, name) for name in ("", FULL_NAME, LIVENESS)] == [SERVING] * 3
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await health(env, "nobody")
        assert caught.value.code() is grpc.StatusCode.NOT_FOUND


async def test_health_needs_no_token():
    async with served(token="t") as env:
        assert await health(env, "") == SERVING


def not_ready():
    return False


def broken():
    raise RuntimeError("the check itself fails")


@pytest.mark.parametrize("check", [not_ready, broken])
async def test_readiness_follows_the_check_and_liveness_does_not(monkeypatch, check):
    monkeypatch.setattr("services.common.server._CHECK_SECONDS", 0.02)
    async with served() as env:
        env.stand.ready = check
        for name in ("", FULL_NAME):
            await until_health(env, name, NOT_SERVING)
        assert await health(env, LIVENESS) == SERVING
        env.stand.ready = lambda: True
        await until_health(env, "", SERVING)


async def test_a_service_that_is_not_ready_at_its_start_serves_nevertheless():
    stand = Stand()
    stand.ready = not_ready
    async with served(stand) as env:
        assert [await health(env, name) for name in ("", FULL_NAME, LIVENESS)] == [NOT_SERVING, NOT_SERVING, SERVING]
        assert (await env.stub.ListTasks(wire.ListTasksRequest())).total_count == 7


def reflected(address):
    with grpc.insecure_channel(address) as channel:
        database = ProtoReflectionDescriptorDatabase(channel)
        services = sorted(database.get_services())
        method = database.FindFileContainingSymbol(FULL_NAME).service[0].method[0].name
    return services, method


async def test_reflection_lists_the_services_and_their_files():
    async with served() as env:
        services, method = await asyncio.to_thread(reflected, env.address)
    assert services == [FULL_NAME, "grpc.health.v1.Health", "grpc.reflection.v1alpha.ServerReflection"]
    assert method == "Reset"


async def test_reflection_can_be_switched_off():
    async with served(reflection=False) as env:
        with pytest.raises(grpc.RpcError) as caught:
            await asyncio.to_thread(reflected, env.address)
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_metrics_are_served():
    async with served(metrics_port=0) as env:
        await env.stub.ListTasks(wire.ListTasksRequest())
        url = f"http://127.0.0.1:{env.server.metrics_port}/metrics"
        page = await asyncio.to_thread(lambda: urllib.request.urlopen(url, timeout=10).read().decode())
    assert 'codearena_build_info{service="env"' in page
    line = f'grpc_server_handled_total{{grpc_code="OK",grpc_method="ListTasks",grpc_service="{FULL_NAME}"}} 1.0'
    assert line in page
    assert f'grpc_method="CloseEpisode",grpc_service="{FULL_NAME}"}} 0.0' in page


async def test_drain_reports_then_lets_running_calls_end_and_refuses_new_ones():
    entered, release = asyncio.Event(), asyncio.Event()

    async def slow(request):
        entered.set()
        await release.wait()
        return wire.ListTasksResponse(total_count=1)

    stand = Stand()
    async with served(stand, drain_seconds=0.2, grace_seconds=20) as env:
        stand.answer = slow
        watch = health_pb2_grpc.HealthStub(env.channel).Watch(health_pb2.HealthCheckRequest())
        assert (await watch.read()).status == SERVING
        running = asyncio.create_task(_call(env))
        await asyncio.wait_for(entered.wait(), 10)
        stopping = asyncio.create_task(env.server.stop())
        assert (await watch.read()).status == NOT_SERVING
        assert not running.done()
        await eventually(lambda: _is_refused(env.address))
        assert not running.done()
        assert "stop" not in stand.events
        release.set()
        assert (await running).total_count == 1
        watch.cancel()
        await stopping
        assert stand.events[:2] == ["start", "stop"]


async def _call(env):
    return await env.stub.ListTasks(wire.ListTasksRequest(), timeout=30)


async def _is_refused(address):
    try:
        _, writer = await asyncio.open_connection(*address.split(":"))
    except OSError:
        return True
    writer.close()
    return False


async def test_a_call_that_outlasts_the_grace_is_ended():
    async def forever(request):
        await asyncio.sleep(600)

    async with served(grace_seconds=0.1) as env:
        env.stand.answer = forever
        call = asyncio.create_task(_call(env))
        await asyncio.sleep(0.1)
        await env.server.stop()
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call
        assert caught.value.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)


async def test_a_service_that_cannot_start_is_stopped():
    class Unwilling(Stand):
        async def start(self):
            await super().start()
            raise StartError("no engine")

    stand = Unwilling()
    with pytest.raises(StartError, match="no engine"):
        async with served(stand):
            pass
    assert stand.events == ["start", "stop"]


async def test_a_port_that_is_taken():
    async with served() as env:
        second = Stand()
        with pytest.raises(OSError, match="another service"):
            async with served(second, port=env.server.port):
                pass
        assert second.events == ["start", "stop"]
        assert (await env.stub.ListTasks(wire.ListTasksRequest())).total_count == 7


async def test_a_metrics_port_that_is_taken():
    async with served(metrics_port=0) as env:
        second = Stand()
        with pytest.raises(OSError):
            async with served(second, metrics_port=env.server.metrics_port):
                pass
        assert second.events == ["start", "stop"]
