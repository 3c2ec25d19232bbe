"""Simulated training runs: synthetic agents on the real curriculum and sampler. Pure."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from statistics import fmean

from services.env.curriculum import CurriculumRules, Move, after_episode, begin, explain
from services.env.sampler import Record, draw
from services.env.task_schema import Difficulty
from services.standalone.synthetic_agents import Agent, attempt, synthetic_tasks

_SEEDS = 2**32


@dataclass(frozen=True, slots=True)
class Play:
    """One episode of a simulated run.

    Attributes:
        level: The level it was drawn at.
        task_id: Its task.
        skill: The agent's, then.
        reward: Its reward.
        mean: Mean reward of the window that ends with it.
        move: The move that it led to.
    """

    level: Difficulty
    task_id: str
    skill: float
    reward: float
    mean: float
    move: Move | None


@dataclass(frozen=True, slots=True)
class SimulatedRun:
    """A simulated run: its agent, its episodes in order, and where it ends, in one sentence."""

    agent: Agent
    plays: tuple[Play, ...]
    ending: str


def simulate(
    agent: Agent, episodes: int, seed: int, rules: CurriculumRules, levels: Collection[Difficulty] = tuple(Difficulty)
) -> SimulatedRun:
    """Runs an agent through the curriculum. The same arguments give the same run.

    Args:
        agent: Who plays.
        episodes: How many.
        seed: Of all chance.
        rules: Of the curriculum.
        levels: Those that have tasks.

    Raises:
        ValueError: No level has tasks.
    """
    source = random.Random(f"{seed} {agent.name}")  # noqa: S311 - a simulation, not a secret
    tasks = synthetic_tasks(levels)
    records: defaultdict[str, Record] = defaultdict(Record)
    state = begin(levels)
    plays = []
    for number in range(episodes):
        offered = [task for task in tasks if task.difficulty is state.level]
        task = draw(offered, records, source.randrange(_SEEDS))
        skill = agent.skill(number / max(1, episodes - 1))
        played = attempt(skill, task.demand, source)
        known = records[task.id]
        records[task.id] = Record(known.solved + played.solved, known.played + 1)
        level, state = state.level, after_episode(state, played.reward, rules, levels)
        move = None if state.rewards else state.moves[-1]
        mean = fmean(state.rewards) if move is None else move.mean
        assert mean is not None
        plays.append(Play(level, task.id, skill, played.reward, mean, move))
    return SimulatedRun(agent, tuple(plays), explain(state, rules, levels))
