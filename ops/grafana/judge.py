"""Judge: whether its models answer, how soon and for how much, and what stands in for them."""

from __future__ import annotations

from grafana_foundation_sdk.models.dashboard import Dashboard

from ops.grafana.parts import (
    COUNT,
    DOLLARS,
    GREEN,
    HALF,
    ORANGE,
    PER_SECOND,
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
)

_RATE = "[$__rate_interval]"
_IN = '{model=~"$model"}'


def judge() -> Dashboard:
    """Returns the dashboard."""
    return board(
        "Judge",
        "Latency, cost, fallbacks and the circuit breaker, by model.",
        [_now(), _answers(), _failures(), _cost()],
        [choice("model", "model", "codearena_judge_requests_total")],
    )


def _now() -> Row:
    return Row(
        "Now",
        [
            number(
                "Fallbacks",
                "Of the last 15 minutes' answers, built in for a reason that no fix can provoke.",
                "codearena:judge_fallbacks:ratio_rate15m",
                SHARE,
                ((None, GREEN), (0.05, ORANGE), (0.2, RED)),
            ),
            number(
                "Errors",
                "Of the worst model's questions within 15 minutes.",
                "max(model:judge_errors:ratio_rate15m)",
                SHARE,
                ((None, GREEN), (0.05, ORANGE), (0.1, RED)),
            ),
            number(
                "Slowest model, p95",
                "Over 15 minutes.",
                "max(model:judge_duration_seconds:p95_15m)",
                SECONDS,
                ((None, GREEN), (5, ORANGE), (10, RED)),
            ),
            number(
                "Breaker, 15 min",
                "Questions that were not asked, since a model had failed too often.",
                'sum(increase(codearena_judge_requests_total{outcome="breaker_open"}[15m]))',
                COUNT,
                ((None, GREEN), (1, RED)),
            ),
            number("Cost, 1 h", "By the prices in the settings.", "codearena:judge_cost_usd:increase1h", DOLLARS),
            number(
                "Cost, 24 h",
                "By the prices in the settings.",
                "sum(increase(codearena_judge_cost_usd_total[24h]))",
                DOLLARS,
            ),
        ],
    )


def _answers() -> Row:
    seconds = f"sum by (model, le) (rate(codearena_judge_duration_seconds_bucket{_IN}{_RATE}))"
    return Row(
        "Answers",
        [
            lines(
                "Questions by outcome",
                "`static` and `builtin` are models that are no models.",
                Query(f"sum by (outcome) (rate(codearena_judge_requests_total{_IN}{_RATE}))", "{{outcome}}"),
                unit=PER_SECOND,
                width=THIRD,
                stacked=True,
            ),
            lines(
                "Latency by model",
                "Until there was an answer or none. p95 is over 15 minutes, as JudgeLatencyHigh has it.",
                Query(f"histogram_quantile(0.5, {seconds})", "{{model}} p50", exemplars=True),
                Query(f"model:judge_duration_seconds:p95_15m{_IN}", "{{model}} p95"),
                unit=SECONDS,
                width=THIRD,
            ),
            lines(
                "Opinions known before",
                "Asked of a model, by whether they were known: those cost nothing.",
                Query(f"sum by (result) (rate(codearena_judge_cache_total{_RATE}))", "{{result}}"),
                unit=PER_SECOND,
                width=THIRD,
                stacked=True,
            ),
        ],
    )


def _failures() -> Row:
    return Row(
        "Failures",
        [
            lines(
                "Errors by model",
                "Share of questions without a usable answer, over 15 minutes.",
                Query(f"model:judge_errors:ratio_rate15m{_IN}", "{{model}}"),
                unit=SHARE,
                width=THIRD,
            ),
            lines(
                "Fallbacks by reason",
                "Built-in answers although a model is configured.",
                Query(f"sum by (reason) (rate(codearena_judge_fallbacks_total{_RATE}))", "{{reason}}"),
                unit=PER_SECOND,
                width=THIRD,
                stacked=True,
            ),
            lines(
                "Breaker open",
                "Questions that were not asked. It stays open for CODEARENA_JUDGE_BREAKER_PAUSE_SECONDS at a time.",
                Query(
                    'sum by (model) (rate(codearena_judge_requests_total{outcome="breaker_open", model=~"$model"}'
                    f"{_RATE}))",
                    "{{model}}",
                ),
                unit=PER_SECOND,
                width=THIRD,
            ),
        ],
    )


def _cost() -> Row:
    return Row(
        "Cost",
        [
            lines(
                "Dollars an hour",
                "At the present rate.",
                Query(f"3600 * sum by (model) (rate(codearena_judge_cost_usd_total{_IN}{_RATE}))", "{{model}}"),
                unit=DOLLARS,
                width=HALF,
                stacked=True,
            ),
            lines(
                "Tokens a second",
                "Sent and answered.",
                Query(
                    f"sum by (model, direction) (rate(codearena_judge_tokens_total{_IN}{_RATE}))",
                    "{{model}} {{direction}}",
                ),
                unit=PER_SECOND,
                width=HALF,
            ),
        ],
    )
