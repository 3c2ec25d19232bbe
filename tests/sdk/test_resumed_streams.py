"""Streams of steps that break off: opened again, until there is no use in it."""

import asyncio

import grpc
import pytest

import codearena
from codearena import ArenaClient, AsyncArenaClient, ErrorReason, StepCall, StepResult
from codearena.v1 import core_pb2
from codearena.v1 import env_service_pb2 as pb
from tests.sdk.test_streams import FOUR, answered


@pytest.fixture(params=["sync", "async"])
def play(request, fake):
    """Plays steps over a stream; returns the answers."""

    def synchronous(steps, max_attempts):
        with ArenaClient(fake.address, max_attempts=max_attempts) as arena:
            return list(arena.step_stream(steps))

    async def asynchronous(steps, max_attempts):
        async with AsyncArenaClient(fake.address, max_attempts=max_attempts) as arena:
            return [answer async for answer in arena.step_stream(steps)]

    if request.param == "sync":
        return synchronous
    return lambda steps, max_attempts: asyncio.run(asynchronous(steps, max_attempts))


def test_a_stream_that_cannot_be_had_is_opened_again(fake, play):
    fake.fail("StepStream", grpc.StatusCode.UNAVAILABLE, times=2, reason="SHUTTING_DOWN")
    answers = play(FOUR, 3)
    assert [step for step, _ in answers] == FOUR
    assert {type(result) for _, result in answers} == {StepResult}
    assert len(fake.received["StepStream"]) == 3


@pytest.mark.parametrize("max_attempts", [1, 3])
def test_patience_ends(fake, play, max_attempts):
    fake.fail("StepStream", grpc.StatusCode.UNAVAILABLE, times=10, reason="SHUTTING_DOWN")
    with pytest.raises(codearena.UnavailableError) as caught:
        play(FOUR, max_attempts)
    assert len(fake.received["StepStream"]) == max_attempts
    assert caught.value.reason in (ErrorReason.SHUTTING_DOWN, "")  # grpc.aio may lose a status


def test_other_errors_are_raised_at_once(fake, play):
    fake.responses["StepStream"] = lambda requests: [list(requests), 1 / 0]
    with pytest.raises(codearena.InternalError):
        play(FOUR, 5)
    assert len(fake.received["StepStream"]) == 1


def test_an_item_that_is_unavailable_is_an_answer(fake, play):
    error = core_pb2.ItemError(code=14, message="no sandbox", reason="ERROR_REASON_SANDBOX_UNAVAILABLE")
    fake.responses["StepStream"] = lambda requests: (
        pb.StepStreamResponse(episode_id=r.step.episode_id, request_id=r.step.request_id, error=error) for r in requests
    )
    assert {type(result) for _, result in play(FOUR, 5)} == {codearena.UnavailableError}
    assert len(fake.received["StepStream"]) == 1


def test_steps_are_pulled_once_however_often_the_stream_breaks_off(fake, play):
    fake.fail("StepStream", grpc.StatusCode.UNAVAILABLE, times=4)
    pulled = []

    def steps():
        for number in range(9):
            pulled.append(number)
            yield StepCall("ep_1", "x", str(number))
        raise KeyError("mine")

    sent = []

    def record(requests):
        for request in requests:
            sent.append(request.step.request_id)
            yield answered(request.step)

    fake.responses["StepStream"] = record
    with pytest.raises(KeyError):
        play(steps(), 5)
    assert pulled == list(range(9))
    assert sent == [str(number) for number in range(9)]
