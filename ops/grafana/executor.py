"""Executor: the queue, the pool of sandboxes, what became of programs, and whether sandboxes keep them in."""

from __future__ import annotations

from grafana_foundation_sdk.models.dashboard import Dashboard

from ops.grafana.parts import (
    COUNT,
    GREEN,
    HALF,
    ORANGE,
    PER_SECOND,
    QUARTER,
    RED,
    SECONDS,
    SHARE,
    THIRD,
    Query,
    Row,
    board,
    choice,
    lines,
    number,
    states,
)

_RATE = "[$__rate_interval]"
_IN = '{backend=~"$backend"}'


def executor() -> Dashboard:
    """Returns the dashboard."""
    return board(
        "Executor",
        "Pool, queue, starts, outcomes, violations and leaks.",
        [_now(), _queue(), _sandboxes(), _programs(), _isolation()],
        [choice("backend", "backend", "codearena_sandbox_pool_size")],
    )


def _now() -> Row:
    return Row(
        "Now",
        [
            number(
                "Slots busy",
                "Share of all executors' slots.",
                'sum(codearena_executor_slots{state="busy"}) / sum(codearena_executor_slots)',
                SHARE,
                ((None, GREEN), (0.9, ORANGE)),
            ),
            number(
                "Waiting",
                "Gradings that wait for a slot; what the autoscaler looks at.",
                "sum(codearena_executor_queue_depth)",
                COUNT,
            ),
            number(
                "Ready sandboxes",
                "Made before they are asked for.",
                'sum(codearena_sandbox_pool_size{state="idle"})',
                COUNT,
                ((None, ORANGE), (1, GREEN)),
            ),
            number(
                "Steps lost to us",
                "Of the last 15 minutes, not graded for a reason of ours.",
                "codearena:steps_infra_error:ratio_rate15m",
                SHARE,
                ((None, GREEN), (0.01, ORANGE), (0.05, RED)),
            ),
            number(
                "Isolation",
                "1: no sandbox let its canary do anything.",
                "min(codearena_isolation_canary_ok)",
                COUNT,
                ((None, RED), (1, GREEN)),
            ),
            number(
                "Left behind, 24 h",
                "Sandboxes that nobody owned and that were removed.",
                "sum(increase(codearena_sandbox_orphans_reaped_total[24h]))",
                COUNT,
                ((None, GREEN), (10, ORANGE)),
            ),
        ],
    )


def _queue() -> Row:
    wait = f"sum by (le) (rate(codearena_executor_queue_wait_seconds_bucket{_RATE}))"
    return Row(
        "Queue",
        [
            lines(
                "Waiting, by executor",
                "If it stays above zero, add slots or executors.",
                Query("sum by (instance) (codearena_executor_queue_depth)", "{{instance}}"),
                width=THIRD,
            ),
            lines(
                "Time in the queue",
                "Whether a slot was had in the end or not. p95 is over ten minutes, as QueueWaitHigh has it.",
                Query(f"histogram_quantile(0.5, {wait})", "p50", exemplars=True),
                Query("codearena:queue_wait_seconds:p95_10m", "p95"),
                unit=SECONDS,
                width=THIRD,
            ),
            lines(
                "Slots",
                "Programs that run, and that could run.",
                Query("sum by (state) (codearena_executor_slots)", "{{state}}"),
                width=THIRD,
                stacked=True,
            ),
        ],
    )


def _sandboxes() -> Row:
    return Row(
        "Sandboxes",
        [
            lines(
                "Pool",
                "leased: in use, or used and not yet gone.",
                Query(f"sum by (state) (codearena_sandbox_pool_size{_IN})", "{{state}}"),
                width=THIRD,
                stacked=True,
            ),
            lines(
                "Time until one was had, p95",
                "warm: one was ready; cold: it had to be made.",
                Query(
                    "histogram_quantile(0.95, sum by (path, le) (rate("
                    f"codearena_sandbox_start_duration_seconds_bucket{_IN}{_RATE})))",
                    "{{path}}",
                ),
                unit=SECONDS,
                width=THIRD,
            ),
            lines(
                "Cold starts",
                "Share of sandboxes that were not ready, over 30 minutes.",
                Query(f"backend:sandbox_cold_starts:ratio_rate30m{_IN}", "{{backend}}"),
                unit=SHARE,
                width=THIRD,
            ),
        ],
    )


def _programs() -> Row:
    return Row(
        "Programs",
        [
            lines(
                "How they ended",
                "infra_error is our failure; all else is the program's own.",
                Query(f"sum by (reason) (rate(codearena_sandbox_exits_total{_IN}{_RATE}))", "{{reason}}"),
                unit=PER_SECOND,
                width=THIRD,
                stacked=True,
            ),
            lines(
                "Out of memory or time",
                "Share of programs, over 30 minutes.",
                Query('reason:sandbox_exits:ratio_rate30m{reason=~"oom|timeout"}', "{{reason}}"),
                unit=SHARE,
                width=THIRD,
            ),
            lines(
                "Verdicts known before",
                "Programs whose verdict was kept are not run again.",
                Query(f"sum by (result) (rate(codearena_verdict_cache_total{_RATE}))", "{{result}}"),
                unit=PER_SECOND,
                width=THIRD,
                stacked=True,
            ),
        ],
    )


def _isolation() -> Row:
    return Row(
        "Isolation",
        [
            states(
                "Canaries",
                "What each probe tries from within a sandbox, now and again.",
                Query(f"min by (backend, probe) (codearena_isolation_canary_ok{_IN})", "{{backend}} {{probe}}"),
                (("0", "got out", RED), ("1", "held", GREEN)),
                HALF,
            ),
            lines(
                "Violations",
                "Share of programs that tried it, over 15 minutes.",
                Query("kind:sandbox_violations:ratio_rate15m", "{{kind}}"),
                unit=SHARE,
                width=QUARTER,
            ),
            lines(
                "Left behind",
                "Sandboxes that nobody owned, found and removed.",
                Query(
                    f"sum by (backend) (increase(codearena_sandbox_orphans_reaped_total{_IN}{_RATE}))", "{{backend}}"
                ),
                width=QUARTER,
            ),
        ],
    )
