"""How a service fails: one exception, and how it becomes a gRPC status and back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

import grpc
from google.protobuf import any_pb2
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

from codearena.v1 import core_pb2 as core
from codearena.v1 import error_reason_pb2
from codearena.v1.error_reason_pb2 import ErrorReason

DOMAIN = "codearena"
DETAILS_KEY = "grpc-status-details-bin"
_PREFIX = "ERROR_REASON_"
Reason: TypeAlias = "ErrorReason.ValueType"


class StartError(Exception):
    """A service cannot start for a reason that its operator can mend; the message says how."""


class StatusError(Exception):
    """An RPC fails with this status. Raise it anywhere below a handler.

    Args:
        code: The canonical status code.
        reason: Machine-readable reason, sent as google.rpc.ErrorInfo.
        message: For people: what happened and what to do.
        retry_after_seconds: Sent as google.rpc.RetryInfo if given.
        metadata: Further facts for the ErrorInfo. Never a submission's code.
    """

    def __init__(
        self,
        code: grpc.StatusCode,
        reason: Reason,
        message: str,
        *,
        retry_after_seconds: float | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.retry_after_seconds = retry_after_seconds
        self.metadata = dict(metadata or {})

    def to_item(self) -> core.ItemError:
        """Returns it as the reason why one item of several has no result."""
        return core.ItemError(code=self.code.value[0], message=self.message, reason=self.reason)

    def trailers(self) -> tuple[tuple[str, bytes], ...]:
        """Returns the trailing metadata that carries the details."""
        info = error_details_pb2.ErrorInfo(reason=reason_name(self.reason), domain=DOMAIN, metadata=self.metadata)
        status = status_pb2.Status(code=self.code.value[0], message=self.message)
        status.details.add().Pack(info)
        if self.retry_after_seconds is not None:
            retry = error_details_pb2.RetryInfo()
            retry.retry_delay.FromNanoseconds(int(self.retry_after_seconds * 1e9))
            status.details.add().Pack(retry)
        return ((DETAILS_KEY, status.SerializeToString()),)


def reason_name(reason: Reason) -> str:
    """Returns a reason as it is sent: without its prefix, e.g. "EPISODE_DONE"."""
    return ErrorReason.Name(reason).removeprefix(_PREFIX)


def invalid(reason: Reason, field: str, message: str, **metadata: str) -> StatusError:
    """Returns an INVALID_ARGUMENT that names the field at fault."""
    return StatusError(
        grpc.StatusCode.INVALID_ARGUMENT,
        reason,
        f"{field}: {message}",
        metadata={"field": field, **metadata},
    )


def unavailable(reason: Reason, message: str) -> StatusError:
    """Returns an UNAVAILABLE: nothing was consumed, the caller may retry."""
    return StatusError(grpc.StatusCode.UNAVAILABLE, reason, message)


def from_rpc_error(error: grpc.aio.AioRpcError, fallback: Reason, peer: str) -> StatusError:
    """Turns the failure of a call to another service into one of ours.

    Args:
        error: What the call raised.
        fallback: The reason if the peer gave none, which means that it could not be reached.
        peer: Name of the peer service, for the message.
    """
    info, retry_after = _details(error)
    if info is not None and info.domain == DOMAIN:
        reason = _reason_value(info.reason)
        message = error.details() or info.reason
        return StatusError(error.code(), reason, message, retry_after_seconds=retry_after, metadata=dict(info.metadata))
    if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
        return StatusError(
            error.code(), error_reason_pb2.ERROR_REASON_DEADLINE, f"{peer} did not answer before the deadline"
        )
    return unavailable(fallback, f"the {peer} service failed ({error.code().name}): {error.details()}")


def ended_early(context: grpc.aio.ServicerContext[Any, Any]) -> grpc.StatusCode:
    """Returns the status of a call that was cancelled under its handler: its time is over, or its caller gave it up."""
    passed = context.time_remaining() == 0  # None without a deadline
    return grpc.StatusCode.DEADLINE_EXCEEDED if passed else grpc.StatusCode.CANCELLED


def _reason_value(name: str) -> Reason:
    try:
        return ErrorReason.Value(_PREFIX + name)
    except ValueError:
        return error_reason_pb2.ERROR_REASON_UNSPECIFIED


def _details(error: grpc.aio.AioRpcError) -> tuple[error_details_pb2.ErrorInfo | None, float | None]:
    raw = next((value for key, value in error.trailing_metadata() or () if key == DETAILS_KEY), None)
    if not isinstance(raw, bytes):
        return None, None
    try:
        status = status_pb2.Status.FromString(raw)
        return _unpack(status.details)
    except DecodeError:
        return None, None


def _unpack(
    details: Iterable[any_pb2.Any],
) -> tuple[error_details_pb2.ErrorInfo | None, float | None]:
    info: error_details_pb2.ErrorInfo | None = None
    retry_after: float | None = None
    for detail in details:
        if detail.Is(error_details_pb2.ErrorInfo.DESCRIPTOR):
            info = error_details_pb2.ErrorInfo()
            detail.Unpack(info)
        elif detail.Is(error_details_pb2.RetryInfo.DESCRIPTOR):
            retry = error_details_pb2.RetryInfo()
            detail.Unpack(retry)
            retry_after = retry.retry_delay.ToNanoseconds() / 1e9
    return info, retry_after
