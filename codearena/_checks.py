"""Checks of what a caller passes in, before any of it reaches protobuf or gRPC.

A wrong type is a `TypeError`; a value that no arena could accept is an `InvalidArgumentError`. Limits that
are the arena's to set (the length of a fix, the number of candidates) are left to it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import UTC, datetime
from enum import StrEnum
from typing import TypeVar

from codearena._errors import ErrorReason, InvalidArgumentError

_INT64_MAX = 2**63 - 1
MAX_METHOD_CHARACTERS = 64
"""Of who or what made a fix, as an arena takes it."""
_MAX_TIMEOUT_SECONDS = 86_400.0

_E = TypeVar("_E", bound=StrEnum)


def invalid(field: str, message: str, reason: str = ErrorReason.INVALID_FIELD) -> InvalidArgumentError:
    """Returns the error of a field, to be raised."""
    return InvalidArgumentError(f"{field} {message}", reason=reason, metadata={"field": field})


def text(field: str, value: object) -> str:
    """Returns the value if it is a string that UTF-8 can encode.

    Raises:
        TypeError: It is not a string.
        InvalidArgumentError: It holds a lone surrogate (reason INVALID_TEXT).
    """
    if not isinstance(value, str):
        raise TypeError(f"{field} must be a str, not {type(value).__name__}")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        problem = f"is not valid Unicode: lone surrogate at index {error.start}"
        raise invalid(field, problem, ErrorReason.INVALID_TEXT) from error
    return str(value)


def texts(field: str, values: object) -> list[str]:
    """Returns the values if they are an iterable of encodable strings, and not a string themselves.

    Raises:
        TypeError: They are not.
        InvalidArgumentError: One of them holds a lone surrogate (reason INVALID_TEXT).
    """
    if isinstance(values, str | bytes) or not isinstance(values, Iterable):
        raise TypeError(f"{field} must be a sequence of str, not {type(values).__name__}")
    return [text(f"{field}[{index}]", value) for index, value in enumerate(values)]


def integer(field: str, value: object, *, most: int = _INT64_MAX) -> int:
    """Returns the value if it is an integer from 0 to `most`.

    Raises:
        TypeError: It is not an integer.
        InvalidArgumentError: It is out of range.
    """
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{field} must be an int, not {type(value).__name__}")
    if not 0 <= value <= most:
        raise invalid(field, f"must be from 0 to {most}, not {value}")
    return value


def flag(field: str, value: object) -> bool:
    """Returns the value if it is a bool.

    Raises:
        TypeError: It is not.
    """
    if not isinstance(value, bool):
        raise TypeError(f"{field} must be a bool, not {type(value).__name__}")
    return value


def number(field: str, value: object) -> float:
    """Returns the value if it is a finite number.

    Raises:
        TypeError: It is not a number.
        InvalidArgumentError: It is infinite or not a number.
    """
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise TypeError(f"{field} must be a number, not {type(value).__name__}")
    try:
        finite = math.isfinite(value)
    except OverflowError:
        finite = False
    if not finite:
        raise invalid(field, "must be finite")
    return float(value)


def member(field: str, kind: type[_E], value: object) -> _E:
    """Returns the member that the value is or names, in any case.

    Raises:
        TypeError: It is not a string.
        InvalidArgumentError: It names none that may be asked for.
    """
    names = [name for name in kind.__members__ if name != "UNSPECIFIED"]
    name = text(field, value).upper()
    if name not in names:
        raise invalid(field, f"must be one of {', '.join(names)}")
    return kind(name)


def moment(field: str, value: object) -> datetime:
    """Returns the value in UTC, if it is an aware datetime.

    Raises:
        TypeError: It is not a datetime.
        InvalidArgumentError: It has no time zone, or none of its years is left in UTC.
    """
    if not isinstance(value, datetime):
        raise TypeError(f"{field} must be a datetime, not {type(value).__name__}")
    if value.utcoffset() is None:
        raise invalid(field, "must be aware: it has no time zone")
    try:
        return value.astimezone(UTC)
    except OverflowError as error:
        raise invalid(field, "is out of range in UTC") from error


def timeout(value: object) -> float:
    """Returns the value if it is a usable deadline in seconds, above 0 and at most a day.

    Raises:
        TypeError: It is not a number.
        InvalidArgumentError: It is out of range.
    """
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise TypeError(f"timeout_seconds must be a number, not {type(value).__name__}")
    if not (math.isfinite(value) and 0 < value <= _MAX_TIMEOUT_SECONDS):
        raise invalid("timeout_seconds", f"must be above 0 and at most {_MAX_TIMEOUT_SECONDS:.0f}, not {value}")
    return float(value)
