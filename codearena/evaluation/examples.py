"""Training examples from rollouts: answers worth imitating (SFT), and pairs of a better and a worse one (DPO).

The formats are the conversational ones of TRL: `prompt` and `completion`, or `prompt`, `chosen` and `rejected`, each
a list of messages. An answer of a later turn is given as an answer to the first prompt.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from codearena import prompts
from codearena.evaluation.rollouts import Answer, Rollout, Turn

LEAST_REWARD: Final = 0.9
LEAST_MARGIN: Final = 0.2
MOST_PER_TASK: Final = 4

Record = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _Candidate:
    prompt: str
    turn: Turn

    @property
    def reward(self) -> float:
        return self.turn.reward

    @property
    def text(self) -> str:
        """The answer as it was given, of a first turn; else the program alone."""
        first = self.turn.number == 1 and self.turn.reply.strip()
        return self.turn.reply if first else prompts.answer(self.turn.code)


def imitations(
    rollouts: Iterable[Rollout], *, least_reward: float = LEAST_REWARD, most_per_task: int = MOST_PER_TASK
) -> Iterator[Record]:
    """Yields what rejection sampling keeps: of each task the best answers that passed every test.

    Args:
        rollouts: Where they are taken from. Equal programs count once.
        least_reward: What an answer must have earned.
        most_per_task: How many are kept of one task.
    """
    for task_id, candidates in _by_task(rollouts).items():
        good = [one for one in candidates if one.turn.solved and one.reward >= least_reward]
        for one in good[:most_per_task]:
            yield {
                "task_id": task_id,
                "prompt": _prompt(one.prompt),
                "completion": _completion(one.text),
                "reward": one.reward,
            }


def preferences(
    rollouts: Iterable[Rollout], *, least_margin: float = LEAST_MARGIN, most_per_task: int = MOST_PER_TASK
) -> Iterator[Record]:
    """Yields pairs of a task's answers of which one earned more: the best ones, each with the worst ones left.

    Args:
        rollouts: Where they are taken from. Equal programs count once.
        least_margin: By how much more the better one earned.
        most_per_task: How many pairs are kept of one task.
    """
    for task_id, candidates in _by_task(rollouts).items():
        for better, worse in _pairs(candidates, least_margin)[:most_per_task]:
            yield {
                "task_id": task_id,
                "prompt": _prompt(better.prompt),
                "chosen": _completion(better.text),
                "rejected": _completion(worse.text),
                "margin": round(better.reward - worse.reward, 6),
            }


def _pairs(candidates: Sequence[_Candidate], margin: float) -> list[tuple[_Candidate, _Candidate]]:
    """Returns the best with the worst, the second best with the second worst, and so on, as long as they differ."""
    pairs = zip(candidates, reversed(candidates), strict=True)
    return [(better, worse) for better, worse in pairs if better.reward - worse.reward >= margin]


def _by_task(rollouts: Iterable[Rollout]) -> dict[str, list[_Candidate]]:
    """Returns the graded answers of each task, best first, each program once."""
    found: dict[str, dict[str, _Candidate]] = defaultdict(dict)
    for rollout in sorted(rollouts, key=lambda rollout: rollout.key):
        for turn in rollout.turns:
            if rollout.failure or turn.answer is not Answer.GRADED:
                continue
            program = turn.code.strip()
            before = found[rollout.task_id].get(program)
            if before is None or turn.reward > before.reward:
                found[rollout.task_id][program] = _Candidate(rollout.prompt, turn)
    return {
        task_id: sorted(programs.values(), key=lambda one: (-one.reward, one.turn.code))
        for task_id, programs in sorted(found.items())
    }


def _prompt(text: str) -> list[dict[str, str]]:
    return [{"role": "system", "content": prompts.SYSTEM}, {"role": "user", "content": text}]


def _completion(text: str) -> list[dict[str, str]]:
    return [{"role": "assistant", "content": text}]
