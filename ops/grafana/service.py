"""Service: rate, errors and duration of every RPC, where a step's time goes, and how the budgets of errors burn."""

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
    WIDE,
    Query,
    Row,
    board,
    choice,
    distribution,
    lines,
    listing,
    number,
)

_RATE = "[$__rate_interval]"
_OF = '{grpc_service=~"$service"}'
_BURN = ((None, GREEN), (1, ORANGE), (6, RED))
_WINDOWS = ("5m", "30m", "1h", "2h", "6h", "1d", "3d")
_AVAILABILITY_BUDGET, _OVERHEAD_BUDGET = 0.005, 0.01


def service() -> Dashboard:
    """Returns the dashboard."""
    return board(
        "Service",
        "Rate, errors and duration by RPC, latency by stage, burn of the objectives' budgets, the gateway.",
        [_now(), _objectives(), _rpcs(), _steps(), _gateway(), _running()],
        [choice("service", "grpc_service", "grpc_server_handled_total")],
    )


def _now() -> Row:
    return Row(
        "Now",
        [
            number(
                "Availability, 3 days",
                "Calls of env that did not fail for a reason of ours. The objective is 99.5 %.",
                "1 - codearena:rpc_errors:ratio_rate3d",
                SHARE,
                ((None, RED), (0.995, GREEN)),
            ),
            number(
                "Availability burn, 1 h",
                "How many times faster than allowed the budget goes; 14.4 pages.",
                f"codearena:rpc_errors:ratio_rate1h / {_AVAILABILITY_BUDGET}",
                COUNT,
                _BURN,
            ),
            number(
                "Step overhead burn, 1 h",
                "The same for gradings that waited over 2.5 s.",
                f"codearena:step_overhead:ratio_rate1h / {_OVERHEAD_BUDGET}",
                COUNT,
                _BURN,
            ),
            number("Calls of env an hour", "All RPCs, whatever their status.", "codearena:rpcs:increase1h", COUNT),
            number("Gradings an hour", "Programs that were run.", "codearena:gradings:increase1h", COUNT),
            number(
                "Targets down",
                "Of those that Prometheus scrapes.",
                'sum(1 - up{job=~"codearena-.+"})',
                COUNT,
                ((None, GREEN), (1, RED)),
            ),
        ],
    )


def _objectives() -> Row:
    return Row(
        "Objectives",
        [
            lines(
                "Availability: burn by window",
                "1 uses up the budget in 30 days.",
                *(
                    Query(f"codearena:rpc_errors:ratio_rate{window} / {_AVAILABILITY_BUDGET}", window)
                    for window in _WINDOWS
                ),
                width=THIRD,
            ),
            lines(
                "Step overhead: burn by window",
                "1 uses up the budget in 30 days.",
                *(
                    Query(f"codearena:step_overhead:ratio_rate{window} / {_OVERHEAD_BUDGET}", window)
                    for window in _WINDOWS
                ),
                width=THIRD,
            ),
            listing("Firing alerts", "Watchdog always is.", 'ALERTS{alertstate="firing"}', THIRD),
        ],
    )


def _rpcs() -> Row:
    by = "grpc_service, grpc_method"
    return Row(
        "RPCs",
        [
            lines(
                "Rate",
                "Completed calls.",
                Query(f"sum by ({by}) (rate(grpc_server_handled_total{_OF}{_RATE})) > 0", "{{grpc_method}}"),
                unit=PER_SECOND,
                width=THIRD,
            ),
            lines(
                "Not OK, by code",
                "The callers' mistakes are among them; docs/monitoring.md says which codes are ours.",
                Query(
                    'sum by (grpc_code) (rate(grpc_server_handled_total{grpc_service=~"$service", grpc_code!="OK"}'
                    f"{_RATE}))",
                    "{{grpc_code}}",
                ),
                unit=PER_SECOND,
                width=THIRD,
                stacked=True,
            ),
            lines(
                "Latency, p95",
                "One call in twenty took longer.",
                Query(
                    f"histogram_quantile(0.95, sum by ({by}, le) ("
                    f"rate(grpc_server_handling_seconds_bucket{_OF}{_RATE})))",
                    "{{grpc_method}}",
                    exemplars=True,
                ),
                unit=SECONDS,
                width=THIRD,
            ),
        ],
    )


def _steps() -> Row:
    count = f"sum by (stage) (rate(codearena_step_duration_seconds_count{_RATE}))"
    return Row(
        "Steps",
        [
            lines(
                "Stages, mean",
                "Executor (queue, provision, execute) and judge work at the same time; total is less than the sum.",
                Query(
                    f"sum by (stage) (rate(codearena_step_duration_seconds_sum{_RATE})) / ({count} > 0)", "{{stage}}"
                ),
                unit=SECONDS,
                width=THIRD,
            ),
            lines(
                "Stages, p95",
                "One step in twenty took longer.",
                Query(
                    "histogram_quantile(0.95, sum by (stage, le) ("
                    f"rate(codearena_step_duration_seconds_bucket{_RATE})))",
                    "{{stage}}",
                    exemplars=True,
                ),
                unit=SECONDS,
                width=THIRD,
            ),
            distribution(
                "Whole steps",
                "From the request to the answer.",
                f'sum by (le) (increase(codearena_step_duration_seconds_bucket{{stage="total"}}{_RATE}))',
                SECONDS,
                THIRD,
            ),
        ],
    )


def _gateway() -> Row:
    return Row(
        "Gateway",
        [
            lines(
                "Requests by status",
                "HTTP answers of the gateway.",
                Query(f"sum by (status) (rate(codearena_gateway_requests_total{_RATE}))", "{{status}}"),
                unit=PER_SECOND,
                width=QUARTER,
                stacked=True,
            ),
            lines(
                "Latency by route, p95",
                "One request in twenty took longer.",
                Query(
                    f"histogram_quantile(0.95, sum by (route, le) ("
                    f"rate(codearena_gateway_request_seconds_bucket{_RATE})))",
                    "{{route}}",
                ),
                unit=SECONDS,
                width=QUARTER,
            ),
            lines(
                "WebSocket sessions",
                "Open now.",
                Query("sum(codearena_gateway_sessions)", "sessions"),
                width=QUARTER,
            ),
            lines(
                "WebSocket messages",
                "Both ways.",
                Query(f"sum by (way) (rate(codearena_gateway_messages_total{_RATE}))", "{{way}}"),
                unit=PER_SECOND,
                width=QUARTER,
            ),
        ],
    )


def _running() -> Row:
    return Row(
        "Running",
        [
            lines(
                "Open episodes",
                "In the store that all replicas share.",
                Query("max(codearena_episodes_active)", "open"),
                width=HALF,
            ),
            lines(
                "How long an episode stays open",
                "What is open over what ends in a second. Grows where clients open episodes and do not end them.",
                Query("codearena:episode_lifetime_seconds:mean1h", "mean"),
                unit=SECONDS,
                width=HALF,
            ),
            listing("Versions", "What runs where.", "codearena_build_info", WIDE),
        ],
    )
