"""The entry point that the services share: settings, logs, one event loop, clean ends."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Callable, Coroutine
from typing import Any, NoReturn, TypeVar

from pydantic import ValidationError

from services.common import logs
from services.common.errors import StartError
from services.common.settings import ServiceSettings

Settings = TypeVar("Settings", bound=ServiceSettings)


def variables(settings: type[ServiceSettings]) -> str:
    """Returns the settings' environment variables, one a line with default and meaning, for `--help`."""
    lines = ["environment variables:"]
    for name, field in settings.model_fields.items():
        alias = field.validation_alias
        variable = alias if isinstance(alias, str) else f"CODEARENA_{name.upper()}"
        default = "" if field.default is None or field.default_factory else f" (default {field.default})"
        lines.append(f"  {variable}{default}: {field.description or ''}".rstrip(": "))
    return "\n".join(lines)


def run(description: str, settings: type[Settings], serve: Callable[[Settings], Coroutine[Any, Any, None]]) -> NoReturn:
    """Reads the settings, serves until told to end, and exits.

    Exit status 0 after SIGTERM or SIGINT, 1 if the service cannot start, 2 for wrong settings.
    """
    parser = argparse.ArgumentParser(
        description=description, epilog=variables(settings), formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.parse_args()
    try:
        values = settings()
    except ValidationError as error:
        sys.stderr.write(f"wrong settings: {error}\n")
        sys.exit(2)
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
