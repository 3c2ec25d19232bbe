"""A collector of traces that speaks OTLP: over gRPC, and over HTTP."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from concurrent import futures
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc


@dataclass(frozen=True)
class Span:
    """A span as it came in. Ids are hexadecimal; `parent` is "" for the first one of a trace."""

    name: str
    trace: str
    id: str
    parent: str
    service: str
    failed: bool
    attributes: dict[str, Any]
    raw: str


class Collector(trace_service_pb2_grpc.TraceServiceServicer):
    """Keeps what it is sent.

    Attributes:
        stop: Ends it before its time.
    """

    def __init__(self) -> None:
        self._spans: list[Span] = []
        self._lock = threading.Lock()
        self.stop: Callable[[], Any] = lambda: None

    def Export(self, request: Any, context: Any) -> Any:  # noqa: N802
        self.keep(request)
        return trace_service_pb2.ExportTraceServiceResponse()

    def keep(self, request: trace_service_pb2.ExportTraceServiceRequest) -> None:
        found = [
            _span(span, {each.key: each.value.string_value for each in group.resource.attributes})
            for group in request.resource_spans
            for scope in group.scope_spans
            for span in scope.spans
        ]
        with self._lock:
            self._spans += found

    def of(self, trace: str) -> list[Span]:
        """The spans of a trace so far."""
        with self._lock:
            return [span for span in self._spans if span.trace == trace]

    def named(self, name: str) -> list[Span]:
        """The spans of a name so far."""
        with self._lock:
            return [span for span in self._spans if span.name == name]


def _span(span: Any, resource: dict[str, str]) -> Span:
    attributes = {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in span.attributes}
    return Span(
        span.name,
        span.trace_id.hex(),
        span.span_id.hex(),
        span.parent_span_id.hex(),
        resource["service.name"],
        span.status.code == span.status.STATUS_CODE_ERROR,
        attributes,
        str(span),
    )


@contextlib.contextmanager
def grpc_collector() -> Iterator[tuple[Collector, str]]:
    """Runs a collector; yields it and its endpoint."""
    collector = Collector()
    server = grpc.server(futures.ThreadPoolExecutor(2))
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(collector, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    collector.stop = lambda: server.stop(0).wait()
    try:
        yield collector, f"http://127.0.0.1:{port}"
    finally:
        collector.stop()


@contextlib.contextmanager
def http_collector() -> Iterator[tuple[Collector, str]]:
    """The same over HTTP."""
    collector = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            known = self.path == "/v1/traces" and self.headers["Content-Type"] == "application/x-protobuf"
            if known:
                collector.keep(trace_service_pb2.ExportTraceServiceRequest.FromString(body))
            self.send_response(200 if known else 404)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    serving = threading.Thread(target=server.serve_forever)
    serving.start()
    try:
        yield collector, f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        serving.join()
