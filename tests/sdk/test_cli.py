"""The command line: what it prints, and how it ends."""

import json
import os
import re
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import grpc
import pytest
from click.testing import CliRunner

from codearena._cli.app import cli
from codearena.v1 import env_service_pb2 as pb
from tests.waiting import until

ROOT = Path(__file__).parents[2]


@pytest.fixture
def run(fake):
    """Runs a command against the peer."""

    def invoke(*arguments, address=fake.address, stdin=None, env=None):
        return CliRunner().invoke(cli, ["--address", address, *arguments], input=stdin, env=env)

    return invoke


@pytest.fixture
def fix(tmp_path):
    path = tmp_path / "fix.py"
    path.write_text("x = 1\n")
    return str(path)


@pytest.fixture
def failing(fake, make):
    """Grades are of a program that fails."""
    grade = make.grade(reward=0.3, outcome="OUTCOME_TESTS_FAILED")
    grade.error_log = "two: expected 2, got \x1b[31m0 [bold]"
    fake.responses["Grade"] = lambda request: pb.GradeResponse(grade=grade)
    fake.responses["Step"] = lambda request: pb.StepResponse(observation=make.observation(1), grade=grade)


def test_health(run, fake):
    done = run("health")
    assert (done.exit_code, done.stdout) == (0, f"{fake.address} serving\n")
    assert json.loads(run("health", "--json").stdout) == {"address": fake.address, "status": "SERVING"}


def test_health_of_an_arena_that_does_not_serve(run, fake):
    fake.health.set("", 2)
    done = run("health")
    assert done.exit_code == 3
    assert "not serving" in done.stdout


def test_tasks_list(run, fake):
    done = run("tasks", "list", "--difficulty", "EASY")
    assert done.exit_code == 0
    assert re.search(r"easy-1\s+easy\s+easy\s+Count", done.stdout)
    assert fake.requests("ListTasks")[0].difficulty == 1
    (task,) = json.loads(run("tasks", "list", "--json").stdout)["tasks"]
    assert task["task_id"] == "easy-1"
    assert task["visible_tests"] == [{"name": "one", "call": "count('a')", "expected": "1"}]


def test_tasks_list_of_a_split(run, fake):
    assert run("tasks", "list", "--split", "validation").exit_code == 0
    assert fake.requests("ListTasks")[0].split == "validation"
    assert run("tasks", "list", "--split", "holdout").exit_code == 2


def test_tasks_show_tells_split_and_modules(run):
    shown = run("tasks", "show", "easy-1").stdout
    assert "easy | easy | train | repairs count()" in shown
    assert "vowels.py, not to be changed:\nVOWELS = 'aeiou'" in shown


def test_grade_with_a_seed(run, fake, fix):
    assert run("grade", "easy-1", fix, "--seed", "7").exit_code == 0
    assert fake.requests("Grade")[0].seed == 7
    assert run("grade", "easy-1", fix, "--seed", "-1").exit_code == 2


def test_tasks_show(run):
    done = run("tasks", "show", "easy-1")
    assert done.exit_code == 0
    assert "def count(s): return 0" in done.stdout
    assert "4 hidden tests" in done.stdout
    assert json.loads(run("tasks", "show", "easy-1", "--json").stdout)["function_name"] == "count"


def test_grade_that_passes(run, fake, fix):
    done = run("grade", "easy-1", fix)
    assert done.exit_code == 0
    assert "PASSED  5/5 tests  reward 0.900" in done.stdout
    expected = "compile 1.00*0.20=0.200 + tests 1.00*0.50=0.500 + efficiency 0.80*0.30=0.240 - step 0.040 = 0.900"
    assert expected in done.stdout
    assert fake.requests("Grade")[0].code == "x = 1\n"


def test_grade_that_fails(run, failing, fix):
    done = run("grade", "easy-1", fix)
    assert done.exit_code == 1
    assert "TESTS_FAILED" in done.stdout


def test_output_of_a_program_does_not_steer_the_terminal(run, failing, fix):
    done = run("grade", "easy-1", fix)
    assert "\x1b" not in done.stdout
    assert r"got \x1b[31m0 [bold]" in done.stdout


def test_grade_from_stdin_as_json(run, fake):
    done = run("grade", "easy-1", "-", "--json", stdin="y = 2\n")
    assert done.exit_code == 0
    grade = json.loads(done.stdout)["grade"]
    assert (grade["reward"], grade["outcome"], grade["judge_source"]) == (0.9, "PASSED", "STATIC")
    assert grade["breakdown"]["scores"]["efficiency_score"] == 0.8
    assert grade["usage"]["cpu_seconds"] == 0.25
    assert fake.requests("Grade")[0].code == "y = 2\n"


def test_run_passes_output_on(run, fake, fix):
    done = run("run", fix, "--stdin", "-", stdin="hello")
    assert (done.exit_code, done.stdout) == (0, "HELLO")
    assert "PASSED" in done.stderr
    fake.responses["RunCode"] = lambda request: pb.RunCodeResponse(outcome="OUTCOME_CRASHED", stderr="Boom")
    done = run("run", fix)
    assert done.exit_code == 1
    assert "Boom" in done.stderr
    assert json.loads(run("run", fix, "--json").stdout)["exit_code"] is None


def test_play_takes_a_file_for_each_step(run, fake, fix, tmp_path):
    last = tmp_path / "last.py"
    last.write_text("done")
    done = run("play", "easy-1", fix, str(last), fix, "--seed", "7")
    assert done.exit_code == 0
    assert [request.proposed_fix for request in fake.requests("Step")] == ["x = 1\n", "done"]
    assert fake.requests("Reset")[0].seed == 7
    assert "step 1 of 5" in done.stdout


def test_play_as_json(run, failing, fix, fake):
    done = run("play", "easy-1", fix, "--json")
    assert done.exit_code == 1
    document = json.loads(done.stdout)
    assert (document["episode_id"], document["solved"]) == ("ep_1", False)
    assert [step["grade"]["reward"] for step in document["steps"]] == [0.3]
    assert len(fake.requests("CloseEpisode")) == 1


def test_play_without_files_needs_a_terminal(run, fake):
    done = run("play", "easy-1")
    assert done.exit_code == 2
    assert "FILE" in done.stderr
    assert not fake.received


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["grade", "easy-1", "absent.py"], "absent.py"),
        (["grade", "easy-1"], "FILE"),
        (["tasks", "list", "--difficulty", "absurd"], "absurd"),
        (["--timeout", "0", "health"], "timeout"),
        (["--ca-file", "absent.pem", "health"], "absent.pem"),
        (["no-such-command"], "no-such-command"),
        (["run", "-", "--stdin", "-"], "stdin"),
    ],
)
def test_wrong_command_lines(run, arguments, complaint):
    done = run(*arguments)
    assert done.exit_code == 2
    assert complaint in done.stderr


@pytest.mark.parametrize(
    ("content", "complaint"), [(b"\xff\xfe", "not UTF-8"), (b"#" * (1024 * 1024 + 1), "longer than")]
)
def test_files_that_are_no_source(run, tmp_path, content, complaint):
    path = tmp_path / "bad.py"
    path.write_bytes(content)
    done = run("grade", "easy-1", str(path))
    assert done.exit_code == 2
    assert complaint in done.stderr


def test_nothing_answers(run, unused_address):
    done = run("health", address=unused_address)
    assert (done.exit_code, done.stdout) == (3, "")
    start = f"codearena: no arena answers at {unused_address}: start one with `make serve`, or pass --address"
    assert done.stderr.startswith(start)
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("code", "details", "status", "advice"),
    [
        (grpc.StatusCode.NOT_FOUND, {"reason": "TASK_NOT_FOUND"}, 4, "codearena tasks list"),
        (grpc.StatusCode.UNAUTHENTICATED, {"reason": "BAD_TOKEN"}, 4, "CODEARENA_TOKEN"),
        (grpc.StatusCode.UNIMPLEMENTED, {}, 4, "no arena, or an older one"),
        (grpc.StatusCode.INTERNAL, {"reason": "BUG", "metadata": {"error_id": "e-17"}}, 4, "e-17"),
        (grpc.StatusCode.INVALID_ARGUMENT, {"reason": "FIX_TOO_LARGE"}, 4, "scripted"),
        (grpc.StatusCode.DEADLINE_EXCEEDED, {"reason": "DEADLINE"}, 3, "--timeout"),
        (
            grpc.StatusCode.RESOURCE_EXHAUSTED,
            {"reason": "QUEUE_FULL", "retry_after_nanos": 2_000_000_000},
            3,
            "again in 2 s",
        ),
        (grpc.StatusCode.UNAVAILABLE, {"reason": "STORE_UNAVAILABLE"}, 3, "nothing was consumed"),
    ],
)
def test_errors_are_one_line_that_says_what_to_do(run, fake, fix, code, details, status, advice):
    fake.fail("Grade", code, times=3, **details)
    done = run("grade", "easy-1", fix, "--json")
    assert (done.exit_code, done.stdout) == (status, "")
    assert done.stderr.startswith("codearena: ")
    assert advice in done.stderr
    assert done.stderr.count("\n") == 1


def test_options_stand_at_either_end_and_in_the_environment(fake, fix):
    runner = CliRunner()
    env = {"CODEARENA_ADDRESS": fake.address, "CODEARENA_TOKEN": "from-env"}
    assert runner.invoke(cli, ["grade", "easy-1", fix], env=env).exit_code == 0
    assert runner.invoke(cli, ["--token", "given", "grade", "easy-1", fix], env=env).exit_code == 0
    at_the_end = ["grade", "easy-1", fix, "--address", fake.address, "--token", "late", "--timeout", "50"]
    assert runner.invoke(cli, ["--address", "127.0.0.1:1", *at_the_end]).exit_code == 0
    tokens = [received.metadata["authorization"] for received in fake.received["Grade"]]
    assert tokens == ["Bearer from-env", "Bearer given", "Bearer late"]
    assert fake.received["Grade"][2].seconds_left < 51


def test_interruption_ends_with_130(run, monkeypatch):
    def interrupted(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr("codearena._cli.grading.read_source", interrupted)
    done = run("grade", "easy-1", "-")
    assert done.exit_code == 130
    assert done.stderr == "codearena: interrupted\n"


@pytest.mark.parametrize(
    "command",
    [
        *([], ["health"], ["tasks"], ["tasks", "list"], ["tasks", "show"], ["tasks", "check"], ["tasks", "certify"]),
        *(["grade"], ["play"], ["run"], ["demo"], ["simulate-curriculum"]),
    ],
)
def test_help_teaches(command):
    done = CliRunner().invoke(cli, [*command, "--help"])
    assert done.exit_code == 0
    if command != ["tasks"]:
        assert "Example" in done.stdout


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A checkout, as the working directory, whose commands write down what they were told and wait for the end."""
    services = tmp_path / "services"
    for folder in ("standalone", "authoring/check"):
        (services / folder).mkdir(parents=True)
    for name in (
        "__init__",
        "standalone/__init__",
        "standalone/__main__",
        "authoring/__init__",
        "authoring/check/__init__",
    ):
        (services / f"{name}.py").touch()
    program = """
        import json, signal, sys
        from pathlib import Path
        def stop(*_):
            Path("stopped").touch()
            sys.exit(7)
        signal.signal(signal.SIGTERM, stop)
        Path("told.tmp").write_text(json.dumps(sys.argv[1:]))
        Path("told.tmp").rename("told")
        if "--wait" in sys.argv[-1]:
            signal.pause()
        sys.exit(1)
    """
    for name in ("authoring/check/__main__", "standalone/certify"):
        (services / f"{name}.py").write_text(textwrap.dedent(program))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (
            ["check", "mine", "--seeds", "3", "--json"],
            [*("--seeds", "3", "--mutants", "60", "--least", "0.85", "--strength", "0.95", "--json", "--", "mine")],
        ),
        (
            ["certify"],
            ["--runs", "20", "--flake-limit", "0.0", "--deviation-limit", "0.005", "--"],
        ),
        (
            ["certify", "mine", "--runs", "8", "--load", "3", "--flake-limit", "0.1", "--out", "c.json", "--json"],
            [
                *("--runs", "8", "--flake-limit", "0.1", "--deviation-limit", "0.005", "--json"),
                *("--load", "3", "--out", "c.json", "--", "mine"),
            ],
        ),
    ],
    ids=["check", "certify", "certify with everything"],
)
def test_commands_of_the_checkout_are_told_and_give_their_status(checkout, arguments, told):
    (checkout / "mine").mkdir()
    assert CliRunner().invoke(cli, ["tasks", *arguments]).exit_code == 1
    assert json.loads((checkout / "told").read_text()) == told


@pytest.mark.parametrize("arguments", [["--runs", "1"], ["--load", "0"], ["--flake-limit", "2"], ["absent"]])
def test_certify_refuses_what_makes_no_sense(checkout, arguments):
    done = CliRunner().invoke(cli, ["tasks", "certify", *arguments])
    assert done.exit_code == 2
    assert not (checkout / "told").exists()


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_interrupted_commands_of_the_checkout_get_time_to_end(checkout, number, status):
    (checkout / "--wait").mkdir()
    process = subprocess.Popen(
        [sys.executable, "-m", "codearena", "tasks", "certify", "--", "--wait"],
        cwd=checkout,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    try:
        until((checkout / "told").exists)
        process.send_signal(number)
        assert process.wait(timeout=30) == status
    finally:
        process.kill()
        process.wait()
    assert (checkout / "stopped").exists()


def test_version():
    assert re.fullmatch(r"codearena, version \d+\.\d+\.\d+\S*\n", CliRunner().invoke(cli, ["--version"]).stdout)
