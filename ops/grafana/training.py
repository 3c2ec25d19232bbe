"""Training: what agents earn, on what, and what they try."""

from __future__ import annotations

from grafana_foundation_sdk.models.dashboard import Dashboard

from ops.grafana.parts import (
    COUNT,
    GREEN,
    HALF,
    PER_SECOND,
    SHARE,
    THIRD,
    WIDE,
    Query,
    Row,
    board,
    choice,
    distribution,
    lines,
    number,
)

_IN = '{task_category=~"$category"}'
_RATE = "[$__rate_interval]"


def training() -> Dashboard:
    """Returns the dashboard."""
    return board(
        "Training",
        "Reward by category and component, solve rate, curriculum, and the hacks that submissions tried.",
        [_now(), _reward(), _outcomes(), _curriculum()],
        [choice("category", "task_category", "codearena_rewards_total")],
    )


def _now() -> Row:
    return Row(
        "Now",
        [
            number("Mean reward", "Of the last hour, over all categories.", "codearena:reward:mean1h", COUNT),
            number("Mean reward, day", "Of the last day, over all categories.", "codearena:reward:mean1d", COUNT),
            number(
                "Spread",
                "Between the lowest and the highest twentieth of the last hour's rewards. Below 0.1 nothing is to be "
                "learnt.",
                "codearena:reward:spread1h",
                COUNT,
            ),
            number(
                "Solved",
                "Of the episodes that ended within the range shown.",
                'sum(increase(codearena_episodes_total{outcome="solved"}[$__range]))'
                " / (sum(increase(codearena_episodes_total[$__range])) > 0)",
                SHARE,
            ),
            number("Open episodes", "In the store that all replicas share.", "max(codearena_episodes_active)", COUNT),
            number("Rewards an hour", "Graded steps.", "codearena:rewards:increase1h", COUNT, ((None, GREEN),)),
        ],
    )


def _reward() -> Row:
    return Row(
        "Reward",
        [
            lines(
                "Mean reward by category",
                "Rate of the sum over rate of the number.",
                Query(
                    f"sum by (task_category) (rate(codearena_reward_sum_total{_IN}{_RATE}))"
                    f" / (sum by (task_category) (rate(codearena_rewards_total{_IN}{_RATE})) > 0)",
                    "{{task_category}}",
                ),
            ),
            lines(
                "Mean by component",
                "Each component's score before weights and penalties, and the reward itself.",
                Query(
                    f"sum by (component) (rate(codearena_reward_sum{_IN}{_RATE}))"
                    f" / (sum by (component) (rate(codearena_reward_count{_IN}{_RATE})) > 0)",
                    "{{component}}",
                ),
            ),
            distribution(
                "Distribution of rewards",
                "One dark row alone: all rewards are alike. Two with nothing between: all or nothing.",
                'sum by (le) (increase(codearena_reward_bucket{component="reward", task_category=~"$category"}'
                f"{_RATE}))",
            ),
            lines(
                "Mean reward by category, hour and day",
                "What RewardSpike compares: an hour far above its day may be a hack being learnt.",
                Query(f"task_category:reward:mean1h{_IN}", "{{task_category}} hour"),
                Query(f"task_category:reward:mean1d{_IN}", "{{task_category}} day"),
            ),
        ],
    )


def _outcomes() -> Row:
    return Row(
        "Outcomes",
        [
            lines(
                "Solve rate by category",
                "Episodes solved, of those that ended.",
                Query(
                    'sum by (task_category) (rate(codearena_episodes_total{outcome="solved",task_category=~"$category"}'
                    f"{_RATE})) / (sum by (task_category) (rate(codearena_episodes_total{_IN}{_RATE})) > 0)",
                    "{{task_category}}",
                ),
                unit=SHARE,
                width=THIRD,
            ),
            lines(
                "Steps by outcome",
                "What became of the programs; infra_error is our failure, and no reward.",
                Query(f"sum by (outcome) (rate(codearena_steps_total{_IN}{_RATE}))", "{{outcome}}"),
                unit=PER_SECOND,
                width=THIRD,
                stacked=True,
            ),
            lines(
                "Episodes by end",
                "Solved, exhausted after the last step, or closed by the client.",
                Query(f"sum by (outcome) (rate(codearena_episodes_total{_IN}{_RATE}))", "{{outcome}}"),
                unit=PER_SECOND,
                width=THIRD,
                stacked=True,
            ),
        ],
    )


def _curriculum() -> Row:
    return Row(
        "Curriculum and hacks",
        [
            lines(
                "Training runs by level",
                "Where the curriculum has each run.",
                Query("max by (level) (codearena_curriculum_level)", "{{level}}"),
                stacked=True,
            ),
            lines(
                "Hacks tried",
                "Programs that tried something they may not, by kind. A rise beside a rising reward wants a look.",
                Query(f"sum by (kind) (rate(codearena_sandbox_violations_total{_RATE}))", "{{kind}}"),
                unit=PER_SECOND,
                width=HALF,
            ),
            lines(
                "Candidates seen before",
                "Share of verdicts that were known: an agent that repeats itself explores nothing.",
                Query(
                    f'sum(rate(codearena_verdict_cache_total{{result="hit"}}{_RATE}))'
                    f" / (sum(rate(codearena_verdict_cache_total{_RATE})) > 0)",
                    "known",
                ),
                unit=SHARE,
                width=WIDE,
            ),
        ],
    )
