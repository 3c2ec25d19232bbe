"""Traces: what they hold, whom they reach, and what they cost where nobody collects them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import uuid

import grpc
import httpx2
import pytest
import structlog
from opentelemetry import baggage, context, propagate, trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from codearena import AsyncArenaClient, StepCall
from codearena.v1 import env_service_pb2 as wire
from codearena.v1 import error_reason_pb2 as reasons
from codearena.v1.judge_service_pb2 import JudgeRequest
from codearena.v1.judge_service_pb2_grpc import JudgeServiceStub
from services.common import logs, tracing
from services.common.errors import unavailable
from services.common.main import read_settings
from services.common.metrics import page
from services.common.tracing import TracingSettings
from services.gateway.service import gateway
from services.gateway.settings import GatewaySettings
from services.standalone.arena import arena
from tests.common.collector import grpc_collector, http_collector
from tests.common.stand import FULL_NAME, Stand, served
from tests.conftest import PLAIN_SETTINGS
from tests.e2e.processes import ROOT, free_ports, plain_environment
from tests.waiting import eventually, until

RIGHT = "def average_list(numbers):\n    return sum(numbers) / len(numbers) if numbers else 0.0\n"
TRACE = "0af7651916cd43dd8448eb211c80319c"  # pragma: allowlist secret
CALLER = "b7ad6b7169203331"  # pragma: allowlist secret
SENT = (("traceparent", f"00-{TRACE}-{CALLER}-01"),)
STEP = f"{FULL_NAME}/Step"
SOON = {"OTEL_BSP_SCHEDULE_DELAY": "50"}


@pytest.fixture(scope="module")
def collected():
    with grpc_collector() as (collector, endpoint):
        yield collector, endpoint


def _set(patch, variables):
    for name in [name for name in os.environ if name.startswith("OTEL_")]:
        patch.delenv(name)
    for name, value in variables.items():
        patch.setenv(name, value)


@pytest.fixture
def export(monkeypatch):
    """Exports what this process traces while the block runs, as the variables say."""

    def begin(**variables):
        _set(monkeypatch, SOON | variables)
        return tracing.exporting("test", TracingSettings())

    return begin


# A step


@pytest.fixture(scope="module")
async def traced(collected, arena_data):
    """An arena that exports to the collector."""
    _, endpoint = collected
    variables = SOON | {"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint}
    with pytest.MonkeyPatch.context() as patch:
        _set(patch, variables)
        with tracing.exporting("arena", TracingSettings()):
            async with arena(
                port=0, private=True, data_dir=arena_data, sandbox_backend="process", slots=2, **PLAIN_SETTINGS
            ) as running:
                yield running


async def test_a_step_is_one_connected_trace_from_the_caller_to_the_sandbox(traced, collected):
    collector, _ = collected
    tracer = TracerProvider().get_tracer("trainer")
    async with AsyncArenaClient(traced.address) as client:
        episode = await client.reset("easy-1")
        with tracer.start_as_current_span("rollout") as rollout:
            result = await episode.step(RIGHT)
        assert result.outcome == "PASSED"
    ours = rollout.get_span_context()
    parents = {
        STEP: trace.format_span_id(ours.span_id),
        "step": STEP,
        "store": "step",
        "codearena.v1.JudgeService/Judge": "step",
        "codearena.v1.ExecutorService/Execute": "step",
        "grade": "codearena.v1.ExecutorService/Execute",
        "queue": "grade",
        "provision": "grade",
        "execute": "grade",
    }
    spans = {}

    def complete():
        spans.update({span.name: span for span in collector.of(trace.format_trace_id(ours.trace_id))})
        return spans.keys() >= parents.keys()

    await eventually(complete)
    assert {name: span.parent for name, span in spans.items() if name in parents} == {
        name: spans[above].id if above in spans else above for name, above in parents.items()
    }
    assert {span.service for span in spans.values()} == {"codearena-arena"}
    assert not any(span.failed for span in spans.values())
    assert spans["step"].attributes["codearena.episode_id"] == episode.episode_id
    assert spans[STEP].attributes == {
        "rpc.system": "grpc",
        "rpc.service": FULL_NAME,
        "rpc.method": "Step",
        "rpc.grpc.status_code": 0,
    }
    assert not any("average_list" in span.raw for span in spans.values())


async def test_steps_of_a_stream_are_told_apart(traced, collected):
    collector, _ = collected
    async with AsyncArenaClient(traced.address) as client:
        episodes = [await client.reset("easy-1") for _ in range(2)]
        requests = [StepCall(episode.episode_id, RIGHT) for episode in episodes]
        assert len([item async for item in client.step_stream(requests)]) == 2

    def each_has_a_span():
        found = {span.attributes.get("codearena.episode_id") for span in collector.named("step")}
        return {episode.episode_id for episode in episodes} <= found

    await eventually(each_has_a_span)


async def test_histograms_of_latency_link_to_traces(traced):
    latencies = {
        "env": ("grpc_server_handling_seconds", "codearena_step_duration_seconds"),
        "executor": (
            "grpc_server_handling_seconds",
            "codearena_executor_queue_wait_seconds",
            "codearena_sandbox_start_duration_seconds",
        ),
        "judge": ("grpc_server_handling_seconds", "codearena_judge_duration_seconds"),
    }
    for service, names in latencies.items():
        body, _ = page(traced.registries[service], "application/openmetrics-text")
        linked = {line.split("_bucket")[0] for line in body.decode().splitlines() if ' # {trace_id="' in line}
        assert linked == set(names)


async def test_a_trace_goes_through_the_gateway(traced, collected):
    collector, _ = collected
    settings = GatewaySettings(port=0, env_address=traced.address, token=None)
    async with gateway(settings, {}) as door, httpx2.AsyncClient(base_url=door.url, trust_env=False) as http:
        opened = await http.post("/reset", json={"task_id": "easy-1"}, headers=dict(SENT), timeout=60)
        assert opened.status_code == 200
        openmetrics = await http.get("/metrics", headers={"Accept": "application/openmetrics-text"})
        plain = await http.get("/metrics")
    await eventually(lambda: {"POST /reset", f"{FULL_NAME}/Reset"} <= {span.name for span in collector.of(TRACE)})
    spans = {span.name: span for span in collector.of(TRACE)}
    assert spans["POST /reset"].parent == CALLER
    assert spans["POST /reset"].attributes["http.response.status_code"] == 200
    assert spans[f"{FULL_NAME}/Reset"].parent == spans["POST /reset"].id
    assert collector.named("GET /metrics") == []
    assert openmetrics.headers["content-type"].startswith("application/openmetrics-text")
    assert f'trace_id="{TRACE}"' in openmetrics.text
    families = {family.name: family for family in text_string_to_metric_families(openmetrics.text)}
    assert "codearena_gateway_request_seconds" in families
    assert plain.headers["content-type"].startswith("text/plain")
    assert "trace_id" not in plain.text


# Calls that fail


async def test_a_failed_call_says_its_status_and_nothing_of_the_submission(collected, export):
    collector, endpoint = collected
    secret = f"tr0ub4dor{uuid.uuid4().hex}"
    stand = Stand()

    async def fails(_):
        raise {"bug": ValueError(secret), "down": unavailable(reasons.ERROR_REASON_STORE_UNAVAILABLE, secret)}[how]

    stand.answer = fails
    with export(OTEL_EXPORTER_OTLP_ENDPOINT=endpoint):
        async with served(stand) as running_stand:
            for how in ("bug", "down"):
                with pytest.raises(grpc.aio.AioRpcError):
                    await running_stand.stub.ListTasks(wire.ListTasksRequest(), metadata=_new_trace(how))
    for how, code in (("bug", 13), ("down", 14)):
        (span,) = collector.of(_TRACES[how])
        assert span.failed
        assert span.attributes["rpc.grpc.status_code"] == code
        assert secret not in span.raw


_TRACES = {}


def _new_trace(name):
    _TRACES[name] = uuid.uuid4().hex
    return (("traceparent", f"00-{_TRACES[name]}-{CALLER}-01"),)


async def test_a_call_that_its_client_gives_up_is_recorded_as_cancelled(collected, export):
    collector, endpoint = collected
    stand, begun = Stand(), asyncio.Event()

    async def hangs(_):
        begun.set()
        await asyncio.Event().wait()

    async def endless(_):
        yield wire.GradeGroupResponse(index=0)
        await asyncio.Event().wait()

    stand.answer, stand.items = hangs, endless
    with export(OTEL_EXPORTER_OTLP_ENDPOINT=endpoint):
        async with served(stand, grace_seconds=0) as running_stand:
            call = running_stand.stub.ListTasks(wire.ListTasksRequest(), metadata=_new_trace("unary"))
            await begun.wait()
            call.cancel()
            stream = running_stand.stub.GradeGroup(wire.GradeGroupRequest(), metadata=_new_trace("stream"))
            await stream.read()
            stream.cancel()
            await eventually(lambda: running_stand.handled("ListTasks", "CANCELLED") == 1)
            await eventually(lambda: running_stand.handled("GradeGroup", "CANCELLED") == 1)
    for name in ("unary", "stream"):
        (span,) = collector.of(_TRACES[name])
        assert (span.attributes["rpc.grpc.status_code"], span.failed) == (1, False)


async def test_a_call_whose_deadline_passes_is_recorded_as_such(collected, export):
    collector, endpoint = collected
    stand = Stand()

    async def hangs(_):
        await asyncio.Event().wait()

    async def endless(_):
        yield wire.GradeGroupResponse(index=0)
        await asyncio.Event().wait()

    stand.answer, stand.items = hangs, endless
    with export(OTEL_EXPORTER_OTLP_ENDPOINT=endpoint):
        async with served(stand, grace_seconds=0) as running_stand:
            stub = running_stand.stub
            call = stub.ListTasks(wire.ListTasksRequest(), metadata=_new_trace("late"), timeout=0.2)
            stream = stub.GradeGroup(wire.GradeGroupRequest(), metadata=_new_trace("late stream"), timeout=0.2)
            assert await call.code() is await stream.code() is grpc.StatusCode.DEADLINE_EXCEEDED
            await eventually(lambda: running_stand.handled("ListTasks", "DEADLINE_EXCEEDED") == 1)
            await eventually(lambda: running_stand.handled("GradeGroup", "DEADLINE_EXCEEDED") == 1)
    for name in ("late", "late stream"):
        (span,) = collector.of(_TRACES[name])
        assert (span.attributes["rpc.grpc.status_code"], span.failed) == (4, True)


async def test_a_malformed_header_begins_a_new_trace(collected, export):
    _, endpoint = collected
    with export(OTEL_EXPORTER_OTLP_ENDPOINT=endpoint):
        async with served() as running_stand:
            for value in ("", "00-zz-1-01", "x" * 5000, f"00-{'0' * 32}-{CALLER}-01"):
                answer = await running_stand.stub.ListTasks(
                    wire.ListTasksRequest(), metadata=(("traceparent", value), ("tracestate", "=,=" * 100))
                )
                assert answer.total_count == 7


# What a caller propagates


class Named(Stand):
    """Keeps the metadata of the last call."""

    async def ListTasks(self, request, context):  # noqa: N802
        self.metadata = dict(context.invocation_metadata())
        return await super().ListTasks(request, context)


async def test_the_arena_is_told_of_the_trace_and_of_nothing_else():
    tracer = TracerProvider().get_tracer("trainer")
    stand = Named()
    async with served(stand) as running_stand, AsyncArenaClient(running_stand.address) as client:
        kept = context.attach(baggage.set_baggage("customer", "tr0ub4dor"))
        try:
            with tracer.start_as_current_span("rollout") as rollout:
                assert [task async for task in client.list_tasks()] == []
        finally:
            context.detach(kept)
    assert trace.format_trace_id(rollout.get_span_context().trace_id) in stand.metadata["traceparent"]
    assert "tr0ub4dor" not in repr(stand.metadata)


class Capital(TraceContextTextMapPropagator):
    """Calls its header as some propagators do, which gRPC does not allow."""

    _TRACEPARENT_HEADER_NAME = "X-Trace-Parent"


async def test_any_propagator_crosses_an_rpc(collected, export):
    collector, endpoint = collected
    before = propagate.get_global_textmap()
    propagate.set_global_textmap(Capital())
    try:
        with export(OTEL_EXPORTER_OTLP_ENDPOINT=endpoint):
            async with served() as running_stand:
                with tracing.span("step"):
                    told, of = tracing.headers(), tracing.trace_id()
                    await running_stand.stub.ListTasks(wire.ListTasksRequest(), metadata=told)
    finally:
        propagate.set_global_textmap(before)
    spans = {span.name: span for span in collector.of(of)}
    assert spans[f"{FULL_NAME}/ListTasks"].parent == spans["step"].id


# Switches


async def test_http_is_spoken_where_it_is_asked_for(export):
    with http_collector() as (collector, endpoint):
        with export(OTEL_EXPORTER_OTLP_ENDPOINT=endpoint, OTEL_EXPORTER_OTLP_PROTOCOL="http/protobuf"):
            async with served() as running_stand:
                await running_stand.stub.ListTasks(wire.ListTasksRequest(), metadata=SENT)
        (span,) = collector.of(TRACE)
        assert (span.name, span.parent, span.service) == (f"{FULL_NAME}/ListTasks", CALLER, "codearena-test")


def test_nothing_is_imported_where_traces_are_off():
    program = """
import os, sys
import services.common.main, services.common.server
from services.common import tracing, tracing_interceptor

for variables in (
    {},
    {"OTEL_SERVICE_NAME": "arena"},
    {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_SDK_DISABLED": "true"},
    {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_TRACES_EXPORTER": "none"},
):
    os.environ.update(variables)
    with tracing.exporting("env", tracing.TracingSettings()), tracing.span("step", number=1):
        assert not tracing_interceptor.interceptors() and not tracing.headers() and not tracing.exemplar()
print([name for name in sys.modules if name.startswith("opentelemetry")])
"""
    kept = {name: value for name, value in plain_environment().items() if not name.startswith("OTEL_")}
    ran = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env=kept, capture_output=True, text=True, check=True
    )
    assert ran.stdout.strip() == "[]"


def test_a_sampler_of_the_environment_is_heeded(export):
    with (
        export(OTEL_TRACES_EXPORTER="console", OTEL_TRACES_SAMPLER="always_off"),
        tracing.span("step"),
    ):
        assert tracing.exemplar() is None
        flags = dict(tracing.headers())["traceparent"].rpartition("-")[2]
        assert not int(flags, 16) & 1  # not sampled


def test_a_wrong_variable_is_named(monkeypatch, capsys):
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "jaeger")
    with pytest.raises(SystemExit) as ended:
        read_settings(TracingSettings)
    assert ended.value.code == 2
    assert "OTEL_TRACES_EXPORTER" in capsys.readouterr().err


def test_log_lines_carry_the_trace(export, capsys):
    logs.configure("info", "json")
    try:
        with export(OTEL_TRACES_EXPORTER="console"):
            structlog.get_logger().info("before")
            with tracing.span("step"):
                (traceparent,) = dict(tracing.headers()).values()
                structlog.get_logger().info("within")
        lines = {line["event"]: line for line in map(json.loads, capsys.readouterr().err.splitlines())}
    finally:
        structlog.reset_defaults()
    assert "trace_id" not in lines["before"]
    assert lines["within"]["trace_id"] == traceparent.split("-")[1]


# Nobody collects


@pytest.fixture
def silent_port():
    """A port where connections are taken and nothing is answered."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listening:
        yield listening.getsockname()[1]


async def test_a_collector_that_never_answers_delays_and_fails_nothing(silent_port, export, capfd):
    small = {
        "OTEL_BSP_MAX_QUEUE_SIZE": "16",
        "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "8",
        "OTEL_EXPORTER_OTLP_TIMEOUT": "600",
    }
    logs.configure("info", "json")
    try:
        with export(OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{silent_port}", **small):
            async with served() as running_stand:
                for _ in range(100):  # many more than the buffer holds
                    assert (await running_stand.stub.ListTasks(wire.ListTasksRequest())).total_count == 7
                assert running_stand.handled("ListTasks", "OK") == 100
                body, _ = page(running_stand.registry, "application/openmetrics-text")
                assert b'trace_id="' in body
        complaints = [line for line in capfd.readouterr().err.splitlines() if "opentelemetry complains" in line]
    finally:
        structlog.reset_defaults()
    assert len(complaints) == 1
    assert json.loads(complaints[0])["why"].startswith("Queue full")


def test_a_service_goes_on_without_its_collector_and_ends_in_time(tmp_path):
    variables = {"CODEARENA_DATA_DIR": str(tmp_path), "OTEL_SERVICE_NAME": "second-opinion", **SOON}
    port = free_ports(1)[0]
    variables |= {"CODEARENA_JUDGE_PORT": str(port), "CODEARENA_JUDGE_WORKERS": "1"}
    request = JudgeRequest(code="def f(x):\n    return x\n")
    with (
        grpc_collector() as (collector, endpoint),
        grpc.insecure_channel(f"127.0.0.1:{port}") as channel,
        _process("judge", OTEL_EXPORTER_OTLP_ENDPOINT=endpoint, **variables) as process,
    ):
        judge = JudgeServiceStub(channel)
        judge.Judge(request, metadata=SENT, timeout=100, wait_for_ready=True)
        until(lambda: bool(collector.of(TRACE)))
        assert {(span.service, span.parent) for span in collector.of(TRACE)} == {("second-opinion", CALLER)}
        collector.stop()
        assert judge.Judge(request, metadata=SENT, timeout=60).opinion.quality > 0
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0


@contextlib.contextmanager
def _process(service, **variables):
    command = [sys.executable, "-m", f"services.{service}"]
    with subprocess.Popen(command, cwd=ROOT, env=plain_environment(**variables), stdin=subprocess.DEVNULL) as process:
        try:
            yield process
        finally:
            process.kill()
