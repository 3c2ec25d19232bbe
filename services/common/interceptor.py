"""The boundary of every RPC: authentication, decoding, failure to status, metrics."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import time
import uuid
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable
from typing import Any

import grpc
import structlog
from google.protobuf.message import DecodeError

from codearena.v1 import error_reason_pb2 as reasons
from services.common.draining import Draining, cut_short
from services.common.errors import StatusError
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

    def __init__(self, metrics: RpcMetrics, token: str | None, draining: Draining) -> None:
        self._metrics = metrics
        self._token = token
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
        authorized = self._authorized(handler_call_details)
        call = _Call(self._metrics, self._log, method, authorized, self._draining)
        if handler.request_streaming:
            return grpc.stream_stream_rpc_method_handler(call.streams(handler), None, handler.response_serializer)
        if handler.response_streaming:
            return grpc.unary_stream_rpc_method_handler(call.stream(handler), None, handler.response_serializer)
        return grpc.unary_unary_rpc_method_handler(call.unary(handler), None, handler.response_serializer)

    def _authorized(self, details: grpc.HandlerCallDetails) -> bool:
        if self._token is None:
            return True
        sent = dict(details.invocation_metadata or ()).get("authorization", "")
        text = sent.decode(errors="replace") if isinstance(sent, bytes) else sent
        return hmac.compare_digest(text.encode(), f"Bearer {self._token}".encode())


class _Call:
    """One call on its way through the boundary."""

    def __init__(
        self,
        metrics: RpcMetrics,
        log: Any,  # noqa: ANN401
        method: str,
        authorized: bool,
        draining: Draining,
    ) -> None:
        self._metrics = metrics
        self._log = log
        _, self._service, self._method = method.split("/")
        self._authorized = authorized
        self._draining = draining

    def unary(self, handler: Handler) -> Callable[[bytes, Any], Awaitable[Any]]:
        async def run(raw: bytes, context: Context) -> Any:  # noqa: ANN401
            started = time.perf_counter()
            code = grpc.StatusCode.OK
            try:
                return await handler.unary_unary(self._decode(handler, raw), context)
            except BaseException as error:
                code, failure = self._classify(error, context)
                if failure is None:
                    raise
                return await context.abort(failure.code, failure.message, failure.trailers())
            finally:
                self._metrics.observe(self._service, self._method, code.name, time.perf_counter() - started)

        return run

    def stream(self, handler: Handler) -> Stream:
        return self._answered(lambda raw, context: handler.unary_stream(self._decode(handler, raw), context))

    def streams(self, handler: Handler) -> Stream:
        async def begin(raw: Any, context: Context) -> AsyncIterator[Any]:  # noqa: ANN401
            self._require_authorized()
            requests = self._draining.requests(raw)
            answers = handler.stream_stream(self._decode_each(handler, requests), context)
            async with contextlib.aclosing(answers):
                async for answer in answers:
                    yield answer
            if requests.cut:
                raise cut_short()

        return self._answered(begin)

    def _answered(self, begin: Callable[[Any, Context], Any]) -> Stream:
        async def run(raw: Any, context: Context) -> AsyncIterator[Any]:  # noqa: ANN401
            started = time.perf_counter()
            code = grpc.StatusCode.OK
            try:
                async with contextlib.aclosing(begin(raw, context)) as responses:
                    async for response in responses:
                        yield response
            except BaseException as error:
                code, failure = self._classify(error, context)
                if failure is None:
                    raise
                await context.abort(failure.code, failure.message, failure.trailers())
            finally:
                self._metrics.observe(self._service, self._method, code.name, time.perf_counter() - started)

        return run

    def _require_authorized(self) -> None:
        if not self._authorized:
            raise StatusError(
                grpc.StatusCode.UNAUTHENTICATED,
                reasons.ERROR_REASON_BAD_TOKEN,
                "send the bearer token of this arena in the metadata `authorization`",
            )

    async def _decode_each(self, handler: Handler, raw: AsyncIterable[bytes]) -> AsyncIterator[Any]:
        async for message in raw:
            yield self._decode(handler, message)

    def _decode(self, handler: Handler, raw: bytes) -> Any:  # noqa: ANN401
        self._require_authorized()
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
            passed = context.time_remaining() == 0
            return grpc.StatusCode.DEADLINE_EXCEEDED if passed else grpc.StatusCode.CANCELLED, None
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
