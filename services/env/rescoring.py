"""Gives stored steps the reward that they would have under another weight profile, or by the grader of today."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Protocol

import grpc

from codearena.v1 import env_service_pb2 as wire
from codearena.v1 import error_reason_pb2 as reasons
from services.common.errors import StatusError
from services.env.catalogue import Catalogue, UnknownTaskError
from services.env.grading import Grading, Terms, scores, set_reward
from services.env.rewards import PROFILES, Reward, Score, in_mode, reward
from services.env.store import Episode, Step


@dataclass(frozen=True, slots=True)
class Rescored:
    """A step with its old and its new reward.

    Attributes:
        episode: Its episode.
        step: As it is stored.
        reward: The new absolute reward; None if it could not be graded.
        error: Why it could not.
    """

    episode: Episode
    step: Step
    reward: float | None
    error: StatusError | None = None


class RescoringStore(Protocol):
    """What rescoring needs of a store."""

    def episodes(self, run_id: str, task_id: str) -> AsyncIterator[Episode]:
        """Yields episodes that have steps, oldest first."""
        ...

    async def rewrite(self, episode_id: str, steps: Mapping[int, tuple[float, bytes]]) -> None:
        """Replaces reward and response of steps, all or none, and the episode's best reward with them."""
        ...


@dataclass(frozen=True, slots=True)
class Selection:
    """What to rescore, and how.

    Attributes:
        run_id: Only this run; "" for all.
        task_id: Only this task; "" for all.
        profile: Name of the weight profile.
        regrade: Grade each fix anew instead of weighing its stored scores.
        apply: Store the new rewards.
        timeout: Seconds that one grading may take.
    """

    run_id: str
    task_id: str
    profile: str
    regrade: bool
    apply: bool
    timeout: float


class Rescoring:
    """Rescores episodes.

    Args:
        catalogue: The tasks.
        store: Where episodes are.
        grading: Grades anew.
    """

    def __init__(self, catalogue: Catalogue, store: RescoringStore, grading: Grading) -> None:
        self._catalogue = catalogue
        self._store = store
        self._grading = grading

    async def run(self, chosen: Selection) -> AsyncIterator[Rescored]:
        """Yields each step; what was yielded is stored, if it is to be stored. Raises StoreDown."""
        async for episode in self._store.episodes(chosen.run_id, chosen.task_id):
            rewritten: dict[int, tuple[float, bytes]] = {}
            results = []
            best: float | None = None
            for step in episode.steps:
                try:
                    earned = await self._earned(episode, step, chosen)
                except StatusError as error:
                    results.append(Rescored(episode, step, None, error))
                    continue
                results.append(Rescored(episode, step, earned.value))
                if abs(earned.value - step.reward) > 1e-12:
                    rewritten[step.number] = earned.value, _response(episode, step, earned, best)
                best = max(earned.value, best or 0.0)
            if rewritten and chosen.apply:
                await self._store.rewrite(episode.episode_id, rewritten)
            for result in results:
                yield result

    async def _earned(self, episode: Episode, step: Step, chosen: Selection) -> Reward:
        found = await self._scores(episode, step, chosen)
        return reward(found, step=step.number, repeated=step.repeated, profile=PROFILES[chosen.profile])

    async def _scores(self, episode: Episode, step: Step, chosen: Selection) -> dict[str, Score]:
        if not chosen.regrade:
            breakdown = wire.StepResponse.FromString(step.response).grade.breakdown
            return {name: Score(value, breakdown.reasons[name]) for name, value in breakdown.scores.items()}
        try:
            task = self._catalogue.get(episode.task_id)
        except UnknownTaskError as error:
            raise _gone(episode.task_id) from error
        terms = Terms(chosen.timeout, episode.run_id, fresh=True, draw_seed=episode.draw_seed)
        return scores(await self._grading.grade(task, step.fix, terms))


def _gone(task_id: str) -> StatusError:
    return StatusError(
        grpc.StatusCode.NOT_FOUND,
        reasons.ERROR_REASON_TASK_NOT_FOUND,
        f"the catalogue has no task {task_id!r} any more",
        metadata={"task_id": task_id},
    )


def _response(episode: Episode, step: Step, earned: Reward, best: float | None) -> bytes:
    response = wire.StepResponse.FromString(step.response)
    set_reward(response.grade, earned)
    response.absolute_reward = earned.value
    response.grade.reward = in_mode(episode.options.reward_mode, earned.value, best)
    return response.SerializeToString()
