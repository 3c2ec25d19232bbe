"""Rollouts from the steps that an arena keeps."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from codearena import prompts
from codearena._models import Task
from codearena._run_models import StepRecord
from codearena.evaluation.rollouts import Answer, Rollout, Turn


def stored_rollouts(steps: Iterable[StepRecord], tasks: Mapping[str, Task]) -> list[Rollout]:
    """Returns a rollout for each episode of a task that is known.

    Args:
        steps: Stored steps, with their fixes.
        tasks: Tasks by id, for the prompts. Steps of other tasks are left out.
    """
    found: dict[str, list[StepRecord]] = defaultdict(list)
    for step in steps:
        if step.task_id in tasks:
            found[step.episode_id].append(step)
    samples: dict[str, int] = defaultdict(int)
    rollouts = []
    for episode in found.values():
        task = tasks[episode[0].task_id]
        turns = tuple(_turn(step) for step in sorted(episode, key=lambda step: step.step))
        prompt = prompts.first_message(task)
        rollouts.append(
            Rollout(task.task_id, samples[task.task_id], task.category, task.difficulty.value, turns, prompt=prompt)
        )
        samples[task.task_id] += 1
    return rollouts


def _turn(step: StepRecord) -> Turn:
    return Turn(
        number=step.step,
        at=step.created_at.isoformat(timespec="milliseconds"),
        answer=Answer.GRADED,
        reply="",
        code=step.proposed_fix,
        method=step.method,
        reward=step.reward,
        outcome=step.outcome.value,
        tests_passed=step.tests_passed,
        complexity=step.time_complexity,
    )
