"""What a repair pattern is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum

from services.judge.fixer.evidence import Change, Evidence


class Kind(Enum):
    """What a pattern is good for."""

    CORRECTNESS = "correctness"
    """Repairs wrong code; never tried where every test passes."""
    SECURITY = "security"
    """Removes a weakness."""
    EFFICIENCY = "efficiency"
    """Replaces an algorithm by a faster one with the same results."""


@dataclass(frozen=True)
class Rule:
    """A repair pattern.

    Attributes:
        name: For people.
        kind: What it is good for.
        signal: Whether the evidence points at it.
        changes: The programs it proposes, the best first; none if the pattern is not there.
        needs_signal: Whether it is left alone without a signal, as its pattern is often no mistake.
    """

    name: str
    kind: Kind
    signal: Callable[[Evidence], bool]
    changes: Callable[[Evidence], Iterator[Change]]
    needs_signal: bool = False
