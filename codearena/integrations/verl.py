"""CodeArena's reward for verl, as `reward.custom_reward_function` wants it.

Made for verl 0.9.1::

    reward.custom_reward_function.path=pkg://codearena.integrations.verl
    reward.custom_reward_function.name=compute_score

A row's `reward_model.ground_truth` is its task id. The arena is the one that CODEARENA_ADDRESS names.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from codearena.integrations._patient import score


def compute_score(
    data_source: str,  # noqa: ARG001 - verl passes it
    solution_str: str,
    ground_truth: str,
    extra_info: Mapping[str, Any] | None = None,
    **_: object,
) -> dict[str, float]:
    """Returns what a response is worth: `score`, and `solved`, `test_pass_ratio` and `has_code` for verl's metrics.

    verl calls it from many threads, once for each response.

    Args:
        data_source: The row's; not used.
        solution_str: The response, without special tokens.
        ground_truth: The task id.
        extra_info: The row's; `buggy_code` in it helps to find the right program in the response.

    Raises:
        ArenaError: The arena could not grade it for CODEARENA_PATIENCE_SECONDS: verl stops, rather than learn from it.
    """
    found = score(ground_truth, solution_str, str((extra_info or {}).get("buggy_code") or ""))
    return {
        "score": found.reward,
        "solved": float(found.solved),
        "test_pass_ratio": found.test_pass_ratio,
        "has_code": float(found.has_code),
    }
