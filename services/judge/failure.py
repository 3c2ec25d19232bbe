"""Why a model gave no usable answer: a closed vocabulary, and how openai's errors map to it."""

from __future__ import annotations

from enum import StrEnum

import openai

from services.judge.question import NO_USAGE
from services.judge.transport import AnswerTooLarge


class FailureReason(StrEnum):
    """Why there is no answer of the model."""

    TIMEOUT = "timeout"
    """The deadline of the call passed."""
    CONNECTION = "connection"
    """The server could not be reached or broke off."""
    RATE_LIMITED = "rate_limited"
    """The server asked for fewer requests, also after retries."""
    SERVER_ERROR = "server_error"
    """The server failed, also after retries."""
    MISCONFIGURED = "misconfigured"
    """The server does not know the key, the model or the path."""
    REDIRECTED = "redirected"
    """The server sent us elsewhere. No redirect is followed: the key is for this server."""
    REFUSED = "refused"
    """The server did not accept this request, e.g. for its length or its content."""
    TRUNCATED = "truncated"
    """The answer ends before its end: it is longer than the tokens that were allowed."""
    ANSWER_TOO_LARGE = "answer_too_large"
    """The answer is larger than what is read of one."""
    PARSE_ERROR = "parse_error"
    """The answer is not what was asked for, or lacks the nonce."""
    NO_MAJORITY = "no_majority"
    """Of several models or samples, no more than half answered."""
    BREAKER_OPEN = "breaker_open"
    """The model failed too often lately and is left alone."""
    OVERLOADED = "overloaded"
    """Too many calls are waiting for the model, or for too long."""
    OVER_BUDGET = "over_budget"
    """What may be spent in an hour or on this training run does not suffice for the call."""
    TOO_LARGE = "too_large"
    """The text is larger than what is sent to the model."""
    UNREADABLE = "unreadable"
    """The fix does not parse, so no model needs to read it."""


SERVER_FAULTS = frozenset(
    {
        FailureReason.TIMEOUT,
        FailureReason.CONNECTION,
        FailureReason.RATE_LIMITED,
        FailureReason.SERVER_ERROR,
        FailureReason.MISCONFIGURED,
        FailureReason.REDIRECTED,
    }
)
"""What says something of the server and counts for the circuit breaker. What a hostile fix could provoke, such
as an answer that does not parse, does not."""

RETRYABLE = frozenset({FailureReason.CONNECTION, FailureReason.RATE_LIMITED, FailureReason.SERVER_ERROR})
"""What may be gone at the next attempt."""

OURS = SERVER_FAULTS | {FailureReason.BREAKER_OPEN, FailureReason.OVERLOADED, FailureReason.OVER_BUDGET}
"""What no fix can provoke. Where the judge is to fail rather than fall back, it fails for these alone: an agent that
could make its own steps fail would choose which of them count."""


class ModelFailed(Exception):
    """The model gave no usable answer.

    Args:
        reason: Why.

    Attributes:
        usage: What the answer cost that could not be used; nothing where there was none.
    """

    def __init__(self, reason: FailureReason) -> None:
        super().__init__(reason.value)
        self.reason = reason
        self.usage = NO_USAGE


def reason_of(error: openai.OpenAIError | TimeoutError | ValueError) -> FailureReason:
    """Returns why a call failed, from what openai or the deadline raised."""
    match error:
        case openai.APITimeoutError() | TimeoutError():
            return FailureReason.TIMEOUT
        case openai.APIConnectionError(__cause__=AnswerTooLarge()):
            return FailureReason.ANSWER_TOO_LARGE
        case openai.APIConnectionError():
            return FailureReason.CONNECTION
        case openai.RateLimitError():
            return FailureReason.RATE_LIMITED
        case openai.APIResponseValidationError() | ValueError():
            return FailureReason.PARSE_ERROR
        case openai.APIStatusError(status_code=status) if status >= 500 or status in (408, 409):
            return FailureReason.SERVER_ERROR
        case openai.APIStatusError(status_code=status) if 300 <= status < 400:
            return FailureReason.REDIRECTED
        case openai.AuthenticationError() | openai.PermissionDeniedError() | openai.NotFoundError():
            return FailureReason.MISCONFIGURED
        case _:
            return FailureReason.REFUSED


def retry_after_seconds(error: BaseException) -> float:
    """Returns how long a server asked to be left alone, from its Retry-After header in seconds; 0 if it did not."""
    if not isinstance(error, openai.APIStatusError):
        return 0.0
    try:
        seconds = float(error.response.headers.get("Retry-After", "0"))
    except ValueError:
        return 0.0
    return seconds if 0.0 < seconds < float("inf") else 0.0
