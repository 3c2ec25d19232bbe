"""Reward hooks of trainers that cannot be installed here, called as their own code calls them.

What they pass was read in verl 0.9.1 (`NaiveRewardManager.run_single`), OpenRLHF 0.11.2 (`SingleTurnAgentExecutor`) and
skyrl-gym 0.4.0, whose environments are made by the real library.
"""

from __future__ import annotations

import asyncio
import importlib.util

import pytest

from codearena import NotFoundError, UnavailableError, prompts
from codearena.integrations import verl
from tests.e2e.processes import free_ports
from tests.integrations.conftest import FENCED, RIGHT, WRONG, needs

PROSE = "I am sorry, but I cannot help with that."
BUGGY = "def average_list(numbers)\n    return sum(numbers) / len(numbers)\n"


@pytest.fixture(autouse=True)
def address(arena, monkeypatch):
    monkeypatch.setenv("CODEARENA_ADDRESS", arena.address)
    monkeypatch.delenv("CODEARENA_TOKEN", raising=False)


def verl_score(response):
    return asyncio.to_thread(
        verl.compute_score,
        data_source="codearena",
        solution_str=response,
        ground_truth="easy-1",
        extra_info={"buggy_code": BUGGY, "num_turns": None, "rollout_reward_scores": {}},
        reward_router_address="127.0.0.1:1",
    )


async def test_verl():
    right, wrong, prose = await asyncio.gather(*map(verl_score, (FENCED, f"```python\n{WRONG}```", PROSE)))
    assert right["score"] > 0.9
    assert (right["solved"], right["test_pass_ratio"], right["has_code"]) == (1.0, 1.0, 1.0)
    assert 0 < wrong["score"] < right["score"]
    assert (wrong["solved"], wrong["has_code"]) == (0.0, 1.0)
    assert prose == {"score": 0.0, "solved": 0.0, "test_pass_ratio": 0.0, "has_code": 0.0}
    assert right.keys() == wrong.keys() == prose.keys()  # verl takes the names from one of them


async def test_a_hook_waits_for_the_arena_and_then_gives_up(monkeypatch):
    (port,) = free_ports(1)
    monkeypatch.setenv("CODEARENA_ADDRESS", f"127.0.0.1:{port}")
    monkeypatch.setenv("CODEARENA_PATIENCE_SECONDS", "0.1")
    with pytest.raises(UnavailableError):
        await verl_score(FENCED)


async def test_a_task_that_does_not_exist_is_an_error():
    with pytest.raises(NotFoundError):
        await asyncio.to_thread(verl.compute_score, "codearena", FENCED, "easy-999")


def loaded_openrlhf():
    """Loads the hook by its path, as OpenRLHF does."""
    needs("trl", "torch")
    path = importlib.util.find_spec("codearena.integrations.openrlhf").origin
    spec = importlib.util.spec_from_file_location("reward_func", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.reward_func


@pytest.mark.parametrize("shown", ["{prompt}", "<s>{prompt}", "{end_of_prompt}"])
async def test_openrlhf(shown):
    reward_func = loaded_openrlhf()
    prompt = f"<|im_start|>user\n```python\n{BUGGY}```\n{'Repair it. ' * 40}<|im_end|>\n<|im_start|>assistant\n"
    before = shown.format(prompt=prompt, end_of_prompt=prompt[-300:])

    def call(response):
        return asyncio.to_thread(reward_func, [before + response], [prompt], ["easy-1"])

    right = await call(f"```python\n{RIGHT}```<|im_end|>")
    wrong = await call(f"```python\n{WRONG}```<|im_end|>\n")
    prose = await call(f"{PROSE}<|im_end|>")
    assert right["rewards"].shape == (1,)
    assert right["rewards"].item() > 0.9
    assert right["scores"].item() == right["extra_logs"]["solved"].item() == 1.0
    assert 0 < wrong["rewards"].item() < right["rewards"].item()
    assert wrong["scores"].item() == 0.0
    assert prose["rewards"].item() == prose["extra_logs"]["has_code"].item() == 0.0


def test_openrlhf_is_told_of_a_query_without_its_prompt():
    with pytest.raises(ValueError, match="does not hold its prompt"):
        loaded_openrlhf()(["something else"], ["the prompt"], ["easy-1"])


async def test_skyrl():
    needs("skyrl", "skyrl_gym")
    import skyrl_gym
    from skyrl_gym.envs import register

    def play():
        register(id="codearena", entry_point="codearena.integrations.skyrl:CodeArenaEnv")
        extras = {"reward_spec": {"ground_truth": "easy-1"}, "max_turns": 3}
        env = skyrl_gym.make("codearena", env_config={"seed": 7}, extras=extras)
        opened = env.init([{"role": "user", "content": "the row's prompt"}])
        steps = [env.step(answer) for answer in (PROSE, f"```python\n{WRONG}```", FENCED)]
        metrics = env.get_metrics()
        env.close()
        return opened, steps, metrics

    (messages, info), steps, metrics = await asyncio.to_thread(play)
    assert messages[0] == {"role": "system", "content": prompts.SYSTEM}
    assert "What goes wrong:" in messages[1]["content"]
    assert info == {"task_id": "easy-1"}
    assert [step["done"] for step in steps] == [False, False, True]
    assert steps[0]["reward"] == 0.0
    assert "no Python program" in steps[0]["observations"][0]["content"]
    assert steps[2]["observations"] == []
    assert sum(step["reward"] for step in steps) == pytest.approx(metrics["best_reward"])
    assert metrics["solved"] == 1.0


def test_skyrl_is_told_of_a_row_without_a_task():
    needs("skyrl", "skyrl_gym")
    from codearena.integrations.skyrl import CodeArenaEnv

    with pytest.raises(ValueError, match="ground_truth"):
        CodeArenaEnv({}, {"max_turns": 3})
