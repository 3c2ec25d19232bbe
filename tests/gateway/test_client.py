"""`codearena.openenv`: typed, light to import, and not to be put off by a lost connection."""

import json
import subprocess
import sys

import pytest
import websockets.sync.client

from codearena import (
    Difficulty,
    EpisodeDoneError,
    FailedPreconditionError,
    InvalidArgumentError,
    NotFoundError,
    Outcome,
    UnavailableError,
)
from codearena.openenv import AsyncOpenEnvClient, OpenEnvClient
from tests.gateway.conftest import RIGHT, WRONG, free_port


def check(opened, wrong, right):
    assert (opened.observation.task_id, opened.observation.difficulty) == ("easy-1", Difficulty.EASY)
    assert (opened.reward, opened.done, opened.observation.outcome) == (None, False, None)
    assert (wrong.observation.outcome, wrong.done) == (Outcome.TESTS_FAILED, False)
    assert any(test.call for test in wrong.observation.test_results)
    assert (right.observation.outcome, right.done) == (Outcome.PASSED, True)
    assert right.reward > wrong.reward
    breakdown = right.observation.breakdown
    assert sum(breakdown.contributions.values()) == pytest.approx(right.reward)
    assert [attempt.proposed_fix for attempt in right.observation.previous_attempts] == [WRONG, RIGHT]


def test_an_episode(served):
    with OpenEnvClient(served.url) as env:
        check(env.reset("easy-1", seed=7), env.step(WRONG), env.step(RIGHT, method="me"))
        assert env.state()["step_count"] == 2
        with pytest.raises(EpisodeDoneError):
            env.step(WRONG)


async def test_an_episode_with_asyncio(served):
    async with AsyncOpenEnvClient(served.url) as env:
        check(await env.reset("easy-1", seed=7), await env.step(WRONG), await env.step(RIGHT))
        assert (await env.state())["done"]


def test_what_is_wrong_is_said(served):
    with OpenEnvClient(served.url) as env:
        with pytest.raises(FailedPreconditionError):
            env.step(RIGHT)
        with pytest.raises(NotFoundError, match="nothing"):
            env.reset("nothing")
        with pytest.raises(InvalidArgumentError, match="seed"):
            env.reset("easy-1", seed=-1)
        env.reset("easy-1")
        with pytest.raises(InvalidArgumentError, match="proposed_fix"):
            env.step("")
        assert env.step(RIGHT).done
    with pytest.raises(ValueError, match="http"):
        OpenEnvClient("127.0.0.1:7860")
    with pytest.raises(UnavailableError, match="no connection"):
        OpenEnvClient(f"http://127.0.0.1:{free_port()}", max_attempts=2).reset()


def test_a_lost_connection_loses_nothing(served, monkeypatch):
    connections = []
    real = websockets.sync.client.connect

    def recorded(*arguments, **keywords):
        connections.append(real(*arguments, **keywords))
        return connections[-1]

    monkeypatch.setattr("codearena.openenv.connect", recorded)
    with OpenEnvClient(served.url) as env:
        opened = env.reset("easy-1")
        first = env.step(WRONG, request_id="one")
        connections[-1].socket.close()
        again = env.step(WRONG, request_id="one")
        assert len(connections) == 2
        assert (again.reward, again.observation.step) == (first.reward, 1)
        connections[-1].socket.close()
        done = env.step(RIGHT)
        assert (done.done, done.observation.episode_id) == (True, opened.observation.episode_id)


def test_importing_it_is_light():
    program = "import sys, json; import codearena.openenv; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    modules = {name.partition(".")[0] for name in json.loads(done.stdout)}
    assert not modules & {"openenv", "fastapi", "pydantic", "gradio", "fastmcp", "openai", "httpx"}


def test_the_example_runs(served):
    done = subprocess.run(
        [sys.executable, "examples/openenv_episode.py", served.url], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert "step 2: reward 0.98" in done.stdout
