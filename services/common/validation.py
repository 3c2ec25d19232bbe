"""Checks of what a client sends, shared by the handlers of every service."""

from __future__ import annotations

from codearena.v1 import error_reason_pb2 as reasons
from services.common.errors import invalid

MAX_SOURCE_BYTES = 256 * 1024
MAX_STDIN_BYTES = 64 * 1024
MAX_ID_CHARACTERS = 128


def check_source(text: str, field: str) -> None:
    """Checks the source of a program: not blank, no NUL, at most `MAX_SOURCE_BYTES` of UTF-8.

    Raises:
        StatusError: INVALID_ARGUMENT with EMPTY_FIX, FIX_TOO_LARGE or INVALID_TEXT.
    """
    size = len(text.encode())
    if size > MAX_SOURCE_BYTES:
        raise invalid(
            reasons.ERROR_REASON_FIX_TOO_LARGE,
            field,
            f"{size} bytes of source, at most {MAX_SOURCE_BYTES} are allowed",
            limit_bytes=str(MAX_SOURCE_BYTES),
        )
    if not text.strip():
        raise invalid(reasons.ERROR_REASON_EMPTY_FIX, field, "is empty; send Python source")
    check_text(text, field)


def check_text(text: str, field: str, limit_bytes: int | None = None) -> None:
    """Checks any text: no NUL, and at most `limit_bytes` of UTF-8 if given.

    Raises:
        StatusError: INVALID_ARGUMENT with INVALID_TEXT or INVALID_FIELD.
    """
    if "\0" in text:
        raise invalid(reasons.ERROR_REASON_INVALID_TEXT, field, "holds a NUL character")
    if limit_bytes is not None and len(text.encode()) > limit_bytes:
        raise invalid(
            reasons.ERROR_REASON_INVALID_FIELD,
            field,
            f"longer than {limit_bytes} bytes",
            limit_bytes=str(limit_bytes),
        )


def check_task_id(value: str, field: str, *, required: bool = True) -> None:
    """Checks the id of a task, or a name that stands for several: an identifier with at most one slash.

    Raises:
        StatusError: INVALID_ARGUMENT with INVALID_FIELD.
    """
    check_id(value, field, required=required)
    if value.count("/") > 1:
        raise invalid(reasons.ERROR_REASON_INVALID_FIELD, field, "has more than one slash; a pack's is NAMESPACE/ID")


def check_id(value: str, field: str, *, required: bool = True, most: int = MAX_ID_CHARACTERS) -> None:
    """Checks an identifier: printable, not blank, at most `most` characters.

    Raises:
        StatusError: INVALID_ARGUMENT with INVALID_FIELD.
    """
    if not value and not required:
        return
    if not value.strip():
        raise invalid(reasons.ERROR_REASON_INVALID_FIELD, field, "is missing")
    if len(value) > most or not value.isprintable():
        raise invalid(reasons.ERROR_REASON_INVALID_FIELD, field, f"must be 1 to {most} printable characters")
