"""From gRPC status to typed exception."""

import pickle
import subprocess
import sys

import grpc
import pytest

import codearena
from codearena import ArenaClient, ArenaError, ErrorReason
from codearena._errors import REASON_ERRORS, STATUS_ERRORS
from codearena.v1 import env_service_pb2 as pb
from codearena.v1.error_reason_pb2 import ErrorReason as WireReason

FAILING = [code for code in grpc.StatusCode if code is not grpc.StatusCode.OK]
SENT_REASONS = [
    name.removeprefix("ERROR_REASON_")
    for name in WireReason.keys()  # noqa: SIM118 - no dict
    if name != "ERROR_REASON_UNSPECIFIED"
]


def test_every_status_is_mapped():
    assert set(STATUS_ERRORS) == set(FAILING)


def test_reasons_are_those_of_the_wire():
    assert [reason.value for reason in ErrorReason] == SENT_REASONS
    assert set(REASON_ERRORS) <= set(SENT_REASONS)


@pytest.mark.parametrize("code", FAILING)
def test_status_of_the_wire_becomes_its_error(fake, code):
    fake.fail("GetTask", code, message="what happened", times=5)
    with ArenaClient(fake.address, max_attempts=1) as arena, pytest.raises(ArenaError) as caught:
        arena.get_task("easy-1")
    assert type(caught.value) is STATUS_ERRORS[code]
    assert caught.value.code is code
    assert caught.value.message == "what happened"
    assert caught.value.reason == ""


@pytest.mark.parametrize("reason", [*SENT_REASONS, "A_REASON_OF_TOMORROW"])
def test_reason_and_metadata_arrive(fake, client, reason):
    fake.fail("GetTask", grpc.StatusCode.FAILED_PRECONDITION, reason=reason, metadata={"task_id": "ü"})
    with pytest.raises(codearena.FailedPreconditionError) as caught:
        client.get_task("easy-1")
    assert caught.value.reason == reason
    assert caught.value.metadata == {"task_id": "ü"}
    assert isinstance(caught.value, codearena.EpisodeDoneError) == (reason == ErrorReason.EPISODE_DONE)


def test_reason_of_another_domain_is_not_taken_for_ours(fake, client):
    fake.fail("GetTask", grpc.StatusCode.NOT_FOUND, reason="EPISODE_DONE", domain="mesh.example")
    with pytest.raises(codearena.NotFoundError) as caught:
        client.get_task("easy-1")
    assert caught.value.reason == ""


def test_full_queue_says_when_to_come_back(fake, client):
    fake.fail("Grade", grpc.StatusCode.RESOURCE_EXHAUSTED, reason="QUEUE_FULL", retry_after_nanos=2_500_000_000)
    with pytest.raises(codearena.QueueFullError) as caught:
        client.grade("easy-1", "x = 1")
    assert caught.value.retry_after_seconds == 2.5
    assert len(fake.received["Grade"]) == 1


def test_full_queue_without_advice_waits_a_second(fake, client):
    fake.fail("Grade", grpc.StatusCode.RESOURCE_EXHAUSTED)
    with pytest.raises(codearena.RetryableError) as caught:
        client.grade("easy-1", "x = 1")
    assert caught.value.retry_after_seconds == 1.0


def test_oversized_answer_is_no_full_queue(fake, client):
    # "CLIENT: Received message larger than max (17825814 vs. 16777216)", in gRPC's own words
    fake.responses["RunCode"] = lambda request: pb.RunCodeResponse(stdout="x" * 17 * 1024 * 1024)
    with pytest.raises(codearena.InvalidArgumentError) as caught:
        client.run_code("print()")
    assert caught.value.code is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_broken_details_leave_the_status(fake, client):
    fake.fail("GetTask", grpc.StatusCode.NOT_FOUND)
    fake.failures["GetTask"][0].trailer = lambda: b"\xff\xff\xff"
    with pytest.raises(codearena.NotFoundError, match="scripted"):
        client.get_task("easy-1")


@pytest.mark.parametrize(
    "error",
    [
        codearena.QueueFullError("full", reason="QUEUE_FULL", metadata={"a": "b"}, retry_after_seconds=3.0),
        codearena.NotFoundError("none", code=grpc.StatusCode.NOT_FOUND),
    ],
)
def test_errors_survive_pickling(error):
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error)
    assert vars(copy) == vars(error)
    assert str(copy) == str(error)


@pytest.mark.parametrize("order", ["import google.rpc.error_details_pb2, codearena", "import codearena"])
def test_details_parse_beside_the_official_messages(order):
    program = f"""
{order}
import google.rpc.error_details_pb2 as official, google.rpc.status_pb2 as status_pb2
from codearena._status import parse_details
status = status_pb2.Status(code=9)
status.details.add().Pack(official.ErrorInfo(reason="EPISODE_DONE", domain="codearena", metadata={{"k": "v"}}))
first = parse_details(status.SerializeToString())
assert (first.reason, first.metadata) == ("EPISODE_DONE", {{"k": "v"}}), first
from grpc_health.v1 import health_pb2
from codearena import _wire
assert _wire.new("HealthCheckRequest", service="x").SerializeToString() == (
    health_pb2.HealthCheckRequest(service="x").SerializeToString())
"""
    subprocess.run([sys.executable, "-c", program], check=True)
