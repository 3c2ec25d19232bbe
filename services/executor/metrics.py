"""Prometheus metrics of the executor, fed by the pool's observer and by the handlers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from codearena.v1 import core_pb2 as core
from services.executor.canary import PROBES
from services.executor.jobs import Attempts

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_REASONS = {
    core.OUTCOME_PASSED: "ok",
    core.OUTCOME_TESTS_FAILED: "ok",
    core.OUTCOME_COMPILE_ERROR: "ok",
    core.OUTCOME_CRASHED: "nonzero",
    core.OUTCOME_TIMED_OUT: "timeout",
    core.OUTCOME_OUT_OF_MEMORY: "oom",
    core.OUTCOME_OUTPUT_LIMIT_EXCEEDED: "output",
}
_NETWORK = frozenset({"socket", "connect", "bind", "listen", "accept", "accept4"})
_POOL_STATES = ("warming", "idle", "leased")
_KINDS = ("network", "syscall", "tamper", "early_exit", "flood", "survivor")


class ExecutorMetrics:
    """Everything the executor exports.

    Args:
        registry: Where.
        backend: Lower-case name of the sandbox backend.
        probes: What its canary tries.
    """

    def __init__(self, registry: CollectorRegistry, backend: str, probes: Iterable[str] = PROBES) -> None:
        self._backend = backend
        self._queue = Gauge("codearena_executor_queue_depth", "Requests that wait for a slot.", registry=registry)
        self._wait = Histogram(
            "codearena_executor_queue_wait_seconds", "Time in the queue.", buckets=_SECONDS, registry=registry
        )
        slots = Gauge("codearena_executor_slots", "Slots by state.", ("state",), registry=registry)
        self._busy, self._free = slots.labels("busy"), slots.labels("free")
        pool = Gauge("codearena_sandbox_pool_size", "Sandboxes by state.", ("backend", "state"), registry=registry)
        self._warming, self._idle, self._leased = (pool.labels(backend, state) for state in _POOL_STATES)
        self._start = Histogram(
            "codearena_sandbox_start_duration_seconds",
            "Time until a sandbox was had.",
            ("backend", "path"),
            buckets=_SECONDS,
            registry=registry,
        )
        self._exits = Counter(
            "codearena_sandbox_exits", "How sandboxed programs ended.", ("backend", "reason"), registry=registry
        )
        self._violations = Counter(
            "codearena_sandbox_violations", "What submissions tried.", ("kind",), registry=registry
        )
        self._verdicts = Counter(
            "codearena_verdict_cache", "Verdicts that were known or had to be made.", ("result",), registry=registry
        )
        for result in ("hit", "miss"):
            self._verdicts.labels(result)
        self._canary = Gauge(
            "codearena_isolation_canary_ok",
            "1 where the last canary could not do what it tried.",
            ("backend", "probe"),
            registry=registry,
        )
        for probe in probes:
            self._canary.labels(backend, probe).set(0)
        for reason in (*_REASONS.values(), "infra_error"):
            self._exits.labels(backend, reason)
        for kind in _KINDS:
            self._violations.labels(kind)
        for path in ("warm", "cold"):
            self._start.labels(backend, path)

    def slots(self, busy: int, free: int, waiting: int) -> None:
        """Sets the state of slots and queue."""
        self._busy.set(busy)
        self._free.set(free)
        self._queue.set(waiting)

    def stocked(self, warming: int, idle: int) -> None:
        """Sets how many sandboxes are made and ready."""
        self._warming.set(warming)
        self._idle.set(idle)

    def leased(self, count: int) -> None:
        """Sets how many sandboxes are in use, or used and not yet gone."""
        self._leased.set(count)

    def waited(self, seconds: float) -> None:
        """Counts a request that left the queue."""
        self._wait.observe(seconds)

    def started(self, seconds: float, *, warm: bool) -> None:
        """Counts a sandbox that was had."""
        self._start.labels(self._backend, "warm" if warm else "cold").observe(seconds)

    def ended(self, outcome: core.Outcome.ValueType, attempts: Attempts | None) -> None:
        """Counts a program that ended, and what it tried."""
        self._exits.labels(self._backend, _REASONS[outcome]).inc()
        if attempts is None:
            return
        refused = set(attempts.refused)
        tried = {
            "network": bool(refused & _NETWORK),
            "syscall": bool(refused - _NETWORK),
            "tamper": attempts.tampered > 0,
            "early_exit": attempts.early_exit,
            "flood": attempts.flood,
            "survivor": attempts.survivors > 0,
        }
        for kind in (kind for kind, found in tried.items() if found):
            self._violations.labels(kind).inc()

    def asked(self, *, known: bool) -> None:
        """Counts a verdict that was asked for."""
        self._verdicts.labels("hit" if known else "miss").inc()

    def flown(self, held: Mapping[str, bool]) -> None:
        """Says of each probe of a canary whether the isolation held."""
        for probe, ok in held.items():
            self._canary.labels(self._backend, probe).set(ok)

    def failed(self) -> None:
        """Counts a program that was not graded for a reason of ours."""
        self._exits.labels(self._backend, "infra_error").inc()
