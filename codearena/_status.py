"""Turns what gRPC reports of a failed call into an `ArenaError`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol, cast

import grpc
from google.protobuf.message import DecodeError

from codearena import _wire
from codearena._errors import (
    REASON_ERRORS,
    STATUS_ERRORS,
    ArenaError,
    InternalError,
    InvalidArgumentError,
    RetryableError,
)

DETAILS_TRAILER: Final = "grpc-status-details-bin"
_DOMAIN = "codearena"
_ERROR_INFO = "google.rpc.ErrorInfo"
_RETRY_INFO = "google.rpc.RetryInfo"

_TOO_LARGE = "message larger than max"
"""How gRPC says, under RESOURCE_EXHAUSTED, that a message is over a size limit ("SERVER: Received message
larger than max (33554436 vs. 16777216)"): no matter of a full queue, and no use to try again."""

_CODES: Mapping[int, grpc.StatusCode] = {code.value[0]: code for code in grpc.StatusCode}


class _FailedCall(Protocol):
    """What the errors of `grpc` and of `grpc.aio` have in common."""

    def code(self) -> grpc.StatusCode | None: ...

    def details(self) -> str | None: ...

    def trailing_metadata(self) -> Iterable[tuple[str, str | bytes]] | None: ...


@dataclass(frozen=True, slots=True)
class StatusDetails:
    """What the details of a status say.

    Attributes:
        reason: Of the arena's ErrorInfo; empty if there is none.
        metadata: Of the arena's ErrorInfo.
        retry_after_seconds: Of the RetryInfo; None if there is none.
    """

    reason: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    retry_after_seconds: float | None = None


def error_from_call(call: grpc.RpcError) -> ArenaError:
    """Returns the typed error of a call that failed, sync or async."""
    failed = cast("_FailedCall", call)
    details = StatusDetails()
    for name, value in failed.trailing_metadata() or ():
        if name == DETAILS_TRAILER and isinstance(value, bytes):
            details = parse_details(value)
    return error_from_status(failed.code() or grpc.StatusCode.UNKNOWN, failed.details() or "", details)


def error_from_item(number: int, message: str, reason: str) -> ArenaError:
    """Returns the typed error of one item of a group, given the number of its canonical gRPC status."""
    code = _CODES.get(number, grpc.StatusCode.UNKNOWN)
    return error_from_status(code, message, StatusDetails(reason=reason))


def error_from_status(code: grpc.StatusCode, message: str, details: StatusDetails) -> ArenaError:
    """Returns the typed error of a status and its details."""
    kind = REASON_ERRORS.get(details.reason)
    if kind is None or kind.default_code is not code:
        kind = STATUS_ERRORS.get(code, InternalError)
    if code is grpc.StatusCode.RESOURCE_EXHAUSTED and _TOO_LARGE in message:
        kind = InvalidArgumentError
    error = kind(
        message or f"the call failed with {code.name}",
        reason=details.reason,
        metadata=details.metadata,
        code=code,
    )
    if isinstance(error, RetryableError) and details.retry_after_seconds is not None:
        error.retry_after_seconds = details.retry_after_seconds
    return error


def parse_details(trailer: bytes) -> StatusDetails:
    """Reads a serialized `google.rpc.Status`.

    Details of unknown types and of other domains are skipped. A trailer that does not parse counts as one
    without details, since the status beside it still says what happened.
    """
    try:
        return _parse(trailer)
    except DecodeError:
        return StatusDetails()


def _parse(trailer: bytes) -> StatusDetails:
    reason, metadata, wait = "", {}, None
    for detail in _wire.decode("Status", trailer).details:
        kind = detail.type_url.rpartition("/")[2]
        if kind == _ERROR_INFO:
            info = _wire.decode("ErrorInfo", detail.value)
            if info.domain == _DOMAIN:
                reason = info.reason
                metadata = {entry.key: entry.value for entry in info.metadata}
        elif kind == _RETRY_INFO:
            delay = _wire.decode("RetryInfo", detail.value).retry_delay
            wait = max(0.0, delay.seconds + delay.nanos / 1e9)
    return StatusDetails(reason, metadata, wait)
