"""The trace that a call belongs to, if its caller uses OpenTelemetry. The SDK itself neither needs nor imports it."""

from __future__ import annotations

import sys


def trace_metadata() -> tuple[tuple[str, str], ...]:
    """Returns the metadata that tells the arena of the caller's current span, as W3C `traceparent`; else nothing."""
    if "opentelemetry.trace" not in sys.modules:
        return ()
    from opentelemetry import propagate

    carrier: dict[str, str] = {}
    propagate.inject(carrier)
    return tuple(carrier.items())
