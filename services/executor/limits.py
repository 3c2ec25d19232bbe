"""Limits of a sandboxed program: defaults, ceilings, and the harness's terms for them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from google.protobuf.duration_pb2 import Duration

from codearena.v1 import error_reason_pb2 as reasons
from codearena.v1 import executor_service_pb2 as wire
from services.common.errors import invalid

KEPT_OUTPUT_BYTES = 64 * 1024
_MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Limits:
    """What a program may use. Times of one case, or of loading; memory of its address space.

    The defaults are those of a request that names none. `threads` holds where a sandbox has a user
    namespace of its own; elsewhere its engine bounds them.
    """

    cpu_seconds: float = 2.0
    wall_seconds: float = 10.0
    memory_bytes: int = 256 * _MIB
    output_bytes: int = _MIB
    total_wall_seconds: float = 60.0
    file_bytes: int = 16 * _MIB
    open_files: int = 64
    threads: int = 32

    def rlimits(self) -> dict[str, int]:
        """Returns the resource limits that the child sets itself, by the names of resource.RLIMIT_*.

        CPU time is not among them: with that one the kernel counts a process's CPU time by the tick, and what is
        measured here is shorter. The harness looks at its account instead.
        """
        return {
            "AS": self.memory_bytes,
            "FSIZE": self.file_bytes,
            "NOFILE": self.open_files,
            "NPROC": self.threads,
            "CORE": 0,
            "MEMLOCK": 0,
            "MSGQUEUE": 0,
        }


_CEILING = Limits(30.0, 60.0, 1024 * _MIB, 16 * _MIB, 300.0)
_FLOOR_MEMORY = 64 * _MIB


def resolve(message: wire.Limits) -> Limits:
    """Fills in the defaults and checks the rest.

    Raises:
        StatusError: INVALID_ARGUMENT for a limit that is not positive or above the ceiling.
    """
    base = Limits()
    cpu = _seconds(message, "cpu_time", base.cpu_seconds, _CEILING.cpu_seconds)
    wall = _seconds(message, "wall_time", base.wall_seconds, _CEILING.wall_seconds)
    memory = message.memory_bytes if message.HasField("memory_bytes") else base.memory_bytes
    output = message.output_bytes if message.HasField("output_bytes") else base.output_bytes
    _check("memory_bytes", memory, _FLOOR_MEMORY, _CEILING.memory_bytes)
    _check("output_bytes", output, 1, _CEILING.output_bytes)
    return Limits(cpu, wall, memory, output, base.total_wall_seconds)


def _seconds(message: wire.Limits, field: str, default: float, ceiling: float) -> float:
    if not message.HasField(field):  # type: ignore[arg-type]
        return default
    duration: Duration = getattr(message, field)
    value = duration.ToNanoseconds() / 1e9
    _check(field, value, 0.001, ceiling)
    return value


def _check(field: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise invalid(
            reasons.ERROR_REASON_INVALID_FIELD, f"limits.{field}", f"must be from {low:g} to {high:g}, not {value:g}"
        )


def nanoseconds(seconds: float) -> int:
    """Returns seconds as whole nanoseconds."""
    return round(seconds * 1e9)


def program_terms(limits: Limits) -> dict[str, Any]:
    """Returns the limits of a program as the harness's first frame has them."""
    return {
        "rlimits": limits.rlimits(),
        "output_limit": limits.output_bytes,
        "output_keep": KEPT_OUTPUT_BYTES,
        "load_cpu": nanoseconds(limits.cpu_seconds),
        "load_wall": nanoseconds(limits.wall_seconds),
        "total_wall": nanoseconds(limits.total_wall_seconds),
    }
