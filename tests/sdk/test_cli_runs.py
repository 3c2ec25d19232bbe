"""The commands about what was played: stats, runs, curriculum, memory and rescore."""

import json
import re
import textwrap
from datetime import UTC, datetime, timedelta

import grpc
import pytest
from click.testing import CliRunner

from codearena import Memory, read_memory_file, write_memory_file
from codearena._cli.app import cli
from codearena.v1 import core_pb2
from codearena.v1 import env_service_pb2 as pb


@pytest.fixture
def run(fake):
    """Runs a command against the peer."""
    return lambda *arguments: CliRunner().invoke(cli, ["--address", fake.address, *arguments])


@pytest.fixture
def nobody(unused_address, monkeypatch):
    """Runs a command that names no arena, where none runs."""
    monkeypatch.setattr("codearena._cli.session.DEFAULT_ADDRESS", unused_address)
    monkeypatch.delenv("CODEARENA_ADDRESS", raising=False)
    return lambda *arguments: CliRunner().invoke(cli, arguments)


def test_stats(run, fake):
    done = run("stats", "--run", "grpo-12")
    assert done.exit_code == 0
    assert re.search(r"all steps *\nall +episodes +steps +reward +solved +to solve +repeats\n", done.stdout)
    assert re.search(r"all +9 +21 +0\.610 +75% +2\.2 +10%", done.stdout)
    assert re.search(r"by complexity *\n", done.stdout)
    assert re.search(r"O\(n\) +4 +7 +0\.700 +- +- +0%", done.stdout)
    assert fake.requests("GetStats") == [pb.GetStatsRequest(run_id="grpo-12")]


def test_stats_as_json(run):
    tables = json.loads(run("stats", "--json").stdout)["tables"]
    assert list(tables) == ["all", "task", "complexity"]
    assert tables["all"][0]["mean_steps_to_solve"] == 2.25
    assert tables["complexity"][0]["solve_rate"] is None


def test_stats_of_nothing_say_what_to_do(run, fake):
    fake.responses["GetStats"] = lambda request: pb.GetStatsResponse(tables=[pb.StatsTable(name="all")])
    done = run("stats")
    assert (done.exit_code, done.stdout) == (0, "")
    assert "codearena demo" in done.stderr
    assert json.loads(run("stats", "--json").stdout) == {"tables": {"all": []}}


def test_what_clients_named_does_not_steer_the_terminal(run, fake):
    rows = [pb.StatsRow(key="\x1b[31mred [bold]")]
    fake.responses["GetStats"] = lambda request: pb.GetStatsResponse(tables=[pb.StatsTable(name="method", rows=rows)])
    done = run("stats")
    assert "\x1b" not in done.stdout
    assert r"\x1b[31mred [bold]" in done.stdout


def test_period_is_read_in_many_ways(run, fake):
    assert run("stats", "--since", "2026-01-31T12:00Z", "--until", "2026-01-31T12:00+02:00").exit_code == 0
    (request,) = fake.requests("GetStats")
    assert request.start_time.ToJsonString() == "2026-01-31T12:00:00Z"
    assert request.end_time.ToJsonString() == "2026-01-31T10:00:00Z"
    before = datetime.now(UTC)
    for span, length in (("90m", timedelta(minutes=90)), ("2h", timedelta(hours=2)), ("1w", timedelta(weeks=1))):
        assert run("stats", "--since", span).exit_code == 0
        start = fake.requests("GetStats")[-1].start_time.ToDatetime(UTC)
        assert before - length <= start + timedelta(microseconds=1)
        assert start <= datetime.now(UTC) - length
    assert run("stats", "--since", "2026-01-31").exit_code == 0
    local = fake.requests("GetStats")[-1].start_time.ToDatetime(UTC)
    assert local == datetime(2026, 1, 31).astimezone()


@pytest.mark.parametrize("when", ["yesterday", "", "24", "-1h", "1.5h", "999999w", "2026-02-30", "0001-01-01T00:00+14"])
@pytest.mark.parametrize("command", [["stats"], ["export", "steps.csv"]])
def test_what_is_no_time_is_refused(run, fake, command, when):
    done = run(*command, f"--since={when}")
    assert done.exit_code == 2
    assert "such as 2026-01-31" in done.stderr
    assert not fake.received


def test_runs(run, fake):
    done = run("runs", "--count", "7")
    assert done.exit_code == 0
    assert re.search(r"grpo-12 +9 +2 +21 +0\.610 +2\.5 +500 +any +2023-11-1", done.stdout)
    assert re.search(r"new +0 +0 +0 +- +1 +any +any +-", done.stdout)
    assert fake.requests("ListRuns") == [pb.ListRunsRequest(page_size=7)]
    first, second = json.loads(run("runs", "--json").stdout)["runs"]
    assert (first["run_id"], first["last_active_at"]) == ("grpo-12", "2023-11-14T22:13:20+00:00")
    assert second["last_active_at"] is None


def test_no_runs(run, fake):
    fake.responses["ListRuns"] = lambda request: pb.ListRunsResponse()
    done = run("runs")
    assert (done.exit_code, done.stdout) == (0, "")
    assert "run_id" in done.stderr


def test_runs_set(run, fake):
    done = run("runs", "set", "grpo-12", "--weight", "2.5", "--max-open-episodes", "0")
    assert done.exit_code == 0
    assert "grpo-12" in done.stdout
    assert fake.requests("UpdateRun") == [pb.UpdateRunRequest(run_id="grpo-12", weight=2.5, max_open_episodes=0)]
    assert not fake.requests("ListRuns")
    done = run("runs", "set", "grpo-12", "--max-gradings-per-minute", "60", "--json")
    assert json.loads(done.stdout)["weight"] == 2.5


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["runs", "set", "grpo-12"], "--weight"),
        (["runs", "set"], "RUN"),
        (["runs", "set", "grpo-12", "--weight", "0"], "--weight"),
        (["runs", "set", "grpo-12", "--max-open-episodes", "-1"], "--max-open-episodes"),
        (["runs", "--count", "501"], "--count"),
        (["curriculum"], "RUN"),
        (["memory", "list"], "--namespace"),
        (["memory", "list", "--run", "a", "--namespace", "b"], "either"),
        (["memory", "export", "out.json"], "--run"),
        (["memory", "import", "absent.json", "--run", "a"], "absent.json"),
        (["export", "steps.xlsx"], ".parquet"),
        (["export", "steps"], ".csv"),
        (["export"], "FILE"),
    ],
)
def test_wrong_command_lines(run, fake, tmp_path, monkeypatch, arguments, complaint):
    monkeypatch.chdir(tmp_path)
    done = run(*arguments)
    assert done.exit_code == 2
    assert complaint in done.stderr
    assert not fake.received
    assert not list(tmp_path.iterdir())


def test_curriculum(run, fake):
    done = run("curriculum", "grpo-12")
    assert done.exit_code == 0
    lines = done.stdout.splitlines()
    assert lines[:4] == [
        "level: easy > [medium] > hard",
        "window: 0.50 0.75",
        "mean: 0.625 of 22 episodes in all",
        "Medium; a mean over 0.80 raises it.",
    ]
    assert re.search(r"easy +medium +20 +0\.850 +The mean was over 0\.80\.", done.stdout)
    assert fake.requests("GetCurriculum") == [pb.GetCurriculumRequest(run_id="grpo-12")]
    assert json.loads(run("curriculum", "grpo-12", "--json").stdout)["level"] == "MEDIUM"


def test_curriculum_of_a_new_run(run, fake):
    fake.responses["GetCurriculum"] = lambda request: pb.GetCurriculumResponse(explanation="Nothing yet.")
    assert "window: no rewards yet" in run("curriculum", "new").stdout


def test_memory_list(run, fake):
    done = run("memory", "list", "--namespace", "shared", "--task", "easy-1")
    assert done.exit_code == 0
    assert re.search(r"easy-1 +0\.980 +1 +O\(n\) +2023-11-1.* +ep_1", done.stdout)
    assert fake.requests("ListMemories") == [pb.ListMemoriesRequest(memory_namespace="shared", task_id="easy-1")]
    (found,) = json.loads(run("memory", "list", "--run", "grpo-12", "--json").stdout)["memories"]
    assert (found["code"], found["created_at"]) == ("def count(s): return len(s)\n", "2023-11-14T22:13:20+00:00")


def test_empty_memory(run, fake):
    fake.responses["ListMemories"] = lambda request: pb.ListMemoriesResponse()
    done = run("memory", "list", "--run", "grpo-12")
    assert (done.exit_code, done.stdout) == (0, "")
    assert "nothing" in done.stderr


def test_memory_goes_from_one_run_to_another(run, fake, make, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    fake.responses["ListMemories"] = lambda request: pb.ListMemoriesResponse(
        memories=[make.memory("a"), make.memory("b")]
    )
    done = run("memory", "export", "--run", "grpo-12")
    assert (done.exit_code, done.stdout) == (0, "2 memories in agent_memory.json\n")
    fake.responses["ImportMemories"] = lambda request: pb.ImportMemoriesResponse(imported_count=1)
    done = run("memory", "import", "--run", "grpo-13")
    assert (done.exit_code, done.stdout) == (0, "1 of 2 memories were new or better than what was known\n")
    (request,) = fake.requests("ImportMemories")
    assert request.run_id == "grpo-13"
    assert [memory.task_id for memory in request.memories] == ["a", "b"]


def test_damaged_memory_file_imports_nothing(run, fake, tmp_path):
    path = tmp_path / "best.json"
    write_memory_file(path, [Memory("a", "x = 1", 0.5), Memory("b", "x = 1", 0.5)])
    path.write_text(path.read_text().replace("0.5", "NaN", 2).replace("NaN", "0.5", 1))
    done = run("memory", "import", str(path), "--run", "grpo-13")
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr == f"Error: {path}, line 3: holds NaN, which is no JSON; nothing was imported\n"
    assert not fake.received


def test_export_that_fails_keeps_the_file(run, fake, tmp_path):
    path = tmp_path / "best.json"
    write_memory_file(path, [Memory("a", "x = 1", 0.5)])
    fake.fail("ListMemories", grpc.StatusCode.INTERNAL)
    assert run("memory", "export", str(path), "--run", "grpo-12").exit_code == 4
    assert read_memory_file(path) == [Memory("a", "x = 1", 0.5)]
    assert list(tmp_path.iterdir()) == [path]


def test_export_to_where_nothing_can_be_written(run, tmp_path):
    done = run("memory", "export", str(tmp_path / "absent" / "best.json"), "--run", "grpo-12")
    assert done.exit_code == 2
    assert "cannot write" in done.stderr


def test_rescore_shows_changes_and_stores_nothing(run, fake):
    done = run("rescore", "--run", "grpo-12", "--task", "easy-1", "--profile", "tests_only", "--regrade")
    assert done.exit_code == 0
    assert re.search(r"ep_1 +easy-1 +2 +0\.500 +0\.750 +\+0\.250", done.stdout)
    assert re.search(r"ep_1 +easy-1 +3 +0\.900 +0\.000 +-0\.900", done.stdout)
    assert not re.search(r"ep_1 +easy-1 +1 ", done.stdout)
    assert done.stdout.splitlines()[-2:] == [
        "2 of 3 steps changed",
        "nothing was stored: --apply stores the new rewards",
    ]
    assert fake.requests("RescoreEpisodes") == [
        pb.RescoreEpisodesRequest(run_id="grpo-12", task_id="easy-1", reward_profile="tests_only", regrade=True)
    ]


def test_rescore_stores_with_apply(run, fake):
    done = run("rescore", "--apply")
    assert done.stdout.splitlines()[-1] == "the new rewards are stored"
    assert fake.requests("RescoreEpisodes") == [pb.RescoreEpisodesRequest(apply=True)]


def test_rescore_without_changes(run, fake, make):
    fake.responses["RescoreEpisodes"] = lambda request: [make.rescored(1, new_reward=0.5 + 1e-9)]
    done = run("rescore")
    assert (done.exit_code, done.stdout) == (0, "0 of 1 steps changed\n")


def test_rescore_tells_failures(run, fake, make):
    gone = core_pb2.ItemError(code=5, message="no such task", reason="ERROR_REASON_TASK_NOT_FOUND")
    fake.responses["RescoreEpisodes"] = lambda request: [make.rescored(1, error=gone), make.rescored(2, new_reward=0.6)]
    done = run("rescore")
    assert done.exit_code == 4
    assert re.search(r"ep_1 +easy-1 +1 +no such task \[TASK_NOT_FOUND\]", done.stdout)
    assert "1 of 2 steps changed, 1 failed" in done.stdout
    document = json.loads(run("rescore", "--json").stdout)
    assert (document["step_count"], document["applied"]) == (2, False)
    assert [change["new_reward"] for change in document["changes"]] == [0.6]
    assert document["failures"][0]["error"] == {
        "reason": "TASK_NOT_FOUND",
        "message": "no such task",
        "code": "NOT_FOUND",
    }


def test_rescore_of_many_steps_shows_the_first(run, fake, make):
    fake.responses["RescoreEpisodes"] = lambda request: [make.rescored(n, new_reward=0.6) for n in range(1, 131)]
    done = run("rescore")
    assert len(re.findall(r"^ep_1", done.stdout, re.MULTILINE)) == 100
    assert "... and 30 more: --json shows all" in done.stdout
    assert len(json.loads(run("rescore", "--json").stdout)["changes"]) == 130


@pytest.mark.parametrize(
    ("options", "total"), [([], 21), (["--task", "easy-1"], 3), (["--task", "unknown"], 0)], ids=["all", "task", "none"]
)
def test_terminal_shows_how_far_it_is(fake, options, total):
    terminal = {"FORCE_COLOR": "1", "TERM": "xterm"}
    done = CliRunner().invoke(cli, ["--address", fake.address, "rescore", "--json", *options], env=terminal)
    assert done.exit_code == 0
    assert "rescoring" in done.stderr
    assert f"/{total}" in done.stderr
    assert json.loads(done.stdout)["step_count"] == 3


def test_quota_says_what_to_do(run, fake, tmp_path):
    (tmp_path / "fix.py").write_text("x = 1")
    fake.fail("Reset", grpc.StatusCode.RESOURCE_EXHAUSTED, reason="QUOTA_EXCEEDED", retry_after_nanos=2_000_000_000)
    done = run("play", "easy-1", str(tmp_path / "fix.py"), "--run-id", "grpo-12")
    assert done.exit_code == 3
    assert "codearena runs set" in done.stderr
    assert "again in 2 s" in done.stderr


def test_arena_that_is_too_old_is_named(run, fake):
    fake.fail("GetStats", grpc.StatusCode.UNIMPLEMENTED)
    done = run("stats")
    assert done.exit_code == 4
    assert "older" in done.stderr


@pytest.mark.parametrize("command", [["stats"], ["runs"], ["curriculum", "r"], ["memory", "list", "--run", "r"]])
def test_arena_at_the_usual_address_is_used(fake, monkeypatch, command):
    monkeypatch.setattr("codearena._cli.session.DEFAULT_ADDRESS", fake.address)
    monkeypatch.delenv("CODEARENA_ADDRESS", raising=False)
    done = CliRunner().invoke(cli, command)
    assert (done.exit_code, done.stderr) == (0, "")
    assert len(fake.received) == 1


def test_arena_is_started_where_none_runs(fake, nobody, tmp_path, monkeypatch):
    package = tmp_path / "services" / "standalone"
    package.mkdir(parents=True)
    for name in ("__init__", "standalone/__init__"):
        (tmp_path / "services" / f"{name}.py").touch()
    program = f"""
        import json, os, signal, sys
        from pathlib import Path
        def stop(*_):
            Path("stopped").touch()
            sys.exit(0)
        signal.signal(signal.SIGTERM, stop)
        ready = Path(sys.argv[sys.argv.index("--ready-file") + 1])
        ready.with_suffix(".tmp").write_text(json.dumps(dict(
            address="{fake.address}", sandbox="process", reason="no engine answers", pid=os.getpid())))
        ready.with_suffix(".tmp").rename(ready)
        signal.pause()
    """
    (package / "__main__.py").write_text(textwrap.dedent(program))
    monkeypatch.chdir(tmp_path)
    done = nobody("stats", "--json")
    assert done.exit_code == 0
    assert "starting one" in done.stderr
    assert json.loads(done.stdout)["tables"]["all"][0]["step_count"] == 21
    assert (tmp_path / "stopped").exists()


def test_named_arena_that_does_not_answer_is_not_replaced(nobody, unused_address):
    done = nobody("--address", unused_address, "stats")
    assert done.exit_code == 3
    assert f"no arena answers at {unused_address}" in done.stderr


@pytest.mark.parametrize(
    "command",
    [
        *(["stats"], ["runs"], ["runs", "set"], ["curriculum"], ["rescore"], ["export"]),
        *(["memory", "list"], ["memory", "export"], ["memory", "import"]),
    ],
)
def test_help_teaches(command):
    done = CliRunner().invoke(cli, [*command, "--help"])
    assert done.exit_code == 0
    assert "Example" in done.stdout
