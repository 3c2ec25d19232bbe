"""Where each training run stands in its curriculum, and which task it gets next."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from codearena.v1 import env_service_pb2 as wire
from services.env import curriculum
from services.env.catalogue import AUTO, Catalogue, UnknownTaskError
from services.env.curriculum import CurriculumRules, CurriculumState
from services.env.sampler import Record, draw
from services.env.store import Advance
from services.env.task_schema import Difficulty, Split, Task


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
        self._by_level = {split: _levelled(catalogue.group(AUTO), split) for split in (None, *Split)}
        self._levels = tuple(level for level in Difficulty if level in self._by_level[None])

    async def draw(self, run_id: str, seed: int | None, split: Split | None = None) -> Task:
        """Draws a task at the level of a run; where the split has none there, at the nearest easier level that has.

        Raises:
            UnknownTaskError: The split has no task at all.
            StoreDown: The store does not answer.
        """
        offered = self._by_level[split]
        if not offered:
            raise UnknownTaskError(AUTO, split)
        tasks = offered[curriculum.settled(self._standing(await self._store.state(run_id)), offered).level]
        played = await self._store.played(run_id, [task.id for task in tasks])
        return draw(tasks, {task_id: Record(*counts) for task_id, counts in played.items()}, seed)

    def advance(self, drawn: Difficulty, split: Split | None = None) -> Advance:
        """Returns what an episode does to its run: nothing if the run has left the level that it was drawn for.

        Args:
            drawn: How hard its task is.
            split: That of its task. Where it has no task at the run's level, the one that stands in for it counts.
        """
        offered = self._by_level[split] or self._by_level[None]

        def work(stored: str | None, reward: float) -> tuple[str, str]:
            state = self._standing(stored)
            if curriculum.settled(state, offered).level is drawn:
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


def _levelled(tasks: Iterable[Task], split: Split | None) -> dict[Difficulty, list[Task]]:
    """Returns the tasks of a split, or of all for None, by difficulty; a level without tasks is left out."""
    levels: dict[Difficulty, list[Task]] = {}
    for task in tasks:
        if split in (None, task.split):
            levels.setdefault(task.difficulty, []).append(task)
    return levels
