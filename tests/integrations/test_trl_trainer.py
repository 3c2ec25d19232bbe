"""Real steps of TRL's `GRPOTrainer` on the CPU, with a tiny model that knows a right and a wrong answer by heart."""

from __future__ import annotations

import asyncio

import pytest

from codearena import AsyncArenaClient
from codearena.integrations.trl import GroupReward, catalogue_dataset, environment_factory
from tests.e2e.processes import free_ports
from tests.integrations.conftest import RIGHT, WRONG

pytestmark = [pytest.mark.usefixtures("trl"), pytest.mark.slow, pytest.mark.timeout(300)]

TASK = "easy-1"
GROUP = 8


def train(tiny, folder, dataset, **how):
    """Trains one step; returns what was logged, and how far the furthest weight moved."""
    import torch
    from trl import GRPOConfig, GRPOTrainer

    before = {name: weight.detach().clone() for name, weight in tiny.model.named_parameters()}
    config = GRPOConfig(
        output_dir=str(folder),
        use_cpu=True,
        bf16=False,
        per_device_train_batch_size=GROUP,
        num_generations=GROUP,
        max_completion_length=how.pop("max_completion_length"),
        max_tool_calling_iterations=2,
        max_steps=1,
        learning_rate=1e-3,
        temperature=0.5,  # what it did not learn quite by heart is hardly ever drawn
        beta=0.0,
        logging_steps=1,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        gradient_checkpointing=False,
        seed=3,
    )
    trainer = GRPOTrainer(model=tiny.model, args=config, train_dataset=dataset, processing_class=tiny.tokenizer, **how)
    trainer.train()
    moved = max(torch.max(torch.abs(weight - before[name])).item() for name, weight in trainer.model.named_parameters())
    return trainer.state.log_history[0], moved


@pytest.fixture(scope="module")
async def rows(arena):
    """One row for `GroupReward`, by a function that says for which style."""
    return {
        tool: await asyncio.to_thread(catalogue_dataset, arena.address, split="", category="easy", tool=tool)
        for tool in (False, True)
    }


@pytest.fixture(scope="module")
async def talker(rows):
    """Answers in text."""
    from tests.integrations.tiny import overfitted

    asked = rows[False][0]["prompt"]
    said = [f"```python\n{code}```" for code in (RIGHT, WRONG)]
    return await asyncio.to_thread(overfitted, [[*asked, {"role": "assistant", "content": text}] for text in said])


def calls(environment, row):
    """Returns the conversations of one who calls the tool once, rightly or wrongly, and is content."""
    conversations = []
    for code in (RIGHT, WRONG):
        first = environment.reset(**row)
        arguments = {"proposed_fix": code}
        call = {"type": "function", "function": {"name": "submit_fix", "arguments": arguments}}
        conversations.append(
            [
                row["prompt"][0],
                {"role": "user", "content": first},
                {"role": "assistant", "content": "", "tool_calls": [call]},
                {"role": "tool", "name": "submit_fix", "content": environment.submit_fix(**arguments)},
                {"role": "assistant", "content": "Done."},
            ]
        )
        environment.get_reward()
    return conversations


@pytest.fixture(scope="module")
async def caller(arena, rows):
    """Calls the tool."""
    from tests.integrations.tiny import overfitted

    def make():
        environment = environment_factory(arena.address)()
        return overfitted(calls(environment, {**rows[True][0], "seed": 0}), [environment.submit_fix])

    return await asyncio.to_thread(make)


async def test_a_step_with_the_reward_function(arena, talker, rows, tmp_path):
    logged, moved = await asyncio.to_thread(
        train, talker, tmp_path, rows[False], reward_funcs=GroupReward(arena.address), max_completion_length=64
    )
    assert moved > 0
    assert 0 < logged["rewards/codearena/mean"] < 1
    assert logged["reward"] == pytest.approx(logged["rewards/codearena/mean"])
    assert logged["reward_std"] > 0
    assert 0 < logged["codearena/test_pass_ratio"] < 1
    assert logged["codearena/no_code"] == logged["codearena/failed"] == 0
    assert logged["codearena/compile_score"] > 0.5


async def test_a_step_without_an_arena_learns_nothing(talker, rows, tmp_path):
    (port,) = free_ports(1)
    gone = GroupReward(f"127.0.0.1:{port}", max_attempts=1, attempts=1)
    logged, moved = await asyncio.to_thread(
        train, talker, tmp_path, rows[False], reward_funcs=gone, max_completion_length=64
    )
    assert logged["codearena/failed"] == 1
    assert logged["reward"] is None  # as transformers logs what is not a number
    assert moved == 0


async def test_a_step_with_the_environment(arena, caller, rows, tmp_path):
    dataset = rows[True].add_column("seed", [0])
    factory = environment_factory(arena.address, run_id="trl-environment")
    logged, moved = await asyncio.to_thread(
        train, caller, tmp_path, dataset, environment_factory=factory, max_completion_length=512
    )
    assert moved > 0
    assert 0 < logged["rewards/RepairEnvironment/mean"] < 1
    assert logged["reward_std"] > 0
    assert logged["tools/call_frequency"] > 0.5
    assert logged["tools/failure_frequency"] == 0
    async with AsyncArenaClient(arena.address) as client:
        steps = [step async for step in client.export_steps("trl-environment")]
    assert {step.task_id for step in steps} == {TASK}
    assert len(steps) == round(logged["tools/call_frequency"] * GROUP)
    assert {step.method for step in steps} == {"trl"}
