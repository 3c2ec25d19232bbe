"""The trace that a call belongs to, if its caller uses OpenTelemetry. The SDK itself neither needs nor imports it."""

from __future__ import annotations

import sys


def trace_metadata() -> tuple[tuple[str, str], ...]:
    """Returns the metadata that tells the arena of the caller's current span, as W3C `traceparent`; else nothing.

    Whatever else the caller propagates, such as its baggage, stays with it.
    """
    if "opentelemetry.trace" not in sys.modules:
        return ()
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    carrier: dict[str, str] = {}
    TraceContextTextMapPropagator().inject(carrier)
    return tuple(carrier.items())
