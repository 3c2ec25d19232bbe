"""`codearena fix`: what it prints and writes, and how it ends."""

from __future__ import annotations

import json
import stat

import pytest
from click.testing import CliRunner
from google.protobuf.duration_pb2 import Duration

from codearena._cli.app import cli
from codearena.v1 import core_pb2
from codearena.v1 import env_service_pb2 as pb

DIFF = "--- before\n+++ after\n@@ -1 +1 @@\n-x = 1\n+x = 2\x1b[31m\n"


def a_proposal(code="x = 2\n", diff=DIFF, **fields):
    attempts = [
        core_pb2.ProviderAttempt(provider="far", model="big", outcome="timeout", duration=Duration(seconds=3)),
        core_pb2.ProviderAttempt(provider="near", model="small", outcome="ok", duration=Duration(nanos=250_000_000)),
    ]
    values = {"method": "small", "explanations": ["Two is\nright."], "attempts": attempts, **fields}
    return pb.ProposeFixResponse(
        code=code,
        diff=diff,
        usage=core_pb2.ModelUsage(prompt_tokens=100, completion_tokens=20, cost_usd=0.002),
        **values,
    )


@pytest.fixture
def fix(fake):
    """Runs the command against the peer."""
    fake.responses["ProposeFix"] = lambda request: a_proposal()

    def invoke(*arguments, stdin=None, color=False):
        return CliRunner().invoke(
            cli, ["--address", fake.address, "fix", *map(str, arguments)], input=stdin, color=color
        )

    return invoke


@pytest.fixture
def path(tmp_path):
    file = tmp_path / "broken.py"
    file.write_text("x = 1\n")
    return file


@pytest.fixture
def task(fake, make):
    """The task is solved by what is proposed after two steps, unless `last` says that nothing new is proposed."""
    steps: list[str] = []

    def step(request):
        steps.append(request.proposed_fix)
        solved = request.proposed_fix == "fix 2"
        grade = make.grade() if solved else make.grade(0.3, "OUTCOME_TESTS_FAILED")
        return pb.StepResponse(observation=make.observation(len(steps)), grade=grade, done=solved)

    fake.responses["Step"] = step
    fake.responses["ProposeFix"] = lambda request: a_proposal(f"fix {len(steps)}")
    return steps


def test_a_proposal_is_shown(fix, fake, path):
    done = fix(path, "--description", "Two.")
    assert done.exit_code == 0
    assert done.stdout.splitlines() == [
        *("--- before", "+++ after", "@@ -1 +1 @@", "-x = 1", "+x = 2\\x1b[31m"),
        "* Two is right.",
        "far (big): timeout after 3.00 s",
        "near (small): answered after 0.25 s",
        "cost: 120 tokens, $0.002000",
    ]
    (request,) = fake.requests("ProposeFix")
    assert (request.code, request.description, request.error_log) == ("x = 1\n", "Two.", "")
    assert path.read_text() == "x = 1\n"


def test_it_is_one_document_for_programs(fix, path):
    document = json.loads(fix(path, "--json").stdout)
    assert (document["changed"], document["written"]) == (True, False)
    proposal = document["proposal"]
    assert (proposal["code"], proposal["diff"], proposal["usage"]["cost_usd"]) == ("x = 2\n", DIFF, 0.002)
    assert [attempt["outcome"] for attempt in proposal["attempts"]] == ["timeout", "ok"]


def test_where_nothing_is_found_it_ends_with_1(fix, fake, path):
    fake.responses["ProposeFix"] = lambda request: a_proposal(request.code, diff="", explanations=[], method="builtin")
    done = fix(path, "--write")
    assert done.exit_code == 1
    assert done.stdout.startswith("nothing to change was found\n")
    assert "written" not in done.stdout


def test_the_program_and_its_log_may_come_from_stdin(fix, fake, path):
    assert fix("-", stdin="y = 1\n").exit_code == 0
    assert fix(path, "--error-log", "-", stdin="NameError").exit_code == 0
    first, second = fake.requests("ProposeFix")
    assert (first.code, second.error_log) == ("y = 1\n", "NameError")


def test_write_replaces_the_file_and_keeps_its_form(fix, fake, path):
    path.write_bytes(b"x = 1\r\n")
    path.chmod(0o640)
    link = path.with_name("link.py")
    link.symlink_to(path)
    assert fix(link, "--write").exit_code == 0
    assert fake.requests("ProposeFix")[0].code == "x = 1\n"
    assert path.read_bytes() == b"x = 2\r\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert link.is_symlink()
    assert sorted(entry.name for entry in path.parent.iterdir()) == ["broken.py", "link.py"]


def test_a_task_is_tried_until_it_is_solved(fix, task):
    done = fix("--task", "easy-1")
    assert done.exit_code == 0
    assert task == ["fix 0", "fix 1", "fix 2"]
    for line in ("round 1", "round 3", "solved"):
        assert line in done.stdout.splitlines()


def test_with_a_file_the_file_is_graded_first(fix, task, path):
    done = fix(path, "--task", "easy-1", "--write")
    assert done.exit_code == 0
    assert task == ["x = 1\n", "fix 1", "fix 2"]
    assert "the file" in done.stdout.splitlines()
    assert path.read_text() == "fix 2"


def test_it_stops_where_nothing_new_is_proposed(fix, fake, task, path):
    fake.responses["ProposeFix"] = lambda request: a_proposal("the same")
    done = fix(path, "--task", "easy-1", "--json", "--write")
    document = json.loads(done.stdout)
    assert (done.exit_code, document["solved"], document["written"]) == (1, False, False)
    assert task == ["x = 1\n", "the same"]
    assert [played["grade"] is None for played in document["rounds"]] == [False, False, True]
    assert document["usage"]["prompt_tokens"] == 200
    assert path.read_text() == "x = 1\n"


def test_it_stops_after_five_proposals(fix, fake, task):
    fake.responses["ProposeFix"] = lambda request: a_proposal(f"attempt {len(task)}")
    assert fix("--task", "easy-1").exit_code == 1
    assert len(task) == 5


def test_all_tasks_are_a_table(fix, task):
    done = fix("--task", "all")
    assert done.exit_code == 0
    header, row, summary = done.stdout.splitlines()
    assert header.split() == ["task", "solved", "by", "rounds", "tests", "reward", "cost", "changes"]
    assert row.split()[:6] == ["easy-1", "yes", "small", "3", "5/5", "0.900"]
    assert summary == "solved 1 of 1 tasks"
    task.clear()
    (only,) = json.loads(fix("--task", "all", "--json").stdout)["tasks"]
    assert (only["task_id"], only["solved"], len(only["rounds"])) == ("easy-1", True, 3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "give a FILE"),
        (["FILE", "--task", "all"], "leave FILE out"),
        (["--task", "easy-1", "--write"], "--write needs a FILE"),
        (["-", "--write"], "--write needs a FILE"),
        (["FILE", "--task", "easy-1", "--description", "x"], "a task has its own"),
        (["FILE", "--task", "easy-1", "--error-log", "FILE"], "a task has its own"),
        (["--error-log", "FILE"], "give a FILE"),
        (["-", "--error-log", "-"], "stdin can be either"),
        (["missing.py"], "does not exist"),
    ],
)
def test_what_makes_no_sense_is_refused(fix, fake, path, arguments, message):
    done = fix(*(path if argument == "FILE" else argument for argument in arguments))
    assert done.exit_code == 2
    assert message in " ".join(done.stderr.split())
    assert not fake.requests("ProposeFix")
