"""`codearena demo`: an arena of its own, nine tasks, a log and a chart, and nothing left behind."""

import csv
import json
import re
import subprocess
import sys

import pytest

from tests.e2e.processes import ROOT, plain_environment

pytestmark = pytest.mark.timeout(320)  # above that of the command
TASKS = {
    *("easy-1", "medium-1", "hard-1"),
    *(f"{category}-{number}" for category in ("type_errors", "security_bugs") for number in (1, 2, 3)),
}
COLUMNS = [
    *("timestamp", "task_id", "step", "reward"),
    *("compile_score", "test_pass_ratio", "efficiency_score", "llm_correctness", "llm_security", "llm_quality"),
    *("step_penalty", "repeat_penalty", "outcome", "method"),
    *("category", "difficulty", "sample", "complexity"),
]
WEIGHTS = dict(zip(COLUMNS[4:10], (0.15, 0.35, 0.30, 0.10, 0.05, 0.05), strict=True))


def demo(backend, out, data_dir):
    return subprocess.run(
        [sys.executable, "-m", "codearena", "demo", "--out", str(out)],
        cwd=ROOT,
        env=plain_environment(CODEARENA_SANDBOX_BACKEND=backend, CODEARENA_DATA_DIR=str(data_dir)),
        capture_output=True,
        text=True,
        timeout=300,
    )


def check(done, out, backend):
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "starting an arena ..."
    assert lines[1].startswith(f"sandbox: {backend} (CODEARENA_SANDBOX_BACKEND says so")
    for task_id in TASKS:
        assert any(line.startswith(f"{task_id}: solved (") for line in lines), task_id
    assert "solved 9 of 9 tasks" in done.stdout
    check_log(out / "rewards_log.csv")
    assert (out / "rewards.png").read_bytes().startswith(b"\x89PNG\r\n\x1a\n")


def check_log(path):
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == COLUMNS
    assert {row["task_id"] for row in rows} == TASKS
    assert {row["task_id"] for row in rows if row["outcome"] == "PASSED"} == TASKS
    assert {row["method"] for row in rows} == {"builtin"}
    for row in rows:
        total = sum(weight * float(row[name]) for name, weight in WEIGHTS.items())
        total -= float(row["step_penalty"]) + float(row["repeat_penalty"])
        assert float(row["reward"]) == pytest.approx(min(0.999, max(0.001, total)), abs=1e-5)
        assert float(row["step_penalty"]) == pytest.approx(0.01 * int(row["step"]))


def test_demo_with_process_sandboxes(tmp_path):
    out, data_dir = tmp_path / "results", tmp_path / "data"
    check(demo("process", out, data_dir), out, "process")
    check_what_was_kept(out, data_dir)


def check_what_was_kept(out, data_dir):
    """The commands about what was played start an arena on the demo's data, and agree with the demo's log."""
    with (out / "rewards_log.csv").open(newline="") as file:
        played = [(row["task_id"], int(row["step"]), float(row["reward"])) for row in csv.DictReader(file)]
    tables = json.loads(after("stats --json", data_dir))["tables"]
    assert {row["key"] for row in tables["task"]} == TASKS
    (everything,) = tables["all"]
    assert (everything["episode_count"], everything["step_count"], everything["solve_rate"]) == (9, len(played), 1.0)
    assert everything["mean_reward"] == pytest.approx(sum(reward for *_, reward in played) / len(played), abs=1e-5)
    assert [row["key"] for row in tables["method"]] == ["builtin"]
    (run,) = json.loads(after("runs --json", data_dir))["runs"]
    assert run["step_count"] == len(played)
    path = out / "steps.csv"
    after(f"export {path} --run {run['run_id']} --with-fixes", data_dir)
    with path.open(newline="") as file:
        kept = [(row["task_id"], int(row["step"]), float(row["reward"])) for row in csv.DictReader(file)]
    assert kept == [(task_id, step, pytest.approx(reward, abs=1e-5)) for task_id, step, reward in played]
    rescored = json.loads(after("rescore --json", data_dir))
    assert (rescored["step_count"], rescored["changes"], rescored["failures"]) == (len(played), [], [])
    memories = json.loads(after(f"memory list --run {run['run_id']} --json", data_dir))["memories"]
    assert {memory["task_id"] for memory in memories} == TASKS


def after(command, data_dir):
    """What a command prints that names no arena, where none runs."""
    program = """
import sys
import codearena._cli.session as session
session.DEFAULT_ADDRESS = "127.0.0.1:1"
from codearena.__main__ import main
main()
"""
    done = subprocess.run(
        [sys.executable, "-c", program, *command.split()],
        cwd=ROOT,
        env=plain_environment(CODEARENA_SANDBOX_BACKEND="process", CODEARENA_DATA_DIR=str(data_dir)),
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.docker
def test_demo_with_docker_sandboxes_leaves_no_container(docker_engine, tmp_path, arena_data):
    out = tmp_path / "results"
    done = demo("docker", out, arena_data)
    check(done, out, "docker")
    pid = re.search(r"^arena: \S+, process (\d+), ends with the demo$", done.stdout, re.MULTILINE)[1]
    assert docker_engine.containers(all=True, filters={"label": f"codearena.executor.pid={pid}"}) == []
