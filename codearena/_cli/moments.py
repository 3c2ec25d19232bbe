"""Times on the command line."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])

_SPAN = re.compile(r"(\d{1,6})([mhdw])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def period_options(function: F) -> F:
    """Adds --since and --until, which take dates, times, and spans back from now."""
    until = click.option("--until", metavar="WHEN", callback=_moment, help="Only steps before this time.")
    since = click.option(
        "--since",
        metavar="WHEN",
        callback=_moment,
        help="Only steps from this time on: a date or time (local unless it names its zone), or a span back from now"
        " such as 90m, 24h or 7d.",
    )
    return since(until(function))


def _moment(ctx: click.Context, parameter: click.Parameter, text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        if (span := _SPAN.fullmatch(text)) is not None:
            return datetime.now(UTC) - timedelta(**{_UNITS[span[2]]: int(span[1])})
        return datetime.fromisoformat(text).astimezone()  # what has no zone is local
    except (ValueError, OverflowError, OSError) as error:
        raise click.BadParameter(
            f"{text!r} is no time: give one such as 2026-01-31, 2026-01-31T12:00 or 2026-01-31T12:00Z,"
            " or a span back from now such as 90m, 24h, 7d or 2w",
            ctx,
            parameter,
        ) from error
