"""Keeps the processes of one program on one core as long as it is short.

Supervisor, template and child take turns. On one core they find in its caches what they hand each other, and a wake-up
needs no interrupt on another one: that is a quarter of what a short program costs. A program that takes longer gets the
freedom to be moved.
"""

from __future__ import annotations

import ctypes
import os

SHORT = 20_000_000
"""Nanoseconds for which a program counts as short."""

_EVERYWHERE = os.sched_getaffinity(0)
_getcpu = ctypes.CDLL(None).sched_getcpu


def gather(pid: int) -> None:
    """Binds the calling process and another one to the core that the caller is on, if that is allowed."""
    _bind({_getcpu()}, pid)


def spread(pid: int = 0) -> None:
    """Lets the calling process, and another one, run on any core again."""
    _bind(_EVERYWHERE, pid)


def _bind(cores: set[int], pid: int) -> None:
    try:
        os.sched_setaffinity(0, cores)
        if pid:
            os.sched_setaffinity(pid, cores)
    except OSError:
        return  # it is forbidden here, or the other one has just ended: then it costs more, and that is all
