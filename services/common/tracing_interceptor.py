"""A span for each RPC that a server serves."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import grpc

from services.common import tracing
from services.common.errors import ended_early

_OURS = "/codearena."
_FAULTS = frozenset(
    {
        grpc.StatusCode.UNKNOWN,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.UNIMPLEMENTED,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DATA_LOSS,
    }
)
"""The codes that make a server's span one that failed, by OpenTelemetry's conventions for gRPC."""
# gRPC's own types know the synchronous server only.
Handler = Any
Context = grpc.aio.ServicerContext[Any, Any]


def interceptors() -> list[grpc.aio.ServerInterceptor]:
    """Returns what a server needs for its RPCs to be traced: nothing where traces are off."""
    tracer = tracing.current()
    return [] if tracer is None else [TracingInterceptor(tracer)]


class TracingInterceptor(grpc.aio.ServerInterceptor):
    """Records each RPC of ours, in its caller's trace if it sent a `traceparent`. Comes before other interceptors."""

    def __init__(self, tracer: tracing.Tracer) -> None:
        self._tracer = tracer

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
        decode, encode = handler.request_deserializer, handler.response_serializer
        if handler.request_streaming:
            return grpc.stream_stream_rpc_method_handler(self._stream(method, handler.stream_stream), decode, encode)
        if handler.response_streaming:
            return grpc.unary_stream_rpc_method_handler(self._stream(method, handler.unary_stream), decode, encode)
        return grpc.unary_unary_rpc_method_handler(self._unary(method, handler.unary_unary), decode, encode)

    def _unary(self, method: str, handle: Callable[[Any, Context], Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def run(request: Any, context: Context) -> Any:  # noqa: ANN401
            with self._recorded(method, context):
                return await handle(request, context)

        return run

    def _stream(self, method: str, handle: Callable[[Any, Context], Any]) -> Callable[..., AsyncIterator[Any]]:
        async def run(request: Any, context: Context) -> AsyncIterator[Any]:  # noqa: ANN401
            with self._recorded(method, context):
                async with contextlib.aclosing(handle(request, context)) as responses:
                    async for response in responses:
                        yield response

        return run

    @contextlib.contextmanager
    def _recorded(self, method: str, context: Context) -> Iterator[None]:
        """Records the block as the RPC's span. What leaves it is a status that was sent, or the end of the caller."""
        name = method.removeprefix("/")
        service, _, rpc = name.partition("/")
        sent = {key: value for key, value in context.invocation_metadata() or () if isinstance(value, str)}
        span = self._tracer.begin(name, sent, {"rpc.system": "grpc", "rpc.service": service, "rpc.method": rpc})
        code = grpc.StatusCode.OK
        try:
            yield
        except Exception:
            code = context.code() or grpc.StatusCode.UNKNOWN  # 0 as long as nobody has set one
            raise
        except BaseException:
            code = ended_early(context)
            raise
        finally:
            span.end({"rpc.grpc.status_code": code.value[0]}, failed=code in _FAULTS)
