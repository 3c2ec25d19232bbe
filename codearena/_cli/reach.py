"""How commands about what was played find the arena that keeps it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import click

from codearena import ArenaClient, UnavailableError
from codearena._cli.embedded import embedded_arena
from codearena._cli.session import Session

_PROBE_SECONDS: Final = 5.0


@contextmanager
def keeping_arena(session: Session) -> Iterator[ArenaClient]:
    """Yields a client of the arena that was named, else of one that runs here, else of one that is started.

    The latter works on the same data directory as `codearena demo` and `make serve`, and ends with the command.

    Raises:
        ArenaProblem: None runs, and there is none to start here.
    """
    if session.address is not None or _answers(session):
        with session.connect() as arena:
            yield arena
        return
    click.echo(f"no arena at {session.target}: starting one on the data directory ...", err=True)
    with embedded_arena() as own, session.connect(own.address) as arena:
        yield arena


def _answers(session: Session) -> bool:
    with session.connect() as arena:
        try:
            arena.health(timeout_seconds=_PROBE_SECONDS)
        except UnavailableError:
            return False
    return True
