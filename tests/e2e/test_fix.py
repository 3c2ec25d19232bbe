"""`codearena fix` against an arena of its own: without any model, and with a chain of two."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from codearena import ArenaClient
from codearena._cli.embedded import embedded_arena
from tests.e2e.processes import ROOT, plain_environment
from tests.e2e.test_demo import TASKS
from tests.judge.openai_server import OpenAiServer, Reply, completion, message_of

KEY = "sk-test-0123456789abcdef"  # pragma: allowlist secret
WRONG = "def average_list(numbers):\n    return 1\n"
RIGHT = "def average_list(numbers):\n    return sum(numbers) / len(numbers) if numbers else 0.0\n"


@pytest.fixture
def fix(own_state):
    """Runs the command with process sandboxes and an empty store."""

    def run(*arguments, **variables):
        environment = plain_environment(**own_state, **variables)
        return subprocess.run(
            [sys.executable, "-m", "codearena", "fix", *map(str, arguments)],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
        )

    return run


@pytest.fixture
def model():
    server = OpenAiServer()
    yield server
    server.close()


def test_the_builtin_fixer_solves_every_task(fix):
    done = fix("--task", "demo", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    tasks = json.loads(done.stdout)["tasks"]
    assert {task["task_id"] for task in tasks if task["solved"]} == TASKS
    for task in tasks:
        assert task["usage"] == {"prompt_tokens": 0, "completion_tokens": 0, "cost_usd": 0.0}
        for played in task["rounds"]:
            assert [attempt["provider"] for attempt in played["proposal"]["attempts"]] == ["builtin"]
            assert played["proposal"]["diff"].startswith("--- before\n+++ after\n@@ ")


def test_a_chain_solves_a_task_with_what_the_grades_say(fix, model):
    model.script = lambda request, number: Reply(completion(f"```python\n{WRONG if number == 1 else RIGHT}```"))
    providers = [
        {"name": "down", "model": "far", "base_url": "http://127.0.0.1:1/v1", "api_key": KEY, "max_retries": 0},
        {"name": "up", "model": "near", "base_url": model.url, "api_key": KEY},
    ]
    prices = {"near": [10_000, 50_000]}
    done = fix(
        *("--task", "easy-1", "--json"),
        CODEARENA_FIXER_PROVIDERS=json.dumps(providers),
        CODEARENA_JUDGE_PRICES=json.dumps(prices),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    document = json.loads(done.stdout)
    assert [played["code"] for played in document["rounds"]] == [WRONG, RIGHT]
    assert document["usage"] == {"prompt_tokens": 200, "completion_tokens": 40, "cost_usd": pytest.approx(4.0)}
    attempts = document["rounds"][0]["proposal"]["attempts"]
    assert [(attempt["provider"], attempt["outcome"]) for attempt in attempts] == [("down", "connection"), ("up", "ok")]
    first, second = map(message_of, model.requests)
    assert "REWARD_OF_THE_LAST_ATTEMPT" not in first
    assert WRONG in second
    assert "REWARD_OF_THE_LAST_ATTEMPT" in second
    assert "hidden tests failed" in second
    assert KEY not in done.stdout + done.stderr


@pytest.mark.parametrize("offered", [False, True])
def test_a_model_is_shown_the_best_known_fix_where_memory_is_offered(model, tmp_path, monkeypatch, offered):
    model.script = lambda request, number: Reply(completion(f"```python\n{WRONG}```"))
    for name in [name for name in os.environ if name.startswith("CODEARENA_")]:
        monkeypatch.delenv(name)
    providers = [{"name": "up", "model": "near", "base_url": model.url}]
    monkeypatch.setenv("CODEARENA_FIXER_PROVIDERS", json.dumps(providers))
    monkeypatch.setenv("CODEARENA_SANDBOX_BACKEND", "process")
    monkeypatch.setenv("CODEARENA_DATA_DIR", str(tmp_path))
    monkeypatch.chdir(ROOT)
    with embedded_arena() as own, ArenaClient(own.address) as arena:
        with arena.reset("easy-1", run_id="a") as episode:
            reward = episode.step(RIGHT).absolute_reward
        with arena.reset("easy-1", run_id="a", offer_memory=offered) as episode:
            assert episode.propose_fix().method == "near"
    message = message_of(model.requests[-1])
    assert (RIGHT in message) == offered
    assert ("<<<BEST_KNOWN " in message) == offered
    assert (f"{reward:.3f} of 1" in message) == offered
