"""Prometheus metrics of every gRPC server, and their HTTP endpoint."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from wsgiref.simple_server import WSGIServer

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server

LATENCY_BUCKETS = (
    0.001,
    0.0025,
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1.0,
    2.5,
    5.0,
    10.0,
    30.0,
    60.0,
    120.0,
)
CODES = (
    "OK",
    "INVALID_ARGUMENT",
    "NOT_FOUND",
    "FAILED_PRECONDITION",
    "RESOURCE_EXHAUSTED",
    "UNAVAILABLE",
    "DEADLINE_EXCEEDED",
    "CANCELLED",
    "UNAUTHENTICATED",
    "PERMISSION_DENIED",
    "INTERNAL",
)


class RpcMetrics:
    """Rate, errors and latency of the RPCs of one server."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._handled = Counter(
            "grpc_server_handled",
            "RPCs completed, by status code.",
            ("grpc_service", "grpc_method", "grpc_code"),
            registry=registry,
        )
        self._seconds = Histogram(
            "grpc_server_handling_seconds",
            "Latency of RPCs in seconds.",
            ("grpc_service", "grpc_method"),
            buckets=LATENCY_BUCKETS,
            registry=registry,
        )

    def declare(self, service: str, methods: Iterable[str]) -> None:
        """Creates the label sets of a service's methods, so that their rates exist from zero."""
        for method in methods:
            self._seconds.labels(service, method)
            for code in CODES:
                self._handled.labels(service, method, code)

    def observe(self, service: str, method: str, code: str, seconds: float) -> None:
        """Counts one finished RPC."""
        self._handled.labels(service, method, code).inc()
        self._seconds.labels(service, method).observe(seconds)


def build_info(registry: CollectorRegistry, service: str, version: str) -> None:
    """Exports `codearena_build_info` with the value 1."""
    gauge = Gauge("codearena_build_info", "What runs.", ("service", "version"), registry=registry)
    gauge.labels(service, version).set(1)


class MetricsEndpoint:
    """The `/metrics` page of one server, on a thread of its own."""

    def __init__(self, registry: CollectorRegistry, host: str, port: int) -> None:
        self._server: WSGIServer
        self._thread: threading.Thread
        self._server, self._thread = start_http_server(port, host, registry)

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self._server.server_port)

    def close(self) -> None:
        """Stops serving."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout=5)
