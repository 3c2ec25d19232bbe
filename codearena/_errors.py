"""What can go wrong between a client and an arena."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

import grpc

DEFAULT_RETRY_AFTER_SECONDS: Final = 1.0


class ErrorReason(StrEnum):
    """Why a call failed, as `codearena.v1.ErrorReason` names it.

    `ArenaError.reason` is a plain string, because a newer arena may send reasons that are not listed here.
    Members compare equal to it: `error.reason == ErrorReason.EPISODE_DONE`.
    """

    INVALID_FIELD = "INVALID_FIELD"
    EMPTY_FIX = "EMPTY_FIX"
    FIX_TOO_LARGE = "FIX_TOO_LARGE"
    INVALID_TEXT = "INVALID_TEXT"
    REQUEST_ID_REUSED = "REQUEST_ID_REUSED"
    INVALID_PAGE_TOKEN = "INVALID_PAGE_TOKEN"  # noqa: S105 - a reason, not a secret
    TASK_NOT_FOUND = "TASK_NOT_FOUND"
    EPISODE_NOT_FOUND = "EPISODE_NOT_FOUND"
    EPISODE_DONE = "EPISODE_DONE"
    QUEUE_FULL = "QUEUE_FULL"
    SANDBOX_UNAVAILABLE = "SANDBOX_UNAVAILABLE"
    EXECUTOR_UNAVAILABLE = "EXECUTOR_UNAVAILABLE"
    JUDGE_UNAVAILABLE = "JUDGE_UNAVAILABLE"
    STORE_UNAVAILABLE = "STORE_UNAVAILABLE"
    SHUTTING_DOWN = "SHUTTING_DOWN"
    DEADLINE = "DEADLINE"
    BUG = "BUG"
    BAD_TOKEN = "BAD_TOKEN"  # noqa: S105 - a reason, not a secret
    QUOTA_EXCEEDED = "QUOTA_EXCEEDED"
    TOKEN_EXPIRED = "TOKEN_EXPIRED"  # noqa: S105 - a reason, not a secret
    SCOPE_MISSING = "SCOPE_MISSING"
    CALLER_NOT_ALLOWED = "CALLER_NOT_ALLOWED"
    TOKEN_QUOTA_EXCEEDED = "TOKEN_QUOTA_EXCEEDED"  # noqa: S105 - a reason, not a secret


class ArenaError(Exception):
    """The arena did not do what it was asked to do. Never about the graded program: that is an `Outcome`.

    The tree, with what to do about each::

        ArenaError
        ├── InvalidArgumentError       the request is wrong; change it
        ├── NotFoundError              no such task or episode
        ├── FailedPreconditionError    not in this state
        │   └── EpisodeDoneError       open another episode
        ├── UnauthenticatedError       the token is missing, wrong or expired
        ├── PermissionDeniedError      the token has not the scope; metadata `scope` says which
        ├── DeadlineExceededError      give it more time; a step was not consumed
        ├── CallCancelledError         the client was closed during the call
        ├── UnimplementedError         the arena is older than this SDK, or is no arena
        ├── InternalError              a bug; metadata `error_id` finds it in the server's log
        └── RetryableError             nothing was consumed; the same call again may succeed
            ├── QueueFullError         wait `retry_after_seconds` first
            ├── QuotaExceededError     the same, or close episodes; see `update_run`
            └── UnavailableError       the arena, or a part of it, is down

    Attributes:
        message: What happened, for people.
        reason: Why, for programs: mostly an `ErrorReason`. Empty if the failure did not come from an arena,
            for example when nothing answers at the address.
        metadata: Details by name, such as `episode_id`, `field` or `limit_bytes`.
        code: The gRPC status. Each class has a default for errors that the SDK raises by itself.
    """

    default_code: grpc.StatusCode = grpc.StatusCode.UNKNOWN

    def __init__(
        self,
        message: str,
        *,
        reason: str = "",
        metadata: Mapping[str, str] | None = None,
        code: grpc.StatusCode | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.reason = reason
        self.metadata: Mapping[str, str] = dict(metadata or {})
        self.code = code or self.default_code

    def __str__(self) -> str:
        return f"{self.message} [{self.reason or self.code.name}]"


class InvalidArgumentError(ArenaError):
    """The request is malformed: an empty or over-long fix, a bad id, text that is not Unicode. Do not retry."""

    default_code = grpc.StatusCode.INVALID_ARGUMENT


class NotFoundError(ArenaError):
    """There is no such task or episode."""

    default_code = grpc.StatusCode.NOT_FOUND


class FailedPreconditionError(ArenaError):
    """The call makes no sense in the present state."""

    default_code = grpc.StatusCode.FAILED_PRECONDITION


class EpisodeDoneError(FailedPreconditionError):
    """A step was sent to an episode that is over. Open another one."""


class UnauthenticatedError(ArenaError):
    """The arena wants a token and got none, a wrong one, or one that has expired."""

    default_code = grpc.StatusCode.UNAUTHENTICATED


class PermissionDeniedError(ArenaError):
    """The token is known and does not allow this call."""

    default_code = grpc.StatusCode.PERMISSION_DENIED


class DeadlineExceededError(ArenaError):
    """The call's deadline passed. A step was not consumed; send it again with the same `request_id`."""

    default_code = grpc.StatusCode.DEADLINE_EXCEEDED


class CallCancelledError(ArenaError):
    """The call was cancelled before it ended, for example because its client was closed."""

    default_code = grpc.StatusCode.CANCELLED


class UnimplementedError(ArenaError):
    """What answers at the address does not know the call: an older arena, or another server."""

    default_code = grpc.StatusCode.UNIMPLEMENTED


class InternalError(ArenaError):
    """A mistake in the arena, or an answer that cannot be understood."""

    default_code = grpc.StatusCode.INTERNAL


class RetryableError(ArenaError):
    """Nothing was consumed, and the same call again may succeed.

    Attributes:
        retry_after_seconds: How long to wait first: what the arena asked for, else 1.0.
    """

    default_code = grpc.StatusCode.ABORTED

    def __init__(
        self,
        message: str,
        *,
        reason: str = "",
        metadata: Mapping[str, str] | None = None,
        code: grpc.StatusCode | None = None,
        retry_after_seconds: float = DEFAULT_RETRY_AFTER_SECONDS,
    ) -> None:
        super().__init__(message, reason=reason, metadata=metadata, code=code)
        self.retry_after_seconds = retry_after_seconds


class QueueFullError(RetryableError):
    """The arena has as much to do as it accepts. Wait `retry_after_seconds`, then send the same again."""

    default_code = grpc.StatusCode.RESOURCE_EXHAUSTED


class QuotaExceededError(RetryableError):
    """The training run has as many episodes open, or gradings begun within a minute, as it may.

    With the reason TOKEN_QUOTA_EXCEEDED it is the token that has as many requests a second, or steps under way, as it
    may; metadata `quota` says which.

    Never retried by the SDK: only the caller knows which episodes to close. Close some, or wait
    `retry_after_seconds` and send the same again. `ArenaClient.update_run` changes the quota.
    """

    default_code = grpc.StatusCode.RESOURCE_EXHAUSTED


class UnavailableError(RetryableError):
    """The arena or a part of it cannot be reached, also after the SDK's own retries."""

    default_code = grpc.StatusCode.UNAVAILABLE


STATUS_ERRORS: Final[Mapping[grpc.StatusCode, type[ArenaError]]] = MappingProxyType(
    {
        grpc.StatusCode.CANCELLED: CallCancelledError,
        grpc.StatusCode.UNKNOWN: InternalError,
        grpc.StatusCode.INVALID_ARGUMENT: InvalidArgumentError,
        grpc.StatusCode.DEADLINE_EXCEEDED: DeadlineExceededError,
        grpc.StatusCode.NOT_FOUND: NotFoundError,
        grpc.StatusCode.ALREADY_EXISTS: FailedPreconditionError,
        grpc.StatusCode.PERMISSION_DENIED: PermissionDeniedError,
        grpc.StatusCode.RESOURCE_EXHAUSTED: QueueFullError,
        grpc.StatusCode.FAILED_PRECONDITION: FailedPreconditionError,
        grpc.StatusCode.ABORTED: RetryableError,
        grpc.StatusCode.OUT_OF_RANGE: InvalidArgumentError,
        grpc.StatusCode.UNIMPLEMENTED: UnimplementedError,
        grpc.StatusCode.INTERNAL: InternalError,
        grpc.StatusCode.UNAVAILABLE: UnavailableError,
        grpc.StatusCode.DATA_LOSS: InternalError,
        grpc.StatusCode.UNAUTHENTICATED: UnauthenticatedError,
    }
)
"""The one table from gRPC status to exception; it has every status but OK."""

REASON_ERRORS: Final[Mapping[str, type[ArenaError]]] = MappingProxyType(
    {
        ErrorReason.EPISODE_DONE: EpisodeDoneError,
        ErrorReason.QUOTA_EXCEEDED: QuotaExceededError,
        ErrorReason.TOKEN_QUOTA_EXCEEDED: QuotaExceededError,
    }
)
"""Reasons that have a class of their own under the status that is the class's default; under another one the status
decides."""

INFRASTRUCTURE: Final = (RetryableError, DeadlineExceededError, InternalError)
"""What failed for a reason that is not the caller's: never to be read as a reward."""


def wait_seconds(error: ArenaError, most: float = 60.0) -> float:
    """Returns how long to wait before a call that failed is made again: what the arena asked for, within a bound.

    Args:
        error: How it failed.
        most: Seconds at most.
    """
    return min(error.retry_after_seconds if isinstance(error, RetryableError) else DEFAULT_RETRY_AFTER_SECONDS, most)


UNFIT_PROGRAM: Final = frozenset({ErrorReason.EMPTY_FIX, ErrorReason.FIX_TOO_LARGE, ErrorReason.INVALID_TEXT})
"""Reasons of an InvalidArgumentError that are about a program, so that its author is to blame."""
