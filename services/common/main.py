"""The entry point that the services share: settings, logs, one event loop, clean ends."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Callable, Coroutine
from typing import Any, NoReturn, TypeVar

from services.common import logs, tracing
from services.common.errors import StartError
from services.common.settings import AnySettings, ServiceSettings, WrongSettings, from_environment, variable

Settings = TypeVar("Settings", bound=ServiceSettings)


def variables(settings: type[ServiceSettings]) -> str:
    """Returns the settings' environment variables, one a line with default and meaning, for `--help`."""
    lines = ["environment variables:"]
    for name, field in settings.model_fields.items():
        default = "" if field.default is None or field.default_factory else f" (default {field.default})"
        lines.append(f"  {variable(settings, name)}{default}: {field.description or ''}".rstrip(": "))
    return "\n".join(lines)


def read_settings(settings: type[AnySettings]) -> AnySettings:
    """Reads the environment; wrong settings are one message on stderr, without their values, and exit status 2."""
    try:
        return from_environment(settings)
    except WrongSettings as error:
        sys.exit(_complain(error))


def _complain(error: WrongSettings) -> int:
    sys.stderr.write("".join(f"wrong settings: {problem}\n" for problem in error.problems))
    return 2


def run(
    service: str, description: str, settings: type[Settings], serve: Callable[[Settings], Coroutine[Any, Any, None]]
) -> NoReturn:
    """Reads the settings, serves until told to end, and exits.

    Args:
        service: Its short name.
        description: For `--help`.
        settings: What is read from the environment.
        serve: Serves until the process is told to end.

    Exit status 0 after SIGTERM or SIGINT, 1 if the service cannot start, 2 for wrong settings.
    """
    parser = argparse.ArgumentParser(
        description=description, epilog=variables(settings), formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.parse_args()
    values = read_settings(settings)
    traces = read_settings(tracing.TracingSettings)
    logs.configure(values.log_level, values.log_format)
    with tracing.exporting(service, traces):
        status = run_until_done(serve(values))
    sys.exit(status)


def run_until_done(work: Coroutine[Any, Any, None]) -> int:
    """Runs a service and returns its exit status; a failure to start is a line for each reason, not a trace."""
    try:
        asyncio.run(work)
    except KeyboardInterrupt:
        return 130
    except WrongSettings as error:
        return _complain(error)
    except (StartError, OSError) as error:
        sys.stderr.write(f"cannot start: {error}\n")
        return 1
    return 0
