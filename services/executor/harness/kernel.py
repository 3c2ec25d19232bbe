"""What the kernel says of a process: its CPU time and memory, which it cannot forge."""

from __future__ import annotations

import os
import time


class Account:
    """The kernel's account of one living process.

    Args:
        pid: The process. All of its threads count.
    """

    def __init__(self, pid: int) -> None:
        # As the kernel's include/linux/posix-timers_types.h makes it: MAKE_PROCESS_CPUCLOCK with CPUCLOCK_SCHED.
        self._clock = (~pid << 3) | 2
        try:
            self._status = os.open(f"/proc/{pid}/status", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            self._status = -1  # there is no /proc here

    def cpu_nanoseconds(self) -> int:
        """Returns the CPU time so far, or 0 if the process is gone."""
        try:
            return time.clock_gettime_ns(self._clock)
        except OSError:
            return 0

    def peak_memory_bytes(self) -> int:
        """Returns the peak resident memory so far, or 0 if the process is gone or there is no /proc."""
        try:
            text = os.pread(self._status, 4096, 0)
        except OSError:
            return 0
        _, found, rest = text.partition(b"VmHWM:")
        return int(rest.split(None, 1)[0]) * 1024 if found else 0

    def close(self) -> None:
        """Lets go of the process. Idempotent."""
        if self._status >= 0:
            os.close(self._status)
            self._status = -1
