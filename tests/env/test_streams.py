"""Many episodes over one stream of steps."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest

from codearena.v1 import env_service_pb2 as wire
from codearena.v1 import error_reason_pb2 as reasons
from services.env.streams import UNDER_WAY, answer_steps

WRONG = "def average_list(numbers):\n    return 1\n"


def request(episode_id: str, request_id: str, fix: str = WRONG) -> wire.StepStreamRequest:
    return wire.StepStreamRequest(step=wire.StepRequest(episode_id=episode_id, request_id=request_id, proposed_fix=fix))


async def test_steps_of_many_episodes(client: Any, stub: Any) -> None:
    episodes = [(await client.reset("easy-1")).episode_id for _ in range(8)]
    call = stub.StepStream(timeout=60)

    async def send() -> None:
        for number in range(2):
            for episode in episodes:
                await call.write(request(episode, f"r{number}", f"{WRONG}# {number}"))
        await call.write(request("ep_unknown", "r"))
        await call.write(request(episodes[0], "r0", "another fix"))
        await call.write(request(episodes[0], "", WRONG))
        await call.done_writing()

    sending = asyncio.create_task(send())
    answers = [answer async for answer in call]
    await sending

    graded = [answer for answer in answers if answer.WhichOneof("result") == "response"]
    assert sorted((answer.episode_id, answer.request_id) for answer in graded) == sorted(
        (episode, f"r{number}") for episode in episodes for number in range(2)
    )
    for answer in graded:
        assert answer.response.observation.step == int(answer.request_id[1:]) + 1, "in the order they came"
    failed = {(answer.episode_id, answer.request_id): answer.error for answer in answers if answer.HasField("error")}
    assert failed["ep_unknown", "r"].reason == reasons.ERROR_REASON_EPISODE_NOT_FOUND
    assert failed[episodes[0], ""].reason == reasons.ERROR_REASON_INVALID_FIELD
    reused = failed[episodes[0], "r0"]
    assert (reused.reason, reused.code) == (reasons.ERROR_REASON_REQUEST_ID_REUSED, 3)
    assert len(answers) == 19


async def test_what_does_not_parse_ends_the_stream(channel: grpc.aio.Channel) -> None:
    raw = channel.stream_stream("/codearena.v1.EnvService/StepStream")
    call = raw(timeout=10)
    await call.write(b"\xff\xff")
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call.read()
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


class Endless:
    """Requests without end; counts those that were read."""

    def __init__(self) -> None:
        self.read = 0

    async def __aiter__(self) -> AsyncIterator[wire.StepStreamRequest]:
        while True:
            self.read += 1
            yield request("ep", f"r{self.read}")


async def settle() -> None:
    for _ in range(500):
        await asyncio.sleep(0)


async def test_no_more_are_read_than_are_answered_and_taken() -> None:
    endless, gate = Endless(), asyncio.Event()

    async def handle(step: wire.StepRequest) -> wire.StepResponse:
        await gate.wait()
        return wire.StepResponse()

    answers = answer_steps(endless.__aiter__(), handle)
    first = asyncio.create_task(anext(answers))
    await settle()
    assert endless.read == UNDER_WAY
    gate.set()
    await first
    await settle()
    assert endless.read == UNDER_WAY, "the first answer is in the consumer's hands, not yet taken"
    for taken in range(1, 4):
        await anext(answers)
        await settle()
        assert endless.read == UNDER_WAY + taken
    await answers.aclose()


async def test_a_stream_that_is_left_ends_what_is_under_way() -> None:
    endless, ended = Endless(), []

    async def handle(step: wire.StepRequest) -> wire.StepResponse:
        try:
            await asyncio.sleep(60 if step.request_id != "r1" else 0)
        except asyncio.CancelledError:
            ended.append(step.request_id)
            raise
        return wire.StepResponse()

    answers = answer_steps(endless.__aiter__(), handle)
    assert (await anext(answers)).request_id == "r1"
    await answers.aclose()
    assert len(ended) == UNDER_WAY - 1
    read = endless.read
    await settle()
    assert endless.read == read


async def test_a_mistake_of_ours_ends_the_stream() -> None:
    async def handle(step: wire.StepRequest) -> wire.StepResponse:
        raise KeyError("a bug")

    answers = answer_steps(Endless().__aiter__(), handle)
    with pytest.raises(KeyError):
        await anext(answers)
