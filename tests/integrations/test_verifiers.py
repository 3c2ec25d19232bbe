"""The taskset and environment of verifiers, run by the real library against a local model server."""

from __future__ import annotations

import asyncio
import json

import pytest

from codearena import AsyncArenaClient
from tests.conftest import require
from tests.e2e.processes import ROOT, plain_environment
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


async def test_an_episode_and_a_model_that_does_not_answer(arena, model):
    answers = [PROSE, f"```python\n{WRONG}```", FENCED]

    def script(request, number):
        messages = request["messages"]
        if "average_list" not in messages[1]["content"]:
            return Reply("out of order", status=400)
        return Reply(completion(answers[len(messages) // 2 - 1]))

    model.script = script
    played, failed = await rollouts(arena.address, model.url, "easy-1", "medium-1")
    assert (played["id"], played["ok"], played["errors"]) == ("easy-1", True, [])
    assert played["rewards"]["reward"] > 0.9
    assert played["metrics"]["solved"] == 1.0
    assert (played["metrics"]["turns"], played["metrics"]["no_code"], played["metrics"]["refused"]) == (3.0, 1.0, 0.0)
    assert played["metrics"]["test_pass_ratio"] == 1.0
    assert played["roles"] == ["system", *["user", "assistant"] * 3]
    assert (failed["id"], failed["ok"], failed["rewards"]) == ("medium-1", False, {})
    async with AsyncArenaClient(arena.address) as client:
        steps = [step async for step in client.export_steps("verifiers")]
    assert [(step.task_id, step.method) for step in steps] == [("easy-1", "verifiers")] * 2
