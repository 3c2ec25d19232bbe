"""`environment_factory` as TRL calls it: reset with a row, call the tool, ask for the reward."""

from __future__ import annotations

import asyncio
import inspect
import pickle

import pytest

from codearena import ArenaError, AsyncArenaClient, EpisodeDoneError, FailedPreconditionError, NotFoundError
from codearena.integrations.trl import environment_factory
from tests.integrations.conftest import FENCED, RIGHT, WRONG

ROW = {"prompt": [{"role": "user", "content": ""}], "task_id": "easy-1", "category": "easy", "seed": 7}


@pytest.fixture
def environment(arena):
    return environment_factory(arena.address, run_id="environment")()


def test_the_model_has_one_tool(environment):
    methods = [name for name, _ in inspect.getmembers(type(environment), inspect.isfunction) if name[0] != "_"]
    assert sorted(methods) == ["get_reward", "reset", "submit_fix"]


async def test_an_episode(environment):
    def play():
        prompt = environment.reset(**ROW)
        return prompt, environment.submit_fix(WRONG), environment.submit_fix(RIGHT), environment.get_reward()

    prompt, wrong, right, reward = await asyncio.to_thread(play)
    assert "def average_list(numbers)" in prompt
    assert "What goes wrong:" in prompt
    assert "Call submit_fix with the whole improved program. Answers left: 4." in wrong
    assert "The episode is over." in right
    assert 0.9 < reward < 1
    with pytest.raises(EpisodeDoneError):
        environment.submit_fix(RIGHT)


async def test_an_episode_is_worth_its_best_program(environment):
    def play():
        environment.reset(**ROW)
        environment.submit_fix(WRONG)
        first = environment._conversation.reward
        environment.submit_fix("def average_list(numbers): return None.")
        return first, environment.get_reward()

    first, reward = await asyncio.to_thread(play)
    assert first == reward > 0


@pytest.mark.parametrize("call", ["", "   \n"])
async def test_a_call_without_a_program_earns_nothing_and_uses_up_an_answer(environment, call):
    def play():
        environment.reset(**ROW)
        said = [environment.submit_fix(call) for _ in range(5)]
        with pytest.raises(EpisodeDoneError):
            environment.submit_fix(RIGHT)
        return said, environment.get_reward()

    said, reward = await asyncio.to_thread(play)
    assert all("no Python program" in message and "submit_fix" in message for message in said)
    assert reward == 0.0


async def test_a_fenced_program_is_unwrapped_and_one_too_long_refused(environment):
    def play():
        environment.reset(**ROW)
        refused = environment.submit_fix("x = 1 # so long" * 70_000)
        environment.submit_fix(FENCED.partition("\n")[2])
        return refused, environment.get_reward()

    refused, reward = await asyncio.to_thread(play)
    assert refused.startswith("Your program was not graded:")
    assert reward > 0.9


async def test_the_episode_counts_for_its_run_once_the_reward_is_asked(arena):
    environment = environment_factory(arena.address, run_id="counted")()

    def play():
        environment.reset(task_id="auto", seed=7)
        environment.submit_fix(WRONG)
        return environment.get_reward()

    reward = await asyncio.to_thread(play)
    async with AsyncArenaClient(arena.address) as client:
        curriculum = await client.get_curriculum("counted")
    assert curriculum.window == (pytest.approx(reward),)


async def test_a_seed_keeps_a_group_on_one_task(arena):
    factory = environment_factory(arena.address, run_id="groups")
    rows = [{"task_id": "auto", "seed": seed} for seed in range(4)]

    def play():
        return [{factory().reset(**row) for _ in range(3)} for row in rows]

    groups = await asyncio.to_thread(play)
    assert [len(group) for group in groups] == [1, 1, 1, 1]
    assert len(set.union(*groups)) > 1


def test_it_wants_to_be_reset_first(environment):
    with pytest.raises(FailedPreconditionError, match="reset first"):
        environment.submit_fix(RIGHT)
    assert environment.get_reward() is None


async def test_a_task_that_does_not_exist_is_an_error(environment):
    with pytest.raises(NotFoundError):
        await asyncio.to_thread(environment.reset, task_id="easy-999")


async def test_an_arena_that_goes_away_gives_no_reward(own_arena):
    async with own_arena() as arena:
        factory = environment_factory(arena.address, max_attempts=1, timeout_seconds=5)
        environment = factory()
        await asyncio.to_thread(environment.reset, **ROW)
        await asyncio.to_thread(environment.submit_fix, WRONG)

    def play():
        with pytest.raises(ArenaError):
            environment.submit_fix(RIGHT)
        lost = environment.get_reward()
        prompt = environment.reset(**ROW)
        with pytest.raises(ArenaError):
            environment.submit_fix(RIGHT)
        return lost, prompt, environment.get_reward()

    assert await asyncio.to_thread(play) == (None, "", None)


async def test_environments_share_a_connection_and_their_factory_can_be_sent_to_another_process(arena):
    factory = pickle.loads(pickle.dumps(environment_factory(arena.address, token="none", hints=False)))
    first, second = factory(), factory()

    def play(environment):
        environment.reset(**ROW)
        environment.submit_fix(RIGHT)
        return environment.get_reward()

    rewards = await asyncio.gather(asyncio.to_thread(play, first), asyncio.to_thread(play, second))
    assert rewards[0] == rewards[1] > 0.9
    assert first._conversation.episode._arena is second._conversation.episode._arena
