"""Whether an equal program would fare the same again. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from services.executor.jobs import Answer
from services.executor.limits import Limits, nanoseconds

_STOPPED = frozenset({"timeout", "memory", "output"})
_STOPS_BEFORE_SKIPPING = 3


def is_settled(answers: Sequence[Answer], limits: Limits) -> bool:
    """Returns whether nothing in a program's answers was the machine's doing.

    A case that was stopped by elapsed time may pass on an idle machine, one that the kernel killed may live where
    there is more memory, and one that was skipped for the want of time may run. One that used up its CPU time, or was
    skipped because others before it had to be stopped, fares the same everywhere.

    Args:
        answers: Of all cases, and of loading.
        limits: What the program was allowed.
    """
    if any(answer.state == "memory" for answer in answers):
        return False
    if any(answer.state == "timeout" and answer.cpu < nanoseconds(limits.cpu_seconds) for answer in answers):
        return False
    skipped = any(answer.state == "skipped" for answer in answers)
    return not skipped or sum(answer.state in _STOPPED for answer in answers) >= _STOPS_BEFORE_SKIPPING
