"""OpenTelemetry traces, switched on by the standard OTEL_* variables; without them its library is not imported.

A trace says what happened and how long it took: names of RPCs and stages, ids of episodes and requests, status codes,
types of exceptions. Never messages or tracebacks, which may quote a submission.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Literal, Protocol

from pydantic import AliasChoices, Field
from pydantic_settings import BaseSettings, SettingsConfigDict

Value = str | int | float | bool


class TracingSettings(BaseSettings):
    """Whether and how traces are exported.

    Sampling, resource, batches, headers, certificates and propagators have variables of OpenTelemetry's own, which its
    library reads.
    """

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True)

    sdk_disabled: bool = Field(default=False, validation_alias="OTEL_SDK_DISABLED")
    exporter: Literal["otlp", "console", "none"] | None = Field(default=None, validation_alias="OTEL_TRACES_EXPORTER")
    endpoint: str | None = Field(
        default=None, validation_alias=AliasChoices("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
    )
    protocol: Literal["grpc", "http/protobuf"] = Field(
        default="grpc",
        validation_alias=AliasChoices("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"),
    )

    @property
    def wanted(self) -> bool:
        """Whether traces are exported: an exporter or an endpoint is named, and nothing says no."""
        exporter = self.exporter or ("none" if self.endpoint is None else "otlp")
        return not self.sdk_disabled and exporter != "none"


class RequestSpan(Protocol):
    """The span of a request that this process serves."""

    def end(self, attributes: Mapping[str, Value], *, name: str | None = None, failed: bool = False) -> None:
        """Ends it, with what is known by then; `failed` if the fault is on our side."""
        ...


class Tracer(Protocol):
    """What records spans; `services.common.otel.OtelTracer` is one."""

    def span(self, name: str, attributes: Mapping[str, Value]) -> AbstractContextManager[None]:
        """Records the block as a part of what is current."""
        ...

    def join(self, headers: Mapping[str, str]) -> None:
        """Makes the trace that a caller sent current for the rest of this task."""
        ...

    def begin(self, name: str, headers: Mapping[str, str], attributes: Mapping[str, Value]) -> RequestSpan:
        """Begins the span of a request, in its caller's trace if it sent one; current for the rest of this task."""
        ...

    def headers(self) -> dict[str, str]:
        """Returns what tells another service of the current span."""
        ...

    def trace_id(self) -> str:
        """Returns the id of the current trace if it is recorded, as 32 hexadecimal digits; else ""."""
        ...

    def close(self) -> None:
        """Exports what is left, within bounds of time."""
        ...


_tracer: Tracer | None = None


@contextlib.contextmanager
def exporting(service: str, settings: TracingSettings) -> Iterator[None]:
    """Records and exports traces of this process while the block runs, if the settings want it.

    Args:
        service: Short name, e.g. "env"; OTEL_SERVICE_NAME is the whole one.
        settings: Where to.
    """
    global _tracer
    if not settings.wanted:
        yield
        return
    from services.common.otel import OtelTracer

    tracer = OtelTracer(f"codearena-{service}", settings)
    before, _tracer = _tracer, tracer
    try:
        yield
    finally:
        _tracer = before
        tracer.close()


def current() -> Tracer | None:
    """Returns what records spans; None where traces are off."""
    return _tracer


def span(name: str, **attributes: Value) -> AbstractContextManager[None]:
    """Records the block as a span of the current trace.

    Args:
        name: What is done, of a closed set of names.
        attributes: Facts of this one.
    """
    return contextlib.nullcontext() if _tracer is None else _tracer.span(name, attributes)


def headers() -> tuple[tuple[str, str], ...]:
    """Returns the metadata that carries the current trace to another service: W3C `traceparent`."""
    return () if _tracer is None else tuple(_tracer.headers().items())


def trace_id() -> str:
    """Returns the id of the current trace if it is recorded; else ""."""
    return "" if _tracer is None else _tracer.trace_id()


def exemplar() -> dict[str, str] | None:
    """Returns what links an observation of a histogram to the current trace; None if there is none."""
    found = trace_id()
    return {"trace_id": found} if found else None
