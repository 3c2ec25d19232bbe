"""The taskset and environment of verifiers, run by the real library against a local model server."""

from __future__ import annotations

import asyncio
import json

import pytest

from codearena import AsyncArenaClient
from tests.conftest import require
from tests.e2e.processes import ROOT, free_ports, plain_environment
from tests.integrations.conftest import FENCED, WRONG
from tests.judge.openai_server import OpenAiServer, Reply, completion

VENV = ROOT / ".venv-verifiers"
PYTHON = VENV / "bin" / "python"
SCRIPT = ROOT / "tests" / "integrations" / "verifiers_rollouts.py"
PROSE = "I am sorry, but I cannot help with that."


@pytest.fixture(autouse=True)
def verifiers():
    require("verifiers", (VENV / ".installed").exists(), "verifiers is not installed: run tools/verifiers.sh")


@pytest.fixture
def model():
    server = OpenAiServer()
    yield server
    server.close()


async def rollouts(address, url, *tasks):
    process = await asyncio.create_subprocess_exec(
        *(str(PYTHON), str(SCRIPT), address, url, ",".join(tasks)),
        env=plain_environment(PYTHONPATH=str(ROOT)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    return json.loads(out.splitlines()[-1])


async def test_an_episode_of_three_turns(arena, model):
    answers = [PROSE, f"```python\n{WRONG}```", FENCED]
    model.script = lambda request, number: Reply(completion(answers[len(request["messages"]) // 2 - 1]))
    (found,) = await rollouts(arena.address, model.url, "easy-1")
    assert (found["id"], found["ok"], found["errors"]) == ("easy-1", True, [])
    assert found["rewards"]["reward"] > 0.9
    assert found["metrics"]["solved"] == 1.0
    assert (found["metrics"]["turns"], found["metrics"]["no_code"], found["metrics"]["refused"]) == (3.0, 1.0, 0.0)
    assert found["metrics"]["test_pass_ratio"] == 1.0
    assert found["roles"] == ["system", *["user", "assistant"] * 3]
    async with AsyncArenaClient(arena.address) as client:
        steps = [step async for step in client.export_steps("verifiers")]
    assert [step.method for step in steps] == ["verifiers"] * 2


async def test_a_model_that_does_not_answer_is_an_error_and_no_reward(arena, model):
    model.script = lambda request, number: Reply("out of order", status=400)
    (found,) = await rollouts(arena.address, model.url, "easy-1")
    assert not found["ok"]
    assert "reward" not in found["rewards"]


async def test_an_arena_that_is_gone_is_an_error(model):
    (port,) = free_ports(1)
    with pytest.raises(AssertionError, match="UNAVAILABLE"):  # the tasks cannot be listed
        await rollouts(f"127.0.0.1:{port}", model.url, "easy-1")
