"""The command `token new`: a token for a client, and the entry by which an arena knows it."""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import click

from codearena._cli.render import emit_json
from codearena._cli.session import examples, json_option

PREFIX: Final = "codearena_"
"""So that scanners for leaked secrets can know a token by its look."""
SCOPES: Final = ("read", "train", "admin", "service")
_RESERVED: Final = ("shared", "nobody")
"""What an arena calls callers that have no token of their own."""
_RANDOM_BYTES: Final = 32
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@click.group()
def token() -> None:
    """Make tokens for clients of an arena."""


def _check_name(_ctx: click.Context, _param: click.Parameter, name: str) -> str:
    if not _NAME.fullmatch(name) or name in _RESERVED:
        raise click.BadParameter("up to 64 letters, digits, dots, dashes and underscores; not `shared` or `nobody`")
    return name


@token.command(
    "new",
    epilog=examples(
        "codearena token new --name trainer-a --scope train --days 90 --concurrent-steps 64",
        "codearena token new --name grafana --scope read --requests-per-second 5",
    ),
)
@click.option("--name", required=True, callback=_check_name, help="What logs and errors call it.")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    required=True,
    type=click.Choice(SCOPES),
    help="What it may do; may be given several times. train includes read, admin includes both.",
)
@click.option("--days", type=click.FloatRange(min=0, min_open=True, max=36_500), help="It expires after so many days.")
@click.option("--requests-per-second", type=click.FloatRange(min=0, min_open=True, max=100_000), help="Over time.")
@click.option("--burst", type=click.IntRange(1, 100_000), help="How many of them may come at once; 100 by default.")
@click.option("--concurrent-steps", type=click.IntRange(1, 100_000), help="Gradings, runs and repairs at once.")
@json_option
def new(
    name: str,
    scopes: tuple[str, ...],
    days: float | None,
    requests_per_second: float | None,
    burst: int | None,
    concurrent_steps: int | None,
    as_json: bool,
) -> None:
    """Print a new token, once, and the entry for the arena's CODEARENA_TOKENS_FILE.

    The entry has the token's hash, so the file gives no token away. Nothing is kept here: what is lost cannot be shown
    again.
    """
    secret = PREFIX + secrets.token_urlsafe(_RANDOM_BYTES)
    entry: dict[str, Any] = {
        "name": name,
        "sha256": hashlib.sha256(secret.encode()).hexdigest(),
        "scopes": list(dict.fromkeys(scopes)),
    }
    if days is not None:
        expires = datetime.now(UTC) + timedelta(days=days)
        entry["expires"] = expires.isoformat(timespec="seconds")
    quotas = {"requests_per_second": requests_per_second, "burst": burst, "concurrent_steps": concurrent_steps}
    entry |= {quota: limit for quota, limit in quotas.items() if limit is not None}
    if as_json:
        emit_json({"token": secret, "entry": entry})
        return
    click.echo("the token, for its client; it is not shown again:", err=True)
    click.echo(secret)
    click.echo("a line for the list `tokens:` of the arena's CODEARENA_TOKENS_FILE:", err=True)
    click.echo(f"  - {json.dumps(entry)}")
