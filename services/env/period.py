"""Which steps a question is about."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement

from services.env.schema import EPISODES, STEPS


@dataclass(frozen=True, slots=True)
class Period:
    """Steps of a training run within a time.

    Attributes:
        run_id: Only this run; "" for all.
        start: Only steps at or after it.
        end: Only steps before it.
    """

    run_id: str = ""
    start: datetime | None = None
    end: datetime | None = None

    def conditions(self) -> Iterator[ColumnElement[bool]]:
        """Yields conditions on steps joined with their episodes."""
        if self.run_id:
            yield EPISODES.c.run_id == self.run_id
        if self.start is not None:
            yield STEPS.c.created >= self.start
        if self.end is not None:
            yield STEPS.c.created < self.end
