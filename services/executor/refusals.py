"""Why a request gets no sandbox, as statuses. None of them consumes anything."""

from __future__ import annotations

import grpc

from codearena.v1 import error_reason_pb2 as reasons
from services.common.errors import StatusError, invalid, unavailable


def shutting_down() -> StatusError:
    """Returns the UNAVAILABLE of an executor that stops."""
    return unavailable(reasons.ERROR_REASON_SHUTTING_DOWN, "the executor is shutting down; retry on another one")


def too_late() -> StatusError:
    """Returns the DEADLINE_EXCEEDED of a request that nobody waits for any more."""
    return StatusError(
        grpc.StatusCode.DEADLINE_EXCEEDED,
        reasons.ERROR_REASON_DEADLINE,
        "the deadline went by before there was a sandbox; allow more time or add executors",
    )


def queue_full(why: str, retry_after_seconds: float) -> StatusError:
    """Returns the RESOURCE_EXHAUSTED of a queue without a place for this request."""
    return StatusError(
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        reasons.ERROR_REASON_QUEUE_FULL,
        f"{why}; come back in {retry_after_seconds:.1f} s or add executors",
        retry_after_seconds=retry_after_seconds,
    )


def bad_reference(why: str) -> StatusError:
    """Returns the INVALID_ARGUMENT of a suite whose reference solution does not do what it is there for."""
    return invalid(reasons.ERROR_REASON_INVALID_FIELD, "suite.reference_code", f"unfit to be measured: {why}")
