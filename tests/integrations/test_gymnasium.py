"""`CodeArena-v0`, by Gymnasium's own checks."""

from __future__ import annotations

import asyncio
import warnings

import pytest

from codearena import ArenaError, EpisodeDoneError, NotFoundError
from tests.integrations.conftest import FENCED, RIGHT, WRONG

pytestmark = pytest.mark.usefixtures("gymnasium")


def made(arena, **options):
    import gymnasium

    import codearena.integrations.gymnasium

    return gymnasium.make(codearena.integrations.gymnasium.ENV_ID, address=arena.address, **options)


def checked(env):
    from gymnasium.utils.env_checker import check_env

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", message=".*not having a spec.*")
        check_env(env)


async def test_it_passes_the_checks_of_gymnasium(arena):
    env = await asyncio.to_thread(made, arena)
    await asyncio.to_thread(checked, env.unwrapped)
    await asyncio.to_thread(env.close)


async def test_one_task_is_deterministic(arena):
    """Without a spec that says otherwise, the check wants equal steps after equal resets."""

    def check():
        from codearena.integrations.gymnasium import CodeArenaEnv

        env = CodeArenaEnv(arena.address, task_id="medium-1")
        checked(env)
        env.close()

    await asyncio.to_thread(check)


async def test_an_episode(arena):
    def play():
        env = made(arena, task_id="easy-1")
        try:
            opened = env.reset(seed=7)
            return opened, env.step(WRONG), env.step(FENCED.partition("\n")[2])
        finally:
            env.close()
            env.close()

    (message, info), wrong, right = await asyncio.to_thread(play)
    assert "def average_list(numbers)" in message
    assert (info["task_id"], info["category"], info["difficulty"]) == ("easy-1", "easy", "EASY")
    assert wrong[2:4] == (False, False)
    assert wrong[4]["outcome"] == "TESTS_FAILED"
    assert "Answers left: 4." in wrong[0]
    assert right[2:4] == (True, False)
    assert right[1] > wrong[1] > 0
    assert right[4]["tests_passed"] == right[4]["tests_total"] > 0
    assert right[4]["breakdown"]["efficiency_score"] == 1.0


async def test_an_episode_without_answers_left_is_truncated(arena):
    def play():
        env = made(arena, task_id="easy-1", reward_mode="improvement")
        env.reset(seed=7)
        steps = [env.step(action) for action in ("", WRONG, "x = 1 # so long" * 18_000, "", "")]
        with pytest.raises(EpisodeDoneError):
            env.step(RIGHT)
        env.close()
        return steps

    steps = await asyncio.to_thread(play)
    assert [step[1] > 0 for step in steps] == [False, True, False, False, False]
    assert [step[2:4] for step in steps] == [(False, False)] * 4 + [(False, True)]
    assert steps[0][4]["outcome"] == ""


async def test_a_seed_chooses_the_task(arena):
    def ids(seed):
        env = made(arena, task_id="type_errors")
        chosen = [env.reset(seed=seed)[1]["task_id"], *(env.reset()[1]["task_id"] for _ in range(5))]
        env.close()
        return chosen

    first, second, other = [await asyncio.to_thread(ids, seed) for seed in (1, 1, 2)]
    assert first == second != other
    assert len(set(first)) > 1


async def test_options_name_another_task(arena):
    def play():
        env = made(arena, task_id="easy-1")
        _, info = env.reset(options={"task_id": "hard-1"})
        with pytest.raises(NotFoundError):
            env.reset(options={"task_id": "hard-999"})
        env.close()
        return info["task_id"]

    assert await asyncio.to_thread(play) == "hard-1"


async def test_an_arena_that_goes_away_is_an_error_and_no_reward(own_arena):
    from codearena.integrations.gymnasium import CodeArenaEnv

    async with own_arena() as arena:
        env = CodeArenaEnv(arena.address, task_id="easy-1", max_attempts=1)
        await asyncio.to_thread(env.reset, seed=1)
    with pytest.raises(ArenaError):
        await asyncio.to_thread(env.step, RIGHT)
    await asyncio.to_thread(env.close)


def test_it_wants_to_be_reset_first():
    from gymnasium.error import ResetNeeded

    from codearena.integrations.gymnasium import CodeArenaEnv

    with pytest.raises(ResetNeeded):
        CodeArenaEnv().step(RIGHT)
