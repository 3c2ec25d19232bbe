"""Streams of steps: which ones are on their way, and whose answer is whose."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections import defaultdict, deque
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator
from contextlib import suppress
from typing import Any, Final, TypeAlias

import grpc

from codearena import _calls, _checks, _convert
from codearena._errors import ArenaError, InternalError, UnavailableError
from codearena._models import StepResult
from codearena._patience import Patience
from codearena._run_models import StepCall
from codearena._status import error_from_call
from codearena.v1 import env_service_pb2 as pb

Answered: TypeAlias = tuple[StepCall, StepResult | ArenaError]
Sent: TypeAlias = tuple[StepCall, pb.StepStreamRequest]

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
    """The steps of one iterator that have no answer yet. Sending and answering may happen in two threads.

    Attributes:
        failure: What ended the caller's iterable before its time; None if nothing did.
        exhausted: Whether the caller's iterable has ended.
    """

    def __init__(self) -> None:
        self.failure: Exception | None = None
        self.exhausted = False
        self._lock = threading.Lock()
        self._numbers = itertools.count()
        self._unanswered: dict[int, Sent] = {}
        self._waiting: defaultdict[tuple[str, str], deque[int]] = defaultdict(deque)

    def send(self, sent: Sent) -> pb.StepStreamRequest:
        """Notes a step that is about to be sent, and returns what to send."""
        step = sent[1].step
        with self._lock:
            number = next(self._numbers)
            self._unanswered[number] = sent
            self._waiting[step.episode_id, step.request_id].append(number)
        return sent[1]

    def unanswered(self) -> list[pb.StepStreamRequest]:
        """Returns what to send again where a stream broke off, in the order in which it was sent."""
        with self._lock:
            return [request for _, request in self._unanswered.values()]

    def answer(self, response: pb.StepStreamResponse) -> Answered:
        """Returns a step with its answer.

        Raises:
            InternalError: No step waits for it.
        """
        key = (response.episode_id, response.request_id)
        with self._lock:
            waiting = self._waiting.get(key)
            if not waiting:
                raise InternalError(f"the arena answered a step that was not sent: {response.request_id!r}")
            step, _ = self._unanswered.pop(waiting.popleft())
            if not waiting:
                del self._waiting[key]
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


def prepare(step: object) -> Sent:
    """Returns a step with the message that says it.

    Raises:
        TypeError: It is no StepCall, or one of its parts has a wrong type.
        InvalidArgumentError: It holds text that is not valid Unicode, or is too long to be sent.
    """
    if not isinstance(step, StepCall):
        raise TypeError(f"steps must be StepCall, not {type(step).__name__}")
    call = _calls.step(step.episode_id, step.fix, step.request_id, step.method)
    request = pb.StepStreamRequest()
    request.step.MergeFrom(call.request)  # type: ignore[arg-type]  # a Call does not say of what type
    return step, request


def sync_steps(
    open_stream: Callable[[Iterator[pb.StepStreamRequest], float], Any],
    be_patient: Callable[[], Patience],
    steps: Iterable[StepCall],
    window: int,
) -> Iterator[Answered]:
    """Sends steps and yields their answers; sends what has none again where a stream breaks off.

    Args:
        open_stream: Opens a stream of requests with a deadline in seconds.
        be_patient: Says how often that is to be done.
        steps: Iterated in a thread of their own.
        window: How many may be without an answer.
    """
    patience, ledger, places, outbox = be_patient(), Ledger(), threading.Semaphore(window), _Outbox()
    closed = threading.Event()

    def pull() -> None:
        try:
            pulled = iter(steps)
            while places.acquire() and not closed.is_set():
                outbox.put(prepare(next(pulled)))
        except StopIteration:
            ledger.exhausted = True
        except Exception as error:  # noqa: BLE001 - raised to who iterates, once all that was sent is answered
            ledger.failure = error
        outbox.end()

    pulling = threading.Thread(target=pull, name="codearena-steps", daemon=True)
    try:
        while True:
            over = threading.Event()
            stream = open_stream(outbox.requests(ledger, over), patience.seconds_left)
            if pulling.ident is None:
                pulling.start()
            try:
                for response in stream:
                    places.release()
                    patience.answered()
                    yield ledger.answer(response)
                break
            except grpc.RpcError as error:
                pause = patience.pause(error_from_call(error), error)
            finally:
                outbox.leave(over)
                stream.cancel()
            closed.wait(pause)
    finally:
        closed.set()
        places.release()
    ledger.check()


class _Outbox:
    """Steps that were pulled and not sent yet, for one stream after the other."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._steps: deque[Sent] = deque()
        self._ended = False

    def put(self, sent: Sent) -> None:
        with self._changed:
            self._steps.append(sent)
            self._changed.notify_all()

    def end(self) -> None:
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def leave(self, over: threading.Event) -> None:
        """Gives a stream that is over nothing any more."""
        with self._changed:
            over.set()
            self._changed.notify_all()

    def requests(self, ledger: Ledger, over: threading.Event) -> Iterator[pb.StepStreamRequest]:
        """Yields what a stream is to send: what others have sent without an answer, then the rest."""
        yield from ledger.unanswered()
        while (request := self._next(ledger, over)) is not None:
            yield request

    def _next(self, ledger: Ledger, over: threading.Event) -> pb.StepStreamRequest | None:
        with self._changed:
            self._changed.wait_for(lambda: self._steps or self._ended or over.is_set())
            return ledger.send(self._steps.popleft()) if self._steps and not over.is_set() else None


async def async_steps(
    open_stream: Callable[[float], Any],
    be_patient: Callable[[], Patience],
    steps: Iterable[StepCall] | AsyncIterable[StepCall],
    window: int,
) -> AsyncIterator[Answered]:
    """Sends steps and yields their answers, as `sync_steps` does. The steps are iterated in a task of their own."""
    patience, ledger, places = be_patient(), Ledger(), asyncio.Semaphore(window)
    outbox: asyncio.Queue[Sent | None] = asyncio.Queue()
    pulling: asyncio.Task[None] | None = None
    try:
        while True:
            stream = open_stream(patience.seconds_left)
            pulling = pulling or asyncio.create_task(_pull(_each(steps), ledger, places, outbox))
            sending = asyncio.create_task(_send_all(stream, ledger, outbox))
            try:
                while (response := await stream.read()) is not grpc.aio.EOF:
                    places.release()
                    patience.answered()
                    yield ledger.answer(response)
                break
            except grpc.aio.AioRpcError as error:
                pause = patience.pause(_told(error), error)
            finally:
                sending.cancel()
                stream.cancel()
                await asyncio.wait([sending])
            await asyncio.sleep(pause)
    finally:
        if pulling is not None:
            pulling.cancel()
            await asyncio.wait([pulling])
    ledger.check()


def _told(error: grpc.aio.AioRpcError) -> ArenaError:
    """Returns the typed error of a stream that failed.

    When a stream ends while a request is being written, `grpc.aio` puts a status of its own in place of the arena's.
    """
    if error.code() is grpc.StatusCode.INTERNAL and error.details() == _LOST_STATUS:
        return UnavailableError("the arena ended the stream while a step was being sent; why is lost, so try again")
    return error_from_call(error)


async def _pull(
    steps: AsyncIterator[StepCall], ledger: Ledger, places: asyncio.Semaphore, outbox: asyncio.Queue[Sent | None]
) -> None:
    try:
        while await places.acquire():
            outbox.put_nowait(prepare(await anext(steps)))
    except StopAsyncIteration:
        ledger.exhausted = True
    except Exception as error:  # noqa: BLE001 - raised to who iterates, once all that was sent is answered
        ledger.failure = error
    outbox.put_nowait(None)


async def _send_all(stream: Any, ledger: Ledger, outbox: asyncio.Queue[Sent | None]) -> None:  # noqa: ANN401 - gRPC's calls have no public type
    with suppress(grpc.RpcError, asyncio.InvalidStateError):  # the stream is over; its reader is told why
        for request in ledger.unanswered():
            await stream.write(request)
        while (sent := await outbox.get()) is not None:
            await stream.write(ledger.send(sent))
        outbox.put_nowait(None)  # for a stream after this one
        await stream.done_writing()


async def _each(steps: Iterable[StepCall] | AsyncIterable[StepCall]) -> AsyncIterator[StepCall]:
    if isinstance(steps, AsyncIterable):
        async for step in steps:
            yield step
    else:
        for step in steps:
            yield step
