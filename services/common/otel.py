"""Traces by OpenTelemetry's SDK. Imported only where they are switched on.

The interceptors of `opentelemetry-instrumentation-grpc` are not used: they send the messages and tracebacks of
exceptions, which may quote a submission, and lose the span of a call that is cancelled. Nor is the tracer a global one:
a library that traces by itself might send anything.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Iterator, Mapping
from importlib import metadata

import structlog
from opentelemetry import context, propagate, trace
from opentelemetry.propagators.textmap import CarrierValT, DefaultGetter
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter, SpanExporter

from services.common.tracing import RequestSpan, TracingSettings, Value

_CLOSE_SECONDS = 3.0
_QUIET_SECONDS = 60.0
_UNNAMED = "unknown_service"
_LIBRARY = logging.getLogger("opentelemetry")


class OtelTracer:
    """Records spans and exports them in the background; see `services.common.tracing.Tracer`.

    A collector that is slow or gone delays nothing: spans wait in a bounded buffer and are dropped when it is full.
    """

    def __init__(self, service: str, settings: TracingSettings) -> None:
        self._complaints = _Complaints(logging.WARNING)
        _LIBRARY.addHandler(self._complaints)
        _LIBRARY.propagate = False
        self._provider = TracerProvider(resource=_resource(service), shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(_exporter(settings)))
        self._tracer = self._provider.get_tracer("codearena")

    @contextlib.contextmanager
    def span(self, name: str, attributes: Mapping[str, Value]) -> Iterator[None]:
        """Records the block; an exception that leaves it is recorded by its type alone."""
        with self._tracer.start_as_current_span(
            name, attributes=attributes, record_exception=False, set_status_on_exception=False
        ) as span:
            try:
                yield
            except BaseException as error:
                span.set_attribute("error.type", type(error).__name__)
                raise

    def join(self, headers: Mapping[str, str]) -> None:
        """Makes a caller's trace current for the rest of this task."""
        context.attach(_extracted(headers))

    def begin(self, name: str, headers: Mapping[str, str], attributes: Mapping[str, Value]) -> RequestSpan:
        """Begins the span of a request."""
        caller = _extracted(headers)
        span = self._tracer.start_span(name, caller, trace.SpanKind.SERVER, attributes)
        # Never detached: the task is the request's own, and the end of a stream may come from another one.
        context.attach(trace.set_span_in_context(span, caller))
        return _RequestSpan(span)

    def headers(self) -> dict[str, str]:
        """Returns what tells another service of the current span, with names in small letters, as gRPC demands."""
        carrier: dict[str, str] = {}
        propagate.inject(carrier)
        return {name.lower(): value for name, value in carrier.items()}

    def trace_id(self) -> str:
        """Returns the id of the current trace if it is sampled; else ""."""
        current = trace.get_current_span().get_span_context()
        return trace.format_trace_id(current.trace_id) if current.trace_flags.sampled else ""

    def close(self) -> None:
        """Exports what is left; gives up after three seconds."""
        closing = threading.Thread(target=self._provider.shutdown, name="traces-close", daemon=True)
        closing.start()
        closing.join(_CLOSE_SECONDS)
        _LIBRARY.removeHandler(self._complaints)
        _LIBRARY.propagate = True


class _RequestSpan:
    def __init__(self, span: trace.Span) -> None:
        self._span = span

    def end(self, attributes: Mapping[str, Value], *, name: str | None = None, failed: bool = False) -> None:
        """Ends it; see `services.common.tracing.RequestSpan`."""
        if name is not None:
            self._span.update_name(name)
        self._span.set_attributes(attributes)
        if failed:
            self._span.set_status(trace.StatusCode.ERROR)
        self._span.end()


class _SmallLetters(DefaultGetter):
    """Finds what a propagator calls e.g. "X-Amzn-Trace-Id" among names in small letters."""

    def get(self, carrier: Mapping[str, CarrierValT], key: str) -> list[str] | None:
        """Returns the values of a name."""
        return super().get(carrier, key.lower())


def _extracted(headers: Mapping[str, str]) -> context.Context:
    return propagate.extract(headers, getter=_SmallLetters())


def _resource(service: str) -> Resource:
    """Returns what is traced, named by the environment or else by us."""
    found = Resource.create({SERVICE_VERSION: metadata.version("codearena-rl")})
    if str(found.attributes[SERVICE_NAME]).startswith(_UNNAMED):
        found = found.merge(Resource({SERVICE_NAME: service}))
    return found


def _exporter(settings: TracingSettings) -> SpanExporter:
    if settings.exporter == "console":
        return ConsoleSpanExporter()
    if settings.protocol == "grpc":
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter

        return OTLPSpanExporter()
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpExporter

    return HttpExporter()


class _Complaints(logging.Handler):
    """Puts what OpenTelemetry's library complains of into our log, once a minute: a collector may be gone for hours."""

    _quiet_until = 0.0

    def emit(self, record: logging.LogRecord) -> None:
        """Logs a complaint, unless there was one just now."""
        now = time.monotonic()
        if now >= self._quiet_until:
            self._quiet_until = now + _QUIET_SECONDS
            structlog.get_logger("tracing").warning("opentelemetry complains", why=record.getMessage()[:300])
