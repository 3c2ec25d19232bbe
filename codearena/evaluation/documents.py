"""What an evaluation leaves beside its rollouts: summary.json and rewards_log.csv."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from codearena._files import replacing
from codearena.evaluation.rollouts import Rollout
from codearena.evaluation.summary import Summary
from codearena.reward_log import LoggedStep, RewardLog


def write_documents(folder: Path, rollouts: Sequence[Rollout], summary: Summary) -> None:
    """Writes both files into a folder; each is replaced in one move."""
    with replacing(folder / "summary.json") as draft:
        draft.write_text(json.dumps(dataclasses.asdict(summary), indent=2) + "\n", encoding="utf-8")
    with replacing(folder / "rewards_log.csv") as draft, RewardLog(draft) as log:
        for step in logged_steps(rollouts):
            log.write(step)


def logged_steps(rollouts: Sequence[Rollout]) -> Iterator[LoggedStep]:
    """Yields every answer of rollouts that count; what was not graded has its kind as the outcome, and earns 0."""
    for rollout in rollouts:
        for turn in rollout.turns:
            yield LoggedStep(
                task_id=rollout.task_id,
                step=turn.number,
                reward=turn.reward,
                timestamp=turn.at,
                category=rollout.category,
                difficulty=rollout.difficulty,
                sample=rollout.sample,
                scores=turn.scores,
                penalties=turn.penalties,
                outcome=turn.outcome or turn.answer.value.upper(),
                complexity=turn.complexity,
                method=turn.method,
            )
