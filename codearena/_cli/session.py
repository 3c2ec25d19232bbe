"""What all commands share: where the arena is, and what a failure looks like to the shell."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from codearena import (
    ArenaClient,
    ArenaError,
    AsyncArenaClient,
    DeadlineExceededError,
    ErrorReason,
    QuotaExceededError,
    RetryableError,
    TLSConfig,
    UnauthenticatedError,
    UnavailableError,
    UnimplementedError,
)
from codearena._channel import DEFAULT_ADDRESS

MAX_SOURCE_BYTES: Final = 1024 * 1024
_ATTEMPTS = 3

EXIT_NOT_PASSED: Final = 1
EXIT_USAGE: Final = 2
EXIT_UNREACHABLE: Final = 3
EXIT_ARENA: Final = 4
EXIT_INTERRUPTED: Final = 130

F = TypeVar("F", bound=Callable[..., Any])


class ArenaProblem(click.ClickException):
    """No arena to talk to, for a reason that the message explains."""

    exit_code = EXIT_UNREACHABLE


@dataclass
class Session:
    """The connection options, as far as they were given.

    Attributes:
        address: None if neither --address nor CODEARENA_ADDRESS was given.
        token: Bearer token.
        tls: Whether to encrypt.
        ca_file: PEM file of the authorities to trust; implies `tls`.
        timeout_seconds: Deadline of each call; None for the SDK's defaults.
    """

    address: str | None = None
    token: str | None = None
    tls: bool = False
    ca_file: Path | None = None
    timeout_seconds: float | None = None

    @property
    def target(self) -> str:
        """The address to use."""
        return self.address or DEFAULT_ADDRESS

    def connect(self, address: str | None = None) -> ArenaClient:
        """Returns a client of the address, or of the session's own one."""
        return ArenaClient(address or self.target, **self._options(), max_attempts=_ATTEMPTS)

    def connect_async(self, address: str | None = None) -> AsyncArenaClient:
        """Returns a client for asyncio, as patient as a training run's: it is for long work."""
        return AsyncArenaClient(address or self.target, **self._options())

    def _options(self) -> dict[str, Any]:
        tls = TLSConfig(root_certificates=self.ca_file) if self.tls or self.ca_file else None
        return {"token": self.token, "tls": tls, "timeout_seconds": self.timeout_seconds}


pass_session = click.make_pass_decorator(Session, ensure=True)


def examples(*lines: str) -> str:
    """Returns an epilog that shows command lines as they are."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)


json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document, for programs.")


def connection_options(*, hidden: bool = False) -> Callable[[F], F]:
    """Returns a decorator that adds the connection options.

    The group has them, with their environment variables and in its help. Each command has them too, hidden, so
    that they may stand at either end of the line.
    """
    env = not hidden
    options = [
        click.option(
            "--address",
            metavar="HOST:PORT",
            envvar="CODEARENA_ADDRESS" if env else None,
            help=f"Where the arena is. [env: CODEARENA_ADDRESS; default: {DEFAULT_ADDRESS}]",
            **_stored(hidden),
        ),
        click.option(
            "--token",
            envvar="CODEARENA_TOKEN" if env else None,
            help="Bearer token, if the arena wants one. [env: CODEARENA_TOKEN]",
            **_stored(hidden),
        ),
        click.option("--tls", is_flag=True, default=None, help="Encrypt the connection.", **_stored(hidden)),
        click.option(
            "--ca-file",
            type=click.Path(exists=True, dir_okay=False, path_type=Path),
            help="PEM file of the authorities to trust; implies --tls.",
            **_stored(hidden),
        ),
        click.option(
            "--timeout",
            "timeout_seconds",
            metavar="SECONDS",
            type=click.FloatRange(min=0, min_open=True, max=86_400),
            help="Deadline of each call. [default: 30 s; 120 s for grading and runs, a day for rescore and export]",
            **_stored(hidden),
        ),
    ]

    def decorate(function: F) -> F:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


class ArenaGroup(click.Group):
    """A group that turns what the SDK raises into one line on stderr and an exit status."""

    def invoke(self, ctx: click.Context) -> object:
        """Runs the command."""
        session = ctx.ensure_object(Session)
        try:
            return super().invoke(ctx)
        except ArenaError as error:
            click.echo(f"codearena: {explain(error, session.target)}", err=True)
            retryable = isinstance(error, RetryableError | DeadlineExceededError)
            ctx.exit(EXIT_UNREACHABLE if retryable else EXIT_ARENA)
        except KeyboardInterrupt:
            click.echo("codearena: interrupted", err=True)
            ctx.exit(EXIT_INTERRUPTED)


def explain(error: ArenaError, address: str) -> str:
    """Returns one line that says what happened and what to do about it."""
    message: str = " ".join(error.message.split())
    if isinstance(error, UnavailableError) and not error.reason:
        cause = message.rpartition("last error: ")[2]
        return f"no arena answers at {address}: start one with `make serve`, or pass --address ({cause})"
    if isinstance(error, QuotaExceededError):
        return f"{message}; `codearena runs set` changes the quota, or try again in {error.retry_after_seconds:g} s"
    if isinstance(error, RetryableError):
        return f"{message}: nothing was consumed, try again in {error.retry_after_seconds:g} s"
    if isinstance(error, DeadlineExceededError):
        return f"no answer from {address} in time: raise --timeout ({message})"
    if isinstance(error, UnauthenticatedError):
        return f"{message}: pass --token or set CODEARENA_TOKEN"
    if isinstance(error, UnimplementedError):
        return f"what answers at {address} is no arena, or an older one: {message}"
    if error.reason == ErrorReason.TASK_NOT_FOUND:
        return f"{message}: `codearena tasks list` shows what there is"
    if (error_id := error.metadata.get("error_id")) is not None:
        return f"{message} (error_id {error_id} finds it in the arena's log)"
    return message


def read_source(path: str) -> str:
    """Reads Python source from a file, or from stdin if the path is "-".

    Raises:
        click.UsageError: It is longer than a mebibyte, or not UTF-8.
    """
    with click.open_file(path, "rb") as file:
        data: bytes = file.read(MAX_SOURCE_BYTES + 1)
    name = "stdin" if path == "-" else path
    if len(data) > MAX_SOURCE_BYTES:
        raise click.UsageError(f"{name} is longer than {MAX_SOURCE_BYTES} bytes")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise click.UsageError(f"{name} is not UTF-8: {error.reason} at byte {error.start}") from error


def is_interactive() -> bool:
    """Returns whether a person can be asked: stdin and stdout are a terminal."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def _stored(hidden: bool) -> dict[str, Any]:
    return {"expose_value": False, "callback": _store, "hidden": hidden}


def _store(ctx: click.Context, parameter: click.Parameter, value: object) -> None:
    if value is not None and parameter.name is not None:
        setattr(ctx.ensure_object(Session), parameter.name, value)
