"""The boundary of every RPC: admission, decoding, failure to status, metrics."""

from __future__ import annotations

import asyncio
import contextlib
import time
import uuid
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable
from typing import Any

import grpc
import structlog
from google.protobuf.message import DecodeError

from codearena.v1 import error_reason_pb2 as reasons
from services.common.access import Admission, Gate, Metadata
from services.common.draining import Draining, cut_short
from services.common.errors import StatusError, ended_early
from services.common.logs import trace_of
from services.common.metrics import RpcMetrics

_OURS = "/codearena."
# gRPC's own types know the synchronous server only.
Handler = Any
Context = grpc.aio.ServicerContext[Any, Any]
Stream = Callable[[Any, Context], AsyncIterator[Any]]


class BoundaryInterceptor(grpc.aio.ServerInterceptor):
    """Wraps each handler of ours so that whatever it raises becomes the right status.

    A `StatusError` becomes its own status; any other exception is a mistake of ours and becomes INTERNAL
    with an error id that stands in the log beside the trace. Requests are decoded here rather than by gRPC,
    which would answer INTERNAL to malformed text.
    """

    def __init__(self, metrics: RpcMetrics, gate: Gate, draining: Draining) -> None:
        self._metrics = metrics
        self._gate = gate
        self._draining = draining
        self._log = structlog.get_logger("rpc")

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler:
        """Returns the handler, wrapped if it is one of ours."""
        handler = await continuation(handler_call_details)
        method = handler_call_details.method
        if handler is None or not method.startswith(_OURS):
            return handler
        metadata = tuple(handler_call_details.invocation_metadata or ())
        call = _Call(self._metrics, self._log, self._gate, self._draining, method, metadata)
        if handler.request_streaming:
            return grpc.stream_stream_rpc_method_handler(call.streams(handler), None, handler.response_serializer)
        if handler.response_streaming:
            return grpc.unary_stream_rpc_method_handler(call.stream(handler), None, handler.response_serializer)
        return grpc.unary_unary_rpc_method_handler(call.unary(handler), None, handler.response_serializer)


class _Call:
    """One call on its way through the boundary."""

    def __init__(
        self,
        metrics: RpcMetrics,
        log: Any,  # noqa: ANN401
        gate: Gate,
        draining: Draining,
        path: str,
        metadata: Metadata,
    ) -> None:
        self._metrics = metrics
        self._log = log
        self._gate = gate
        self._draining = draining
        self._path = path
        _, self._service, self._method = path.split("/")
        self._metadata = metadata

    def unary(self, handler: Handler) -> Callable[[bytes, Any], Awaitable[Any]]:
        async def run(raw: bytes, context: Context) -> Any:  # noqa: ANN401
            started = time.perf_counter()
            code, admission = grpc.StatusCode.OK, None
            try:
                admission = self._gate.admit(self._path, self._metadata, context)
                request = self._decode(handler, raw)
                admission.begin(request)
                return await handler.unary_unary(request, context)
            except BaseException as error:
                code, failure = self._classify(error, context)
                if failure is None:
                    raise
                return await context.abort(failure.code, failure.message, failure.trailers())
            finally:
                self._ended(admission, code.name, started)

        return run

    def stream(self, handler: Handler) -> Stream:
        def begin(raw: Any, context: Context, admission: Admission) -> Any:  # noqa: ANN401
            request = self._decode(handler, raw)
            admission.begin(request)
            return handler.unary_stream(request, context)

        return self._answered(begin)

    def streams(self, handler: Handler) -> Stream:
        async def begin(raw: Any, context: Context, admission: Admission) -> AsyncIterator[Any]:  # noqa: ANN401
            requests = self._draining.requests(raw)
            answers = handler.stream_stream(self._decode_each(handler, requests, admission), context)
            async with contextlib.aclosing(answers):
                async for answer in answers:
                    yield answer
            if requests.cut:
                raise cut_short()

        return self._answered(begin)

    def _answered(self, begin: Callable[[Any, Context, Admission], Any]) -> Stream:
        async def run(raw: Any, context: Context) -> AsyncIterator[Any]:  # noqa: ANN401
            started = time.perf_counter()
            code, admission = grpc.StatusCode.OK, None
            try:
                admission = self._gate.admit(self._path, self._metadata, context)
                async with contextlib.aclosing(begin(raw, context, admission)) as responses:
                    async for response in responses:
                        admission.answered()
                        yield response
            except BaseException as error:
                code, failure = self._classify(error, context)
                if failure is None:
                    raise
                await context.abort(failure.code, failure.message, failure.trailers())
            finally:
                self._ended(admission, code.name, started)

        return run

    def _ended(self, admission: Admission | None, code: str, started: float) -> None:
        self._metrics.observe(self._service, self._method, code, time.perf_counter() - started)
        if admission is not None:
            admission.end(code)

    async def _decode_each(
        self, handler: Handler, raw: AsyncIterable[bytes], admission: Admission
    ) -> AsyncIterator[Any]:
        async for message in raw:
            await admission.begin_next()
            yield self._decode(handler, message)

    def _decode(self, handler: Handler, raw: bytes) -> Any:  # noqa: ANN401
        try:
            return handler.request_deserializer(raw)
        except DecodeError as error:
            raise StatusError(
                grpc.StatusCode.INVALID_ARGUMENT,
                reasons.ERROR_REASON_INVALID_TEXT,
                f"the request does not parse; text must be valid UTF-8 ({error})",
            ) from error

    def _classify(self, error: BaseException, context: Context) -> tuple[grpc.StatusCode, StatusError | None]:
        """Returns the status of an exception, and what to send unless it passes through as it is."""
        if isinstance(error, StatusError):
            return error.code, error
        if isinstance(error, (asyncio.CancelledError, GeneratorExit)):
            return ended_early(context), None
        if not isinstance(error, Exception):
            return grpc.StatusCode.INTERNAL, None
        error_id = uuid.uuid4().hex[:12]
        self._log.error("rpc failed", method=self._method, error_id=error_id, trace=trace_of(error))
        return grpc.StatusCode.INTERNAL, StatusError(
            grpc.StatusCode.INTERNAL,
            reasons.ERROR_REASON_BUG,
            f"a mistake in CodeArena, not in your request; report it with the error id {error_id}",
            metadata={"error_id": error_id},
        )
