"""OpenEnv's own clients, its validation, and what its protocol promises."""

import asyncio
import contextlib
import json
import subprocess
import sys

import pytest
import websockets
import yaml
from openenv import GenericEnvClient
from openenv.cli._cli_utils import validate_env_structure

from services.gateway.settings import DASHBOARD
from tests.conftest import require
from tests.e2e.processes import ROOT
from tests.gateway.conftest import RIGHT, WRONG

DONE = 0.9


async def test_the_asynchronous_client_plays_an_episode(served):
    async with GenericEnvClient(base_url=served.url) as env:
        opened = await env.reset(task_id="easy-1", seed=7)
        assert opened.observation["task_id"] == "easy-1"
        assert "def average_list" in opened.observation["buggy_code"]
        assert opened.observation["error_log"]
        assert (opened.reward, opened.done) == (None, False)
        wrong = await env.step({"proposed_fix": WRONG})
        assert (wrong.done, wrong.observation["outcome"], wrong.observation["step"]) == (False, "tests_failed", 1)
        assert 0 < wrong.reward < 0.7
        assert "expected" in wrong.observation["error_log"]
        assert [test["passed"] for test in wrong.observation["test_results"]].count(True) == wrong.observation[
            "tests_passed"
        ]
        right = await env.step({"proposed_fix": RIGHT})
        assert right.done
        assert right.reward > DONE
        breakdown = right.observation["reward_breakdown"]
        total = sum(breakdown["weights"][name] * score for name, score in breakdown["components"].items())
        assert right.reward == pytest.approx(total - sum(breakdown["penalties"].values()))
        assert [attempt["proposed_fix"] for attempt in right.observation["previous_attempts"]] == [WRONG, RIGHT]
        state = await env.state()
        assert (state["task_id"], state["step_count"], state["done"]) == ("easy-1", 2, True)
        assert state["best_reward"] == right.reward
        assert state["episode_id"] == opened.observation["episode_id"]


def test_the_synchronous_client_plays_an_episode(served):
    with GenericEnvClient(base_url=served.url).sync() as env:
        assert env.reset(task_id="easy-1").observation["difficulty"] == "easy"
        result = env.step({"proposed_fix": RIGHT})
        assert (result.done, result.reward > DONE) == (True, True)


async def test_eight_sessions_at_once_do_not_meet(served):
    async def play(number):
        fix = f"def average_list(numbers):\n    return {number}\n"
        async with GenericEnvClient(base_url=served.url) as env:
            opened = await env.reset(task_id="easy-1", seed=number)
            for _ in range(3):
                seen = (await env.step({"proposed_fix": fix})).observation
                assert seen["episode_id"] == opened.observation["episode_id"]
                assert {attempt["proposed_fix"] for attempt in seen["previous_attempts"]} == {fix}
            return seen["episode_id"], seen["step"]

    played = await asyncio.gather(*(play(number) for number in range(8)))
    assert len({episode for episode, _ in played}) == 8
    assert {step for _, step in played} == {3}


async def test_an_episode_outlives_its_connection(served):
    async with websockets.connect(served.ws) as socket:
        episode = (await asked(socket, "reset", task_id="easy-1"))["observation"]["episode_id"]
        await asked(socket, "step", proposed_fix=WRONG, request_id="first")
        socket.transport.abort()
    async with GenericEnvClient(base_url=served.url) as env:
        found = await env.reset(episode_id=episode)
        assert (found.observation["episode_id"], found.observation["step"]) == (episode, 1)
        again = await env.step({"proposed_fix": WRONG, "request_id": "first"})
        assert again.observation["step"] == 1, "a step that was graded is not graded again"
        assert (await env.step({"proposed_fix": RIGHT})).done


async def asked(socket, kind, **data):
    await socket.send(json.dumps({"type": kind, "data": data}))
    answer = json.loads(await socket.recv())
    assert answer["type"] == "observation", answer
    return answer["data"]


def test_validation_of_the_running_server(served):
    done = openenv("validate", "--url", served.url, "--json")
    report = json.loads(done.stdout)
    assert report["passed"], report
    assert report["mode"] == "simulation"


def test_validation_of_the_package(tmp_path):
    files = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    subprocess.run(["xargs", "-0", "cp", "--parents", "-t", tmp_path], cwd=ROOT, input=files, check=True)
    done = openenv("validate", str(tmp_path), "--level", "semantic", "--skip-build", "--json")
    report = json.loads(done.stdout)
    assert (done.returncode, report["verdict"]) == (0, "warn"), report
    found = {result["check_id"]: result["status"] for result in report["results"]}
    assert found["static.manifest"] == "pass"
    assert set(found.values()) <= {"pass", "skip"}, report


def test_a_space_has_the_layout_that_push_accepts(tmp_path):
    require("dashboard", (DASHBOARD / "index.html").is_file(), "the dashboard is not built: make dashboard")
    folder = tmp_path / "space"
    subprocess.run([ROOT / "tools" / "space.sh", folder], check=True, capture_output=True)
    assert validate_env_structure(folder) == ["Recommended directory missing: outputs/"]
    _, front, _ = (folder / "README.md").read_text().split("---\n", 2)
    front = yaml.safe_load(front)
    assert (front["sdk"], front["app_port"], "openenv" in front["tags"]) == ("docker", 7860, True)
    again = subprocess.run([ROOT / "tools" / "space.sh", folder], capture_output=True, text=True)
    assert (again.returncode, "not empty" in again.stderr) == (1, True)


def openenv(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "openenv.cli", *arguments], capture_output=True, text=True, timeout=120, cwd=ROOT
    )


def test_tasks_by_split(served):
    with served.http() as http:
        (name,) = http.get("/list_environments").json()
        splits = [split["name"] for split in http.get(f"/{name}/splits").json()]
        assert splits == ["train", "validation", "test"]
        counts = {}
        for split in splits:
            counts[split] = http.post(f"/{name}/num_tasks", json={"split": split}).json()["num_tasks"]
            tasks = http.post(f"/{name}/tasks", json={"split": split}).json()["tasks"]
            assert len(tasks) == counts[split]
            middle = http.post(f"/{name}/task_range", json={"split": split, "start": 1, "stop": 3}).json()["tasks"]
            assert middle == tasks[1:3]
            assert http.post(f"/{name}/task", json={"split": split, "index": 2}).json()["task"] == tasks[2]
        assert sum(counts.values()) == len(http.get("/api/tasks").json()["tasks"])
        opened = http.post("/reset", json={"split": "test", "index": 2}).json()
        wanted = http.post(f"/{name}/task", json={"split": "test", "index": 2}).json()["task"]
        assert opened["observation"]["task_id"] == wanted["id"]


def test_requests_without_a_session_play_by_the_episodes_id(served):
    with served.http() as http:
        opened = http.post("/reset", json={"task_id": "easy-1", "seed": 1}).json()
        episode = opened["observation"]["episode_id"]
        body = {"action": {"proposed_fix": RIGHT}, "episode_id": episode, "request_id": "one"}
        stepped = http.post("/step", json=body).json()
        assert stepped["done"]
        assert stepped["observation"]["title"] == opened["observation"]["title"]
        assert http.post("/step", json=body).json()["reward"] == stepped["reward"]
        state = http.get("/state", params={"episode_id": episode}).json()
        assert (state["done"], state["step_count"], state["observation"]["outcome"]) == (True, 1, "passed")


async def test_the_rubric_is_the_arenas_reward(served):
    from services.gateway.clients import ArenaClients
    from services.gateway.environment import ArenaEnvironment
    from services.gateway.link import ArenaLink
    from services.gateway.models import CodeArenaAction
    from services.gateway.settings import GatewaySettings

    async with contextlib.aclosing(ArenaClients(GatewaySettings(env_address=served.address), None)) as clients:
        environment = ArenaEnvironment(ArenaLink(clients, 0.0), 60.0)
        await environment.reset_async(task_id="easy-1")
        seen = await environment.step_async(CodeArenaAction(proposed_fix=WRONG))
        scores = {name: rubric.last_score for name, rubric in environment.rubric.named_children()}
        assert scores == seen.reward_breakdown.components
        assert environment.rubric.last_score == seen.reward


def test_tools_of_the_model_context_protocol(served):
    def call(method, **params):
        answer = http.post("/mcp", json={"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).json()
        assert answer.get("error") is None, answer
        return answer["result"]

    with served.http() as http:
        assert {tool["name"] for tool in call("tools/list")["tools"]} == {
            *("list_tasks", "start_task", "submit_fix", "show_episode"),
        }
        session = call("openenv/session/create")["session_id"]
        use = {"session_id": session}
        opened = call("tools/call", name="start_task", arguments={"task_id": "easy-1"}, **use)
        assert opened["observation"]["task_id"] == "easy-1"
        assert call("tools/call", name="submit_fix", arguments={"proposed_fix": RIGHT}, **use)["done"]
        assert call("tools/call", name="show_episode", arguments={}, **use)["done"]
        assert call("openenv/session/close", session_id=session)["closed"]
