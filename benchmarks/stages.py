"""Where the time of a grading went, by the env service's own account."""

from __future__ import annotations

from collections.abc import Mapping

from prometheus_client import CollectorRegistry

STAGES = ("queue", "provision", "execute", "judge", "store")
_ALL = (*STAGES, "total")
ALONE: dict[str, object] = {"judge_base_url": "", "database_url": None, "token": None, "certificates": None}
"""Settings of an arena that depends on nothing around it: the static judge, a store of its own."""


class Stages:
    """Seconds spent in each stage so far, from the metrics of the env service."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        self._before = self._read()

    def _read(self) -> Mapping[str, float]:
        name = "codearena_step_duration_seconds_sum"
        return {stage: self._registry.get_sample_value(name, {"stage": stage}) or 0.0 for stage in _ALL}

    def since(self) -> dict[str, float]:
        """Returns what was spent since the last call."""
        before, self._before = self._before, self._read()
        return {stage: self._before[stage] - before[stage] for stage in _ALL}
