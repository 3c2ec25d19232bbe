"""CodeArena's reward for OpenRLHF, as `--reward.remote_url FILE.py` wants it.

Made for OpenRLHF 0.11.2. The file is this one; a row's label is its task id. The arena is the one that
CODEARENA_ADDRESS names.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

import torch

from codearena.integrations._patient import Score, score

_END = re.compile(r"(?:\s*(?:<\|[^|<>]*\|>|</s>|<eos>|<end_of_turn>))+\s*$")
_TAIL: Final = 200


def reward_func(
    queries: Sequence[str], prompts: Sequence[str], labels: Sequence[str], **_: object
) -> dict[str, torch.Tensor | dict[str, torch.Tensor]]:
    """Returns `rewards`, `scores` (1 for a solved task, for dynamic filtering) and `extra_logs`, a number a query each.

    OpenRLHF calls it from many threads, with one query at a time.

    Args:
        queries: Prompt and response, with special tokens.
        prompts: The prompts.
        labels: Task ids.

    Raises:
        ValueError: A query does not hold its prompt.
        ArenaError: The arena could not grade one for CODEARENA_PATIENCE_SECONDS.
    """
    found = [_score(*one) for one in zip(queries, prompts, labels, strict=True)]

    def tensor(values: Any) -> torch.Tensor:  # noqa: ANN401
        return torch.tensor([float(value) for value in values])

    solved = tensor(one.solved for one in found)
    return {
        "rewards": tensor(one.reward for one in found),
        "scores": solved,
        "extra_logs": {
            "solved": solved,
            "test_pass_ratio": tensor(one.test_pass_ratio for one in found),
            "has_code": tensor(one.has_code for one in found),
        },
    }


def _score(query: str, prompt: str, task_id: str) -> Score:
    """Grades what follows the prompt. Of a long one OpenRLHF keeps the end, so that is what is looked for."""
    _, tail, response = query.partition(prompt[-_TAIL:])
    if not tail:
        raise ValueError("the query does not hold its prompt, so where the response begins is not known")
    return score(task_id, _END.sub("", response))
