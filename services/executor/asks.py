"""On whose behalf a sandbox is asked for, and until when it is of use."""

from __future__ import annotations

import time
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Ask:
    """One request for a sandbox.

    Attributes:
        run_id: The training run; runs share the executor fairly. "" is a run of its own.
        deadline: Monotonic time after which nobody waits for the answer; None if it has none.
    """

    run_id: str = ""
    deadline: float | None = None

    @property
    def too_late(self) -> bool:
        """Whether the deadline has gone."""
        return self.deadline is not None and time.monotonic() >= self.deadline
