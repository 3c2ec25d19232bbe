"""Limits: what a request may ask for, and what it gets when it asks for nothing."""

from __future__ import annotations

import pytest

from codearena.v1 import executor_service_pb2 as wire
from services.common.errors import StatusError, reason_name
from services.executor import limits
from services.executor.limits import Limits

MIB = 1 << 20


def message(cpu: float | None = None, wall: float | None = None, **sizes: int) -> wire.Limits:
    made = wire.Limits(**sizes)
    if cpu is not None:
        made.cpu_time.FromNanoseconds(round(cpu * 1e9))
    if wall is not None:
        made.wall_time.FromNanoseconds(round(wall * 1e9))
    return made


def test_defaults_are_the_contracts() -> None:
    resolved = limits.resolve(wire.Limits())

    assert (resolved.cpu_seconds, resolved.wall_seconds) == (2.0, 10.0)
    assert (resolved.memory_bytes, resolved.output_bytes) == (268435456, 1048576)


def test_each_limit_can_be_set_alone() -> None:
    assert limits.resolve(message(cpu=0.5)) == Limits(cpu_seconds=0.5)
    assert limits.resolve(message(wall=0.001)) == Limits(wall_seconds=0.001)
    assert limits.resolve(message(memory_bytes=64 * MIB)) == Limits(memory_bytes=64 * MIB)
    assert limits.resolve(message(output_bytes=1)) == Limits(output_bytes=1)


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        (message(cpu=0), "cpu_time"),
        (message(cpu=-1), "cpu_time"),
        (message(cpu=31), "cpu_time"),
        (message(wall=0), "wall_time"),
        (message(wall=61), "wall_time"),
        (message(wall=1e8), "wall_time"),
        (message(memory_bytes=0), "memory_bytes"),
        (message(memory_bytes=-1), "memory_bytes"),
        (message(memory_bytes=64 * MIB - 1), "memory_bytes"),
        (message(memory_bytes=1024 * MIB + 1), "memory_bytes"),
        (message(output_bytes=0), "output_bytes"),
        (message(output_bytes=16 * MIB + 1), "output_bytes"),
    ],
)
def test_what_is_out_of_range_is_named(wrong: wire.Limits, field: str) -> None:
    with pytest.raises(StatusError) as caught:
        limits.resolve(wrong)

    assert caught.value.code.name == "INVALID_ARGUMENT"
    assert reason_name(caught.value.reason) == "INVALID_FIELD"
    assert caught.value.metadata["field"] == f"limits.{field}"


def test_resource_limits_back_the_watched_ones() -> None:
    chosen = Limits(memory_bytes=100 * MIB, total_wall_seconds=7)

    assert chosen.rlimits()["AS"] == 100 * MIB
    assert chosen.rlimits()["CORE"] == 0
