"""Tokens for the next page of a list that is ordered by an id."""

from __future__ import annotations

import base64
import binascii
import hashlib

_DIGEST_BYTES = 8


class InvalidPageTokenError(ValueError):
    """The token was not given out for this query."""


def make_token(last_id: str, query: str) -> str:
    """Returns the token of the page after an id.

    Args:
        last_id: The last one of the page before.
        query: What was asked for; the token is good for nothing else.
    """
    return base64.urlsafe_b64encode(_digest(last_id, query) + last_id.encode()).decode()


def read_token(token: str, query: str) -> str:
    """Returns the id after which the page begins.

    Raises:
        InvalidPageTokenError: The token is malformed, or of another query.
    """
    try:
        raw = base64.b64decode(token.encode("ascii"), altchars=b"-_", validate=True)
        last_id = raw[_DIGEST_BYTES:].decode()
    except (UnicodeError, binascii.Error) as error:
        raise InvalidPageTokenError("the page token is malformed") from error
    if raw[:_DIGEST_BYTES] != _digest(last_id, query):
        raise InvalidPageTokenError("the page token belongs to another request")
    return last_id


def _digest(last_id: str, query: str) -> bytes:
    return hashlib.sha256(f"{query}\n{last_id}".encode()).digest()[:_DIGEST_BYTES]
