"""The entry point that the services share: settings, logs, one event loop, clean ends."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Callable, Coroutine
from typing import Any, NoReturn, TypeVar

from pydantic import ValidationError
from pydantic_settings import SettingsError

from services.common import logs
from services.common.errors import StartError
from services.common.secret_files import why
from services.common.settings import ServiceSettings

Settings = TypeVar("Settings", bound=ServiceSettings)


def variables(settings: type[ServiceSettings]) -> str:
    """Returns the settings' environment variables, one a line with default and meaning, for `--help`."""
    lines = ["environment variables:"]
    for name, field in settings.model_fields.items():
        default = "" if field.default is None or field.default_factory else f" (default {field.default})"
        lines.append(f"  {_variable(settings, name)}{default}: {field.description or ''}".rstrip(": "))
    return "\n".join(lines)


def _variable(settings: type[ServiceSettings], name: str) -> str:
    field = settings.model_fields.get(name)
    alias = field.validation_alias if field is not None else name
    return alias if isinstance(alias, str) else f"CODEARENA_{name.upper()}"


def read_settings(settings: type[Settings]) -> Settings:
    """Reads the environment; wrong settings are one message on stderr, without their values, and exit status 2."""
    try:
        return settings()
    except ValidationError as error:
        problems = [_problem(settings, found["loc"], found["msg"]) for found in error.errors(include_input=False)]
    except SettingsError as error:
        problems = [why(error)]
    sys.stderr.write("".join(f"wrong settings: {problem}\n" for problem in problems))
    sys.exit(2)


def _problem(settings: type[ServiceSettings], where: tuple[int | str, ...], message: str) -> str:
    reason = message.removeprefix("Value error, ")
    return f"{_variable(settings, str(where[0]))}: {reason}" if where else reason


def run(description: str, settings: type[Settings], serve: Callable[[Settings], Coroutine[Any, Any, None]]) -> NoReturn:
    """Reads the settings, serves until told to end, and exits.

    Exit status 0 after SIGTERM or SIGINT, 1 if the service cannot start, 2 for wrong settings.
    """
    parser = argparse.ArgumentParser(
        description=description, epilog=variables(settings), formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.parse_args()
    values = read_settings(settings)
    logs.configure(values.log_level, values.log_format)
    sys.exit(run_until_done(serve(values)))


def run_until_done(work: Coroutine[Any, Any, None]) -> int:
    """Runs a service and returns its exit status; a failure to start is one line, not a trace."""
    try:
        asyncio.run(work)
    except KeyboardInterrupt:
        return 130
    except (StartError, OSError) as error:
        sys.stderr.write(f"cannot start: {error}\n")
        return 1
    return 0
