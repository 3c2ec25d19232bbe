"""The boundary of every RPC: what a handler raises, and what the client and the log get."""

import asyncio
import traceback

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2
from structlog.testing import capture_logs

from codearena.v1 import env_service_pb2 as wire
from codearena.v1 import error_reason_pb2 as reasons
from services.common.errors import StatusError, from_rpc_error
from tests.common.stand import listing, served
from tests.waiting import eventually

SECRET = "password = 'tr0ub4dor'"  # pragma: allowlist secret
FULL = StatusError(
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    reasons.ERROR_REASON_QUEUE_FULL,
    "come back later: \N{SNOWMAN}",
    retry_after_seconds=1.5,
    metadata={"queue": "12"},
)


@pytest.fixture
async def env():
    async with served() as env:
        yield env


def failing(error):
    async def answer(request):
        raise error

    return answer


async def failure(env, request=None, **options):
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await env.stub.ListTasks(request or wire.ListTasksRequest(), timeout=10, **options)
    return caught.value


async def stream_failure(env):
    received = []

    async def receive():
        async for item in env.stub.GradeGroup(wire.GradeGroupRequest(codes=["x"]), timeout=10):
            received.append(item.index)

    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await receive()
    return received, caught.value


def status_of(error):
    return from_rpc_error(error, reasons.ERROR_REASON_UNSPECIFIED, "server")


async def test_a_status_error_is_sent_with_its_details(env):
    env.stand.answer = failing(FULL)
    error = await failure(env)
    assert (error.code(), error.details()) == (FULL.code, FULL.message)
    status = status_pb2.Status.FromString(dict(error.trailing_metadata())["grpc-status-details-bin"])
    assert (status.code, status.message) == (8, FULL.message)
    info, retry = error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo()
    assert status.details[0].Unpack(info)
    assert status.details[1].Unpack(retry)
    assert (info.reason, info.domain, dict(info.metadata)) == ("QUEUE_FULL", "codearena", {"queue": "12"})
    assert retry.retry_delay.ToMilliseconds() == 1500
    await eventually(lambda: env.handled("ListTasks", "RESOURCE_EXHAUSTED") == 1)


async def test_a_status_error_survives_a_second_hop(env):
    env.stand.answer = failing(FULL)
    passed_on = status_of(await failure(env))
    assert (passed_on.code, passed_on.reason, passed_on.message) == (FULL.code, FULL.reason, FULL.message)
    assert (passed_on.retry_after_seconds, passed_on.metadata) == (1.5, {"queue": "12"})


async def test_a_peer_that_cannot_be_reached():
    async with served() as env:
        address = env.address
    async with grpc.aio.insecure_channel(address) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await channel.unary_unary("/codearena.v1.EnvService/ListTasks")(b"", timeout=10)
    status = from_rpc_error(caught.value, reasons.ERROR_REASON_JUDGE_UNAVAILABLE, "judge")
    assert (status.code, status.reason) == (grpc.StatusCode.UNAVAILABLE, reasons.ERROR_REASON_JUDGE_UNAVAILABLE)


def unlucky(code):
    """Raises errors whose messages, and whose causes' messages, quote what they were given."""
    try:
        int(code)
    except ValueError as error:
        raise KeyError(code) from error


def unlucky_syntax(code):
    compile(code + " (", "<fix>", "exec")


def unlucky_group(code):
    raise ExceptionGroup(code, [ValueError(code), ExceptionGroup(code, [KeyError(code)])])


@pytest.mark.parametrize("mistake", [unlucky, unlucky_syntax, unlucky_group])
async def test_a_mistake_of_ours_is_internal_and_its_log_quotes_no_submission(env, mistake):
    async def answer(request):
        mistake(request.category)

    env.stand.answer = answer
    with capture_logs() as logs:
        error = await failure(env, wire.ListTasksRequest(category=SECRET))
    status = status_of(error)
    assert (status.code, status.reason) == (grpc.StatusCode.INTERNAL, reasons.ERROR_REASON_BUG)
    error_id = status.metadata["error_id"]
    assert error_id in error.details()
    assert mistake.__name__ not in error.details()
    (entry,) = (entry for entry in logs if entry["event"] == "rpc failed")
    assert (entry["error_id"], entry["method"], entry["log_level"]) == (error_id, "ListTasks", "error")
    assert mistake.__name__ in entry["trace"]
    assert "Error" in entry["trace"]
    assert "tr0ub4dor" not in repr(logs)
    assert "tr0ub4dor" not in error.details()
    await eventually(lambda: env.handled("ListTasks", "INTERNAL") == 1)


async def test_the_trace_names_causes_and_parts_of_groups(env):
    async def answer(request):
        try:
            raise TimeoutError
        except TimeoutError as error:
            raise ExceptionGroup("", [ValueError(), OSError()]) from error

    env.stand.answer = answer
    with capture_logs() as logs:
        await failure(env)
    (trace,) = (entry["trace"] for entry in logs if entry["event"] == "rpc failed")
    assert [line.strip(" |") for line in trace.splitlines() if not line.lstrip(" |").startswith(("File", "raise"))][
        -3:
    ] == ["ExceptionGroup", "ValueError", "OSError"]
    assert "TimeoutError" in trace


async def test_each_mistake_has_an_id_of_its_own(env):
    env.stand.answer = failing(RuntimeError())
    ids = {status_of(await failure(env)).metadata["error_id"] for _ in range(3)}
    assert len(ids) == 3


async def test_the_server_goes_on_after_a_mistake(env):
    env.stand.answer = failing(RuntimeError())
    await failure(env)
    env.stand.answer = listing
    assert (await env.stub.ListTasks(wire.ListTasksRequest())).total_count == 7
    await eventually(lambda: env.handled("ListTasks", "OK") == 1)


@pytest.mark.parametrize(
    ("error", "code", "reason"),
    [
        (FULL, grpc.StatusCode.RESOURCE_EXHAUSTED, reasons.ERROR_REASON_QUEUE_FULL),
        (RuntimeError(SECRET), grpc.StatusCode.INTERNAL, reasons.ERROR_REASON_BUG),
    ],
)
async def test_a_stream_that_fails_half_way(env, error, code, reason):
    async def items(request):
        yield wire.GradeGroupResponse(index=0)
        raise error

    env.stand.items = items
    received, failed = await stream_failure(env)
    status = status_of(failed)
    assert (received, status.code, status.reason) == ([0], code, reason)
    assert SECRET not in failed.details()
    await eventually(lambda: env.handled("GradeGroup", code.name) == 1)


async def test_a_call_that_is_cancelled_is_counted_as_such(env):
    ended = asyncio.Event()
    started = asyncio.Event()

    async def answer(request):
        started.set()
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()

    env.stand.answer = answer
    call = env.stub.ListTasks(wire.ListTasksRequest())
    await asyncio.wait_for(started.wait(), 10)
    call.cancel()
    await asyncio.wait_for(ended.wait(), 10)
    await asyncio.sleep(0)
    await eventually(lambda: env.handled("ListTasks", "CANCELLED") == 1)


async def test_a_deadline_that_passes_ends_the_handler(env):
    ended = asyncio.Event()

    async def answer(request):
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()

    env.stand.answer = answer
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await env.stub.ListTasks(wire.ListTasksRequest(), timeout=0.1)
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    await asyncio.wait_for(ended.wait(), 10)
    await asyncio.sleep(0)
    await eventually(lambda: env.handled("ListTasks", "DEADLINE_EXCEEDED") == 1)


class TestToken:
    @pytest.fixture
    async def env(self):
        async with served(token="opensesame") as env:
            yield env

    @pytest.mark.parametrize(
        "metadata",
        [
            (),
            (("authorization", ""),),
            (("authorization", "opensesame"),),
            (("authorization", "Bearer "),),
            (("authorization", "Bearer opensesame2"),),
            (("authorization", "Basic opensesame"),),
            (("authorization-bin", b"Bearer opensesame"),),
        ],
    )
    async def test_missing_or_wrong(self, env, metadata):
        error = await failure(env, metadata=metadata)
        status = status_of(error)
        assert (status.code, status.reason) == (grpc.StatusCode.UNAUTHENTICATED, reasons.ERROR_REASON_BAD_TOKEN)
        assert "opensesame" not in error.details()

    async def test_malformed_requests_are_not_even_read(self, env):
        call = env.channel.unary_unary("/codearena.v1.EnvService/ListTasks")
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call(b"\xff\xff")
        assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED

    async def test_a_stream_needs_it_too(self, env):
        env.stand.items = None
        _, error = await stream_failure(env)
        assert error.code() is grpc.StatusCode.UNAUTHENTICATED

    async def test_right(self, env):
        metadata = (("authorization", "Bearer opensesame"),)
        assert (await env.stub.ListTasks(wire.ListTasksRequest(), metadata=metadata)).total_count == 7


def test_nothing_of_a_trace_is_a_message():
    """The premise of the tests above: an ordinary trace would quote the submission."""
    with pytest.raises(KeyError) as caught:
        unlucky(SECRET)
    assert "tr0ub4dor" in "".join(traceback.format_exception(caught.value))
