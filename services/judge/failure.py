"""Why a model gave no usable answer: a closed vocabulary, and how openai's errors map to it."""

from __future__ import annotations

from enum import StrEnum

import openai


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
    REFUSED = "refused"
    """The server did not accept this request, e.g. for its length or its content."""
    PARSE_ERROR = "parse_error"
    """The answer is not what was asked for, or lacks the nonce."""
    BREAKER_OPEN = "breaker_open"
    """The model failed too often lately and is left alone."""
    OVERLOADED = "overloaded"
    """Too many calls are waiting for the model."""
    OVER_BUDGET = "over_budget"
    """The tokens of this hour are used up."""
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
    }
)
"""What says something of the server and counts for the circuit breaker. What a hostile fix could provoke, such
as an answer that does not parse, does not."""


class ModelFailed(Exception):
    """The model gave no usable answer.

    Args:
        reason: Why.
    """

    def __init__(self, reason: FailureReason) -> None:
        super().__init__(reason.value)
        self.reason = reason


def reason_of(error: openai.OpenAIError | TimeoutError | ValueError) -> FailureReason:
    """Returns why a call failed, from what openai or the deadline raised."""
    match error:
        case openai.APITimeoutError() | TimeoutError():
            return FailureReason.TIMEOUT
        case openai.APIConnectionError():
            return FailureReason.CONNECTION
        case openai.RateLimitError():
            return FailureReason.RATE_LIMITED
        case openai.APIResponseValidationError() | ValueError():
            return FailureReason.PARSE_ERROR
        case openai.APIStatusError(status_code=status) if status >= 500 or status in (408, 409):
            return FailureReason.SERVER_ERROR
        case openai.AuthenticationError() | openai.PermissionDeniedError() | openai.NotFoundError():
            return FailureReason.MISCONFIGURED
        case _:
            return FailureReason.REFUSED
