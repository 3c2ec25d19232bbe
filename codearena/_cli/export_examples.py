"""Files of training examples, as JSON lines."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from codearena._files import replacing
from codearena.evaluation import Rollout
from codearena.evaluation.examples import LEAST_MARGIN, LEAST_REWARD, imitations, preferences

FORMS: Final = ("sft", "dpo")


def write_examples(path: Path, form: str, rollouts: Sequence[Rollout], least: float | None, most_per_task: int) -> int:
    """Writes examples, a line for each, and returns how many there are.

    Args:
        path: The file; it is replaced in one move.
        form: "sft" or "dpo".
        rollouts: Where they are taken from.
        least: The reward of an answer, or the difference of a pair; None for the default.
        most_per_task: How many of one task at most.

    Raises:
        OSError: It cannot be written.
    """
    if form == "sft":
        wanted = LEAST_REWARD if least is None else least
        records = imitations(rollouts, least_reward=wanted, most_per_task=most_per_task)
    else:
        wanted = LEAST_MARGIN if least is None else least
        records = preferences(rollouts, least_margin=wanted, most_per_task=most_per_task)
    count = 0
    with replacing(path) as draft, draft.open("w", encoding="utf-8") as file:
        for record in records:
            file.write(json.dumps(record, ensure_ascii=False) + "\n")
            count += 1
    return count
