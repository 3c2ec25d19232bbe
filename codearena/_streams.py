"""Streams of steps: which ones are on their way, and whose answer is whose."""

from __future__ import annotations

import asyncio
import threading
from collections import defaultdict, deque
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator
from typing import Any, Final, TypeAlias

import grpc

from codearena import _calls, _checks, _convert
from codearena._errors import ArenaError, InternalError, UnavailableError
from codearena._models import StepResult
from codearena._run_models import StepCall
from codearena._status import error_from_call
from codearena.v1 import env_service_pb2 as pb

Answered: TypeAlias = tuple[StepCall, StepResult | ArenaError]

_LOST_STATUS: Final = "Internal error from Core"
"""What `grpc.aio` says in place of a status that it lost."""

WINDOW: Final = 32
"""How many steps of a stream may be without an answer, unless the caller says otherwise."""


def check_window(value: object) -> int:
    """Returns the value if it is a window.

    Raises:
        TypeError: It is not an integer.
        InvalidArgumentError: It is not positive.
    """
    window = _checks.integer("window", value, most=_calls.INT32_MAX)
    if window == 0:
        raise _checks.invalid("window", "must be at least 1")
    return window


class Ledger:
    """The steps of one stream that have no answer yet. Sending and answering may happen in two threads.

    Attributes:
        failure: What ended the caller's iterable before its time; None if nothing did.
        exhausted: Whether the caller's iterable has ended.
    """

    def __init__(self) -> None:
        self.failure: Exception | None = None
        self.exhausted = False
        self._lock = threading.Lock()
        self._unanswered: defaultdict[tuple[str, str], deque[StepCall]] = defaultdict(deque)

    def send(self, step: object) -> pb.StepStreamRequest:
        """Notes a step and returns what to send.

        Raises:
            TypeError: It is no StepCall, or one of its parts has a wrong type.
            InvalidArgumentError: It holds text that is not valid Unicode, or is too long to be sent.
        """
        if not isinstance(step, StepCall):
            raise TypeError(f"steps must be StepCall, not {type(step).__name__}")
        call = _calls.step(step.episode_id, step.fix, step.request_id, step.method)
        request = pb.StepStreamRequest()
        request.step.MergeFrom(call.request)  # type: ignore[arg-type]  # a Call does not say of what type
        with self._lock:
            self._unanswered[request.step.episode_id, request.step.request_id].append(step)
        return request

    def answer(self, response: pb.StepStreamResponse) -> Answered:
        """Returns a step with its answer.

        Raises:
            InternalError: No step waits for it.
        """
        key = (response.episode_id, response.request_id)
        with self._lock:
            waiting = self._unanswered.get(key)
            if not waiting:
                raise InternalError(f"the arena answered a step that was not sent: {response.request_id!r}")
            step = waiting.popleft()
            if not waiting:
                del self._unanswered[key]
        return step, _convert.stream_item(response)

    def check(self) -> None:
        """Says, at the end of the stream, what went wrong.

        Raises:
            Exception: What the caller's iterable raised.
            InternalError: Steps have no answer, or were not asked for. A gap must never be read as a reward.
        """
        if self.failure is not None:
            raise self.failure
        if self._unanswered:
            raise InternalError(f"the stream ended without the answers to {len(self._unanswered)} steps")
        if not self.exhausted:
            raise InternalError("the arena ended the stream before all steps were sent")


def sync_steps(
    open_stream: Callable[[Iterator[pb.StepStreamRequest]], Any], steps: Iterable[StepCall], window: int
) -> Iterator[Answered]:
    """Sends steps and yields their answers. The steps are iterated in a thread of gRPC's."""
    ledger, places, closed = Ledger(), threading.Semaphore(window), threading.Event()

    def requests() -> Iterator[pb.StepStreamRequest]:
        try:
            pulled = iter(steps)
            while places.acquire() and not closed.is_set():
                yield ledger.send(next(pulled))
        except StopIteration:
            ledger.exhausted = True
        except Exception as error:  # noqa: BLE001 - raised to who iterates, once all that was sent is answered
            ledger.failure = error

    stream = open_stream(requests())
    try:
        for response in stream:
            places.release()
            yield ledger.answer(response)
    except grpc.RpcError as error:
        raise error_from_call(error) from error
    finally:
        closed.set()
        places.release()
        stream.cancel()
    ledger.check()


async def async_steps(
    open_stream: Callable[[], Any], steps: Iterable[StepCall] | AsyncIterable[StepCall], window: int
) -> AsyncIterator[Answered]:
    """Sends steps and yields their answers. The steps are iterated in a task of their own."""
    ledger, places = Ledger(), asyncio.Semaphore(window)
    stream = open_stream()
    sender = asyncio.create_task(_send_all(stream, _each(steps), ledger, places))
    try:
        while (response := await stream.read()) is not grpc.aio.EOF:
            places.release()
            yield ledger.answer(response)
    except grpc.aio.AioRpcError as error:
        raise _told(error) from error
    finally:
        sender.cancel()
        stream.cancel()
        await asyncio.wait([sender])
    ledger.check()


def _told(error: grpc.aio.AioRpcError) -> ArenaError:
    """Returns the typed error of a stream that failed.

    When a stream ends while a request is being written, `grpc.aio` puts a status of its own in place of the arena's.
    """
    if error.code() is grpc.StatusCode.INTERNAL and error.details() == _LOST_STATUS:
        return UnavailableError("the arena ended the stream while a step was being sent; why is lost, so try again")
    return error_from_call(error)


async def _send_all(stream: Any, steps: AsyncIterator[StepCall], ledger: Ledger, places: asyncio.Semaphore) -> None:  # noqa: ANN401 - gRPC's calls have no public type
    try:
        while await places.acquire():
            request = ledger.send(await anext(steps))
            try:
                await stream.write(request)
            except (grpc.RpcError, asyncio.InvalidStateError):
                return  # the stream is over; its reader is told why
    except StopAsyncIteration:
        ledger.exhausted = True
    except Exception as error:  # noqa: BLE001 - raised to who iterates, once all that was sent is answered
        ledger.failure = error
    await stream.done_writing()


async def _each(steps: Iterable[StepCall] | AsyncIterable[StepCall]) -> AsyncIterator[StepCall]:
    if isinstance(steps, AsyncIterable):
        async for step in steps:
            yield step
    else:
        for step in steps:
            yield step
