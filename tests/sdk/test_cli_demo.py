"""The demo: what it plays, prints and leaves behind, and the arena that it starts for itself."""

import csv
import json
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from click.testing import CliRunner

from codearena._cli.app import cli
from codearena._cli.embedded import embedded_arena
from codearena._cli.session import ArenaProblem
from codearena.v1 import env_service_pb2 as pb

ROOT = Path(__file__).parents[2]


@pytest.fixture
def catalogue(fake, make):
    """Two tasks; "easy-1" is solved in the second step, "hard-1" never, since its proposals do not change."""
    tasks = [make.task("easy-1"), make.task("hard-1", "DIFFICULTY_HARD")]
    attempts: dict[str, int] = {}

    def reset(request):
        attempts[request.task_id] = 0
        return pb.ResetResponse(episode_id=request.task_id, task=make.task(request.task_id))

    def propose(request):
        easy = request.episode_id == "easy-1"
        code = f"attempt {attempts[request.episode_id]}" if easy else "the same again"
        return pb.ProposeFixResponse(code=code, method="builtin", explanations=["swapped [bold]\x1b[31m"])

    def step(request):
        attempts[request.episode_id] += 1
        solved = request.proposed_fix == "attempt 1"
        grade = make.grade() if solved else make.grade(0.3, "OUTCOME_TESTS_FAILED")
        observation = make.observation(attempts[request.episode_id])
        return pb.StepResponse(observation=observation, grade=grade, done=solved)

    fake.responses.update(
        ListTasks=lambda request: pb.ListTasksResponse(tasks=tasks), Reset=reset, ProposeFix=propose, Step=step
    )
    return tasks


def demo(address, *arguments):
    return CliRunner().invoke(cli, ["--address", address, "demo", *arguments])


def test_demo_plays_every_task_and_records_every_step(fake, catalogue, tmp_path):
    done = demo(fake.address, "--out", str(tmp_path / "results"))
    assert done.exit_code == 1
    with (tmp_path / "results" / "rewards_log.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["task_id"], row["step"], row["reward"], row["outcome"]) for row in rows] == [
        ("easy-1", "1", "0.3", "TESTS_FAILED"),
        ("easy-1", "2", "0.9", "PASSED"),
        ("hard-1", "1", "0.3", "TESTS_FAILED"),
    ]
    assert list(rows[0]) == [
        *("timestamp", "task_id", "step", "reward"),
        *("compile_score", "test_pass_ratio", "efficiency_score"),
        *("llm_correctness", "llm_security", "llm_quality"),
        *("step_penalty", "repeat_penalty", "outcome", "method"),
        *("category", "difficulty", "sample", "complexity"),
    ]
    assert (rows[1]["efficiency_score"], rows[1]["llm_quality"], rows[1]["step_penalty"]) == ("0.8", "", "0.04")
    assert rows[1]["method"] == "builtin"
    assert (tmp_path / "results" / "rewards.png").read_bytes().startswith(b"\x89PNG")


def test_demo_reads_well_without_a_terminal(fake, catalogue, tmp_path):
    done = demo(fake.address, "--out", str(tmp_path))
    lines = done.stdout.splitlines()
    assert lines[0] == f"arena: {fake.address}"
    assert lines[1].startswith("easy-1 step 1: compile 1.00*0.20=0.200 + ")
    assert lines[3].startswith("easy-1: solved (difficulty easy, step 2/5, tests 5/5, efficiency 0.80, judge static")
    assert lines[5].startswith("hard-1: NOT SOLVED (difficulty hard, step 1/5, tests 2/5")
    assert "solved 1 of 2 tasks, mean reward 0.600" in lines
    assert "\x1b" not in done.stdout
    assert str(tmp_path / "rewards_log.csv") in done.stdout


def test_demo_succeeds_when_all_is_solved(fake, catalogue, tmp_path):
    catalogue.pop()
    assert demo(fake.address, "--out", str(tmp_path)).exit_code == 0


def test_demo_as_json(fake, catalogue, tmp_path):
    done = demo(fake.address, "--out", str(tmp_path), "--json")
    document = json.loads(done.stdout)
    assert document["arena"] is None
    assert document["log"] == str(tmp_path / "rewards_log.csv")
    assert [(task["task_id"], task["solved"]) for task in document["tasks"]] == [("easy-1", True), ("hard-1", False)]
    assert document["tasks"][0]["steps"][1]["grade"]["reward"] == 0.9


def test_demo_goes_on_without_matplotlib(fake, catalogue, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    done = demo(fake.address, "--out", str(tmp_path))
    assert done.exit_code == 1
    assert "matplotlib is not installed" in done.stderr
    assert not (tmp_path / "rewards.png").exists()
    assert (tmp_path / "rewards_log.csv").exists()


def test_demo_without_tasks_is_an_error(fake, tmp_path):
    fake.responses["ListTasks"] = lambda request: pb.ListTasksResponse()
    assert demo(fake.address, "--out", str(tmp_path)).exit_code == 4


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A folder whose `services.standalone` is the given program; the working directory for the test."""

    def write(program):
        package = tmp_path / "services" / "standalone"
        package.mkdir(parents=True)
        (tmp_path / "services" / "__init__.py").touch()
        (package / "__init__.py").touch()
        (package / "__main__.py").write_text(textwrap.dedent(program))
        monkeypatch.chdir(tmp_path)
        monkeypatch.delenv("CODEARENA_ADDRESS", raising=False)
        return tmp_path

    return write


def stand_in(address):
    """A process that keeps the contract of `services.standalone` and leaves the serving to the test's peer."""
    return f"""
        import json, os, signal, sys
        from pathlib import Path
        assert sys.argv[1:3] == ["--port", "0"] and sys.argv[3] == "--ready-file", sys.argv
        def stop(*_):
            Path("stopped").touch()
            sys.exit(0)
        signal.signal(signal.SIGTERM, stop)
        Path(sys.argv[4]).write_text(json.dumps(dict(
            address="{address}", sandbox="process", reason="no engine answers", pid=os.getpid())))
        signal.pause()
    """


def test_demo_starts_an_arena_of_its_own_and_ends_it(fake, catalogue, checkout):
    folder = checkout(stand_in(fake.address))
    done = CliRunner().invoke(cli, ["demo"])
    assert done.exit_code == 1
    assert "sandbox: process (no engine answers)" in done.stdout.splitlines()
    assert (folder / "results" / "rewards_log.csv").exists()
    assert (folder / "stopped").exists()


def test_arena_that_dies_at_its_start_shows_why(checkout):
    checkout("import sys; sys.exit('no kernel for this')")
    done = CliRunner().invoke(cli, ["demo"])
    assert done.exit_code == 3
    assert "ended with status 1" in done.stderr
    assert "no kernel for this" in done.stderr


def test_arena_that_never_gets_ready_is_given_up(checkout):
    checkout("import time; print('still building', flush=True); time.sleep(60)")
    with pytest.raises(ArenaProblem, match="not ready in time"), embedded_arena(start_seconds=1.0):
        pass


def test_arena_that_dies_on_the_way_shows_why(unused_address, checkout):
    program = stand_in(unused_address).replace("signal.pause()", "sys.exit('out of memory')")
    checkout(program)
    done = CliRunner().invoke(cli, ["demo"])
    assert done.exit_code == 3
    assert "out of memory" in done.stderr


def test_sdk_alone_says_that_it_holds_no_arena(tmp_path):
    # -S -E keep the checkout off the path; the dependencies are put back by hand
    program = f"""
import sys
sys.path[:0] = {[path for path in sys.path if "site-packages" in path]!r}
import importlib.machinery, importlib.util
spec = importlib.util.spec_from_file_location(
    "codearena", {str(ROOT / "codearena" / "__init__.py")!r},
    submodule_search_locations=[{str(ROOT / "codearena")!r}])
sys.modules["codearena"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(sys.modules["codearena"])
from codearena.__main__ import main
sys.argv = ["codearena", "demo"]
main()
"""
    env = {key: value for key, value in os.environ.items() if not key.startswith("CODEARENA_")}
    done = subprocess.run(
        [sys.executable, "-S", "-E", "-c", program], cwd=tmp_path, env=env, capture_output=True, text=True
    )
    assert done.returncode == 3
    assert "holds no arena" in done.stderr


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signals_end_the_arena_too(fake, catalogue, checkout, number, status):
    folder = checkout(stand_in(fake.address))
    fake.stalled.add("Step")
    process = subprocess.Popen(
        [sys.executable, "-m", "codearena", "demo"], cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    assert fake.arrived["Step"].wait(30)
    process.send_signal(number)
    fake.stalled.clear()
    assert process.wait(timeout=30) == status
    assert (folder / "stopped").exists()
