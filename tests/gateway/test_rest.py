"""The plain REST, the dashboard's API, and whether the OpenAPI document is true."""

import asyncio
import json
import subprocess
import sys
import uuid

import httpx2
import pytest

from codearena import AsyncArenaClient
from tests.e2e.processes import ROOT
from tests.gateway.conftest import RIGHT, WRONG


@pytest.fixture(scope="module")
async def run_id(served):
    """A training run of three episodes, of which the last is solved."""
    run_id = f"run-{uuid.uuid4().hex[:8]}"
    async with AsyncArenaClient(served.address) as client:
        for fixes in ([WRONG], [WRONG, WRONG], [WRONG, RIGHT]):
            async with await client.reset("easy-1", run_id=run_id) as episode:
                for fix in fixes:
                    await episode.step(fix, method="test")
    return run_id


def test_fix_proposes_and_grades_nothing(served):
    with served.http() as http:
        episode = http.post("/reset", json={"task_id": "easy-1"}).json()["observation"]["episode_id"]
        proposed = http.post("/fix", json={"episode_id": episode}).json()
        assert proposed["method"] == "builtin"
        assert proposed["explanations"]
        assert proposed["diff"].startswith("---")
        assert http.get("/state", params={"episode_id": episode}).json()["step_count"] == 0
        plain = http.post("/fix", json={"code": "def f(x)\n    return x\n", "error_log": "SyntaxError"}).json()
        assert plain["fixed_code"] == "def f(x):\n    return x\n"


def test_run_raw_runs_anything_in_a_sandbox(served):
    with served.http() as http:
        code = "import sys\nprint(input()[::-1])\nprint('<b>', file=sys.stderr)\nsys.exit(3)\n"
        ran = http.post("/run_raw", json={"code": code, "stdin": "abc\n"}).json()
        assert (ran["stdout"], ran["stderr"], ran["exit_code"]) == ("cba\n", "<b>\n", 3)
        assert ran["outcome"] == "crashed"
        assert ran["peak_memory_bytes"] > 1_000_000
        looping = http.post("/run_raw", json={"code": "while True: pass"}).json()
        assert (looping["outcome"], looping["exit_code"]) == ("timed_out", None)
        assert http.post("/run_raw", json={"code": "import os\nos.fork()"}).json()["violations"]


def test_what_is_known_of_a_run(served, run_id):
    with served.http() as http:
        level = http.get("/curriculum", params={"run_id": run_id}).json()
        assert level["levels"] == ["easy", "medium", "hard", "expert"]
        assert level["level"] in level["levels"]
        tables = {
            table["name"]: table["rows"] for table in http.get("/stats", params={"run_id": run_id}).json()["tables"]
        }
        (everything,) = tables["all"]
        assert (everything["episode_count"], everything["step_count"]) == (3, 5)
        (best,) = http.get("/memory", params={"run_id": run_id}).json()["memories"]
        assert (best["task_id"], best["code"]) == ("easy-1", RIGHT)
        (run,) = [run for run in http.get("/api/runs").json()["runs"] if run["run_id"] == run_id]
        assert (run["episode_count"], run["step_count"]) == (3, 5)
        steps = http.get("/api/steps", params={"run_id": run_id}).json()
        assert [step["method"] for step in steps["steps"]] == ["test"] * 5
        assert [step["solved"] for step in steps["steps"]].count(True) >= 1
        assert "proposed_fix" not in steps["steps"][0]
        third = steps["steps"][2]["created_at"]
        later = http.get("/api/steps", params={"run_id": run_id, "after": third}).json()["steps"]
        assert later == steps["steps"][3:]


async def test_steps_come_as_they_are_stored(served):
    run_id = f"run-{uuid.uuid4().hex[:8]}"
    async with (
        AsyncArenaClient(served.address) as client,
        httpx2.AsyncClient(base_url=served.url, timeout=30, trust_env=False) as http,
        http.stream("GET", "/api/steps/stream", params={"run_id": run_id}) as stream,
    ):
        lines = stream.aiter_lines()
        assert await anext(lines) == "event: ping"
        seen = []
        episode = await client.reset("easy-1", run_id=run_id)
        for number, fix in enumerate((WRONG, RIGHT), 1):
            result = await episode.step(fix)
            async with asyncio.timeout(20):
                while len(seen) < number:
                    line = await anext(lines)
                    if line.startswith('data: {"steps"'):
                        seen += json.loads(line.removeprefix("data: "))["steps"]
            assert seen[-1]["reward"] == pytest.approx(result.reward)
        assert [step["step"] for step in seen] == [1, 2]


def test_how_the_services_are(served):
    with served.http() as http:
        found = http.get("/api/operations").json()
        assert {each["name"]: each["status"] for each in found["services"]} == dict.fromkeys(
            ("gateway", "env", "executor", "judge"), "serving"
        )
        assert found["sandbox"]["backend"] == "process"
        assert sum(found["sandbox"]["slots"].values()) == 2
        assert all(found["sandbox"]["canaries"].values())
        assert set(found["outcomes"]) >= {"passed", "tests_failed", "infra_error"}
        exported = http.get("/metrics").text
        assert 'codearena_build_info{service="gateway"' in exported
        assert 'codearena_gateway_requests_total{route="/api/operations",status="2xx"}' in exported
        assert "codearena_gateway_sessions" in exported


def test_the_page_is_served_with_every_path_of_its_own(served):
    with served.http() as http:
        for path in ("/", "/arena", "/arena/pack/task-1", "/training", "/sandbox", "/operations"):
            answer = http.get(path)
            assert (answer.status_code, "<title>CodeArena</title>" in answer.text) == (200, True), path


def test_without_a_built_page_the_api_serves_and_says_how_to_build_it(gateway, tmp_path):
    bare = gateway(CODEARENA_DASHBOARD=str(tmp_path / "nothing"))
    with bare.http() as http:
        assert "make dashboard" in http.get("/").text
        assert http.get("/api/tasks").status_code == 200


def test_the_openapi_document_is_true(served):
    done = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "run", f"{served.url}/openapi.json"),
            *("--phases", "examples,coverage,fuzzing", "--max-examples", "15", "--seed", "1"),
            *(
                "--checks",
                "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance",
            ),
            *("--exclude-path", "/api/steps/stream"),  # it does not end; tested above
            "--no-color",
        ],
        capture_output=True,
        text=True,
        timeout=240,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
