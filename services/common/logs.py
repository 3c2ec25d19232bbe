"""Structured logs on stderr. Never a submission's code in them."""

from __future__ import annotations

import logging
import sys
import traceback

import structlog

from services.common import tracing


def configure(level: str, output_format: str) -> None:
    """Sets up structlog for the process.

    Args:
        level: "debug", "info", "warning" or "error".
        output_format: "json", one object a line, or "text" for people.
    """
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if output_format == "json"
        else structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(),
            # never rich's, which prints local variables, submissions among them
            exception_formatter=structlog.dev.plain_traceback,
        )
    )
    processors: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        _add_trace_id,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    if output_format == "json":
        processors.append(structlog.processors.format_exc_info)
    structlog.configure(
        processors=[*processors, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )


def _add_trace_id(_logger: object, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    found = tracing.trace_id()
    return {**event, "trace_id": found} if found else event


def trace_of(error: BaseException) -> str:
    """Returns the frames of an exception and of those that led to it, types only.

    Their messages are left out: they may quote a submission.
    """
    return "\n".join(_trace(error, set()))


def _trace(error: BaseException, seen: set[int]) -> list[str]:
    seen.add(id(error))
    earlier = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    lines = _trace(earlier, seen) if earlier is not None and id(earlier) not in seen else []
    lines += [line.rstrip() for line in traceback.format_tb(error.__traceback__)]
    lines.append(type(error).__name__)
    for part in error.exceptions if isinstance(error, BaseExceptionGroup) else ():
        lines += [f"  | {line}" for line in _trace(part, seen)]
    return lines
