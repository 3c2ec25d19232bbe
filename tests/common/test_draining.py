"""Streams of steps and a server that is told to end: what it read it answers, and clients go on with another one."""

import asyncio

import grpc
import pytest

from codearena import ArenaClient, AsyncArenaClient, StepCall, StepResult
from codearena._status import error_from_call
from codearena.v1 import env_service_pb2 as wire
from tests.common.stand import Stand, served
from tests.waiting import eventually

COUNT = 60


class Stepping(Stand):
    """A stand that answers steps once it may.

    Attributes:
        taken: Ids of the requests that it read.
        may_answer: Whether it answers.
        over: Set when there are no more requests.
    """

    def __init__(self) -> None:
        super().__init__()
        self.taken: list[str] = []
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.over = asyncio.Event()

    async def StepStream(self, requests, context):  # noqa: N802
        waiting = []
        async for request in requests:
            self.taken.append(request.step.request_id)
            waiting.append(request.step)
            if self.may_answer.is_set():
                yield answer_to(waiting.pop())
        self.over.set()
        await self.may_answer.wait()
        for step in waiting:
            yield answer_to(step)


def answer_to(step):
    response = wire.StepResponse(
        observation=wire.Observation(step=1, max_steps=5), grade=wire.Grade(reward=0.5), absolute_reward=0.5
    )
    return wire.StepStreamResponse(episode_id=step.episode_id, request_id=step.request_id, response=response)


def request(name):
    return wire.StepStreamRequest(step=wire.StepRequest(episode_id="ep_1", request_id=name, proposed_fix="x"))


async def test_what_was_read_is_answered_and_the_stream_ends_long_before_the_grace():
    stand = Stepping()
    stand.may_answer.clear()
    async with served(stand, grace_seconds=600) as env:
        stream = env.stub.StepStream()
        await stream.write(request("first"))
        await eventually(lambda: stand.taken == ["first"])
        stopping = asyncio.create_task(env.server.stop())
        await asyncio.wait_for(stand.over.wait(), 30)
        assert not stopping.done()
        stand.may_answer.set()
        assert (await stream.read()).request_id == "first"
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stream.read()
        error = error_from_call(caught.value)
        assert (error.code, error.reason) == (grpc.StatusCode.UNAVAILABLE, "SHUTTING_DOWN")
        await asyncio.wait_for(stopping, 30)
        assert env.handled("StepStream", "UNAVAILABLE") == 1


async def test_a_stream_that_its_client_ended_is_not_cut():
    stand = Stepping()
    async with served(stand) as env:
        stream = env.stub.StepStream()
        await stream.write(request("only"))
        await stream.done_writing()
        assert (await stream.read()).request_id == "only"
        assert await stream.read() is grpc.aio.EOF
        await env.server.stop()
        assert env.handled("StepStream", "OK") == 1


async def _play_async(address, steps):
    async with AsyncArenaClient(address) as arena:
        return [answer async for answer in arena.step_stream(steps, window=4)]


def _play(address, steps):
    with ArenaClient(address) as arena:
        return list(arena.step_stream(steps, window=4))


@pytest.mark.parametrize("kind", ["sync", "async"])
async def test_a_client_goes_on_with_another_replica(kind):
    stands = [Stepping(), Stepping()]
    async with served(stands[0]) as one, served(stands[1]) as two:
        address = f"ipv4:{one.address},{two.address}"
        loop, stopping = asyncio.get_running_loop(), []

        def stop_its_server():
            first = one if stands[0].taken else two
            stopping.append(asyncio.run_coroutine_threadsafe(first.server.stop(), loop))

        def steps():
            for number in range(COUNT):
                if number == COUNT // 2:
                    stop_its_server()
                yield StepCall("ep_1", "x", str(number))

        if kind == "async":
            answers = await _play_async(address, steps())
        else:
            answers = await asyncio.to_thread(_play, address, steps())
        assert sorted(int(step.request_id) for step, _ in answers) == list(range(COUNT))
        assert {type(result) for _, result in answers} == {StepResult}
        assert all(stand.taken for stand in stands)
        await asyncio.wrap_future(stopping[0])
