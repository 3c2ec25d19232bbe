"""Where each training run stands in its curriculum, and which task it gets next."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from codearena.v1 import env_service_pb2 as wire
from services.env import curriculum
from services.env.catalogue import AUTO, Catalogue
from services.env.curriculum import CurriculumRules, CurriculumState
from services.env.sampler import Record, draw
from services.env.store import Advance
from services.env.task_schema import Difficulty, Task


class CurriculumStore(Protocol):
    """What is stored of curricula; every method may raise StoreDown."""

    async def state(self, run_id: str) -> str | None:
        """Returns what is stored of a run's curriculum, or None."""
        ...

    async def played(self, run_id: str, tasks: Sequence[str]) -> dict[str, tuple[int, int]]:
        """Returns, of each of these tasks, how many episodes a run solved and how many it ended."""
        ...


class Progress:
    """Draws tasks at the level of a run, and moves it.

    Args:
        catalogue: The tasks.
        store: Where curricula are.
        rules: When a level is left.
    """

    def __init__(self, catalogue: Catalogue, store: CurriculumStore, rules: CurriculumRules) -> None:
        self._store = store
        self._rules = rules
        self._by_level: dict[Difficulty, list[Task]] = {}
        for task in catalogue.group(AUTO):
            self._by_level.setdefault(task.difficulty, []).append(task)
        self._levels = tuple(level for level in Difficulty if level in self._by_level)

    async def draw(self, run_id: str, seed: int | None) -> Task:
        """Draws a task at the level of a run. Raises StoreDown."""
        tasks = self._by_level[self._standing(await self._store.state(run_id)).level]
        played = await self._store.played(run_id, [task.id for task in tasks])
        return draw(tasks, {task_id: Record(*counts) for task_id, counts in played.items()}, seed)

    def advance(self, drawn: Difficulty) -> Advance:
        """Returns what an episode that was drawn at a level does to its run: nothing if the run has left that level."""

        def work(stored: str | None, reward: float) -> tuple[str, str]:
            state = self._standing(stored)
            if state.level is drawn:
                state = curriculum.after_episode(state, reward, self._rules, self._levels)
            return state.level.value, state.model_dump_json()

        return work

    async def describe(self, run_id: str) -> wire.GetCurriculumResponse:
        """Returns where a run stands. Raises StoreDown."""
        state = self._standing(await self._store.state(run_id))
        response = wire.GetCurriculumResponse(
            level=state.level.to_proto(),
            levels=[level.to_proto() for level in self._levels],
            window=state.rewards,
            mean_reward=sum(state.rewards) / len(state.rewards) if state.rewards else None,
            episode_count=state.episodes,
            explanation=curriculum.explain(state, self._rules, self._levels),
        )
        for move in state.moves:
            response.moves.add(
                episode=move.episode,
                from_level=move.from_level.to_proto(),
                to_level=move.to_level.to_proto(),
                mean_reward=move.mean or 0.0,
                reason=move.why,
            )
        return response

    def _standing(self, stored: str | None) -> CurriculumState:
        state = curriculum.begin(self._levels) if stored is None else CurriculumState.model_validate_json(stored)
        return curriculum.settled(state, self._levels)
