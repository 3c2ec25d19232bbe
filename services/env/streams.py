"""Many steps over one stream, answered as they are ready."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from typing import TypeAlias

from codearena.v1 import env_service_pb2 as wire
from services.common.errors import StatusError

UNDER_WAY = 64
"""Steps of one stream that are under way at once."""

Handle: TypeAlias = Callable[[wire.StepRequest], Awaitable[wire.StepResponse]]
_Answer: TypeAlias = wire.StepStreamResponse | int
"""An answer; or, once all requests are read, how many answers there will be."""


async def answer_steps(
    requests: AsyncIterator[wire.StepStreamRequest], handle: Handle
) -> AsyncGenerator[wire.StepStreamResponse, None]:
    """Yields an answer for each request. Ends what is under way if it is closed early.

    No more requests are read while as many as `UNDER_WAY` have no answer that the client has taken: then the
    transport's flow control holds the client back.

    Args:
        requests: Read until they end. What they raise ends the stream.
        handle: Takes a step; a StatusError that it raises becomes that request's answer.
    """
    answers: asyncio.Queue[_Answer | Exception] = asyncio.Queue()
    places = asyncio.Semaphore(UNDER_WAY)
    tasks: set[asyncio.Task[None]] = set()

    async def settle(work: Awaitable[_Answer]) -> None:
        try:
            answers.put_nowait(await work)
        except Exception as error:  # noqa: BLE001  raised to who iterates
            answers.put_nowait(error)

    def begin(work: Awaitable[_Answer]) -> None:
        task = asyncio.create_task(settle(work))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    async def read() -> int:
        count = 0
        await places.acquire()
        async for request in requests:
            count += 1
            begin(_answer(request.step, handle))
            await places.acquire()
        return count

    begin(read())
    total, answered = None, 0
    try:
        while answered != total:
            answer = await answers.get()
            if isinstance(answer, Exception):
                raise answer
            if isinstance(answer, int):
                total = answer
                continue
            yield answer
            answered += 1
            places.release()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _answer(request: wire.StepRequest, handle: Handle) -> wire.StepStreamResponse:
    response = wire.StepStreamResponse(episode_id=request.episode_id, request_id=request.request_id)
    try:
        response.response.CopyFrom(await handle(request))
    except StatusError as error:
        response.error.CopyFrom(error.to_item())
    return response
