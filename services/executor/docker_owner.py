"""Whose container it is: labels that tell a later executor whether the one that made it still lives."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from services.executor.labels import INSTANCE_LABEL, ROLE, ROLE_LABEL

_BOOT_LABEL = "codearena.executor.boot"
_NAMESPACE_LABEL = "codearena.executor.pid-namespace"
_PID_LABEL = "codearena.executor.pid"
_STARTED_LABEL = "codearena.executor.started"

FINISHED_AGE_SECONDS = 10 * 60.0
"""After that a container that has ended belongs to nobody, if its owner cannot be seen from here."""

RUNNING_AGE_SECONDS = 24 * 3600.0
"""After that a running one does. It is long because a container whose owner is gone ends by itself: the
engine closes its stdin, and the harness ends with it."""


@dataclass(frozen=True, slots=True)
class Owner:
    """An executor process, as other executors on the same machine can recognise it.

    Attributes:
        instance: Random name of this run of the executor.
        boot: The kernel's boot id; empty where it cannot be read.
        pid_namespace: Name of the pid namespace; empty where it cannot be read.
        pid: Process id in it.
        started: The process's start in the kernel's ticks, so that a reused pid is not taken for it.
    """

    instance: str
    boot: str
    pid_namespace: str
    pid: int
    started: str

    def labels(self) -> dict[str, str]:
        """Returns the labels that each container of this executor carries."""
        return {
            ROLE_LABEL: ROLE,
            INSTANCE_LABEL: self.instance,
            _BOOT_LABEL: self.boot,
            _NAMESPACE_LABEL: self.pid_namespace,
            _PID_LABEL: str(self.pid),
            _STARTED_LABEL: self.started,
        }


def this_process() -> Owner:
    """Describes the calling process under a new instance name."""
    return Owner(
        instance=uuid4().hex,
        boot=_read("/proc/sys/kernel/random/boot_id"),
        pid_namespace=_read_link("/proc/self/ns/pid"),
        pid=os.getpid(),
        started=process_start(os.getpid()),
    )


def process_start(pid: int) -> str:
    """Returns a process's start time in ticks since boot, or "" if no process of that id lives.

    Fields 3 (state) and 22 (start time) of /proc/[pid]/stat, see proc(5).
    """
    # The name, field 2, may itself contain spaces and brackets.
    fields = _read(f"/proc/{pid}/stat").rpartition(")")[2].split()
    return fields[19] if len(fields) > 19 and fields[0] not in "ZX" else ""


def is_orphan(labels: Mapping[str, str], *, running: bool, age_seconds: float, me: Owner) -> bool:
    """Says whether a sandbox's executor is gone, so that the sandbox may be removed.

    An executor that this process can see (same boot, same pid namespace) is looked up in the process table.
    Of any other nothing is known but the age of what it left; its running containers are left alone for a day.

    Args:
        labels: The container's labels.
        running: Whether it has been started and has not ended.
        age_seconds: Since it was made.
        me: The calling executor; its own containers are never orphans.
    """
    if labels.get(ROLE_LABEL) != ROLE or labels.get(INSTANCE_LABEL) == me.instance:
        return False
    seen = (labels.get(_BOOT_LABEL), labels.get(_NAMESPACE_LABEL)) == (me.boot, me.pid_namespace)
    pid, started = labels.get(_PID_LABEL, ""), labels.get(_STARTED_LABEL, "")
    if seen and me.boot and me.pid_namespace and pid.isdecimal() and started:
        return process_start(int(pid)) != started
    return age_seconds > (RUNNING_AGE_SECONDS if running else FINISHED_AGE_SECONDS)


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""


def _read_link(path: str) -> str:
    try:
        return str(Path(path).readlink())
    except OSError:
        return ""
