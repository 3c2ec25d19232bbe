"""`codearena eval`, `compare` and `plot` against a real arena and a real server that speaks OpenAI's protocol."""

from __future__ import annotations

import asyncio
import csv
import json
import signal
import sys
from xml.etree import ElementTree

import pytest
import yaml
from click.testing import CliRunner

from codearena import AsyncArenaClient
from codearena._cli.app import cli
from codearena.evaluation import read_rollouts
from codearena.plots import CHARTS
from tests.e2e.processes import ROOT, plain_environment
from tests.judge.openai_server import OpenAiServer, Reply, completion
from tests.task_files import DEMO
from tests.waiting import eventually

TASKS = {task["id"]: task for task in (yaml.safe_load(path.read_text()) for path in DEMO)}
THREE = ("easy-1", "medium-1", "type_errors-1")
ONLY = [word for task_id in THREE for word in ("--task", task_id)]
PROSE = "I am sorry, but I cannot help with that."
FEATURES = ("reward", "first_reward", "solved", "pass_at", "solved_by_turn", "by_category", "answers", "rollouts")


def fenced(code, language="python"):
    return f"Here it is.\n```{language}\n{code}\n```\nDone."


def task_of(request):
    """Returns the task that a conversation is about."""
    first = request["messages"][1]["content"]
    return next(task for task in TASKS.values() if task["buggy_code"].rstrip() in first)


def turn_of(request):
    return len(request["messages"]) // 2


def right(request, number):
    return Reply(completion(fenced(task_of(request)["reference"])))


def prose_first(request, number):
    """Answers with prose, and then rightly."""
    return Reply(completion(PROSE)) if turn_of(request) == 1 else right(request, number)


@pytest.fixture
def model():
    server = OpenAiServer()
    server.script = right
    yield server
    server.close()


@pytest.fixture
def codearena(arena):
    """Runs a command against the arena; returns status, stdout and stderr."""

    async def run(*arguments):
        variables = {"CODEARENA_ADDRESS": arena.address, "OPENAI_API_KEY": "none"}  # pragma: allowlist secret
        done = await asyncio.to_thread(
            CliRunner().invoke, cli, [str(argument) for argument in arguments], env=variables
        )
        return done.exit_code, done.stdout, done.stderr

    return run


@pytest.fixture
def options(model):
    """Returns the options that have the model evaluated into a folder."""

    def made(folder):
        return ("eval", "--backend", "openai", "--base-url", model.url, "--model", "m", "--out", folder, "--json")

    return made


@pytest.fixture
def evaluated(codearena, options):
    """Evaluates the model; returns the status, the summary and what was said on stderr."""

    async def run(folder, *arguments):
        status, out, err = await codearena(*options(folder), *(arguments or ONLY))
        return status, json.loads(out)["summary"] if out else None, err

    return run


async def test_a_model_is_told_what_failed_and_is_summed_up(evaluated, model, tmp_path):
    model.script = prose_first
    status, summary, _ = await evaluated(tmp_path / "out", *ONLY, "--prices", "1", "10")
    assert status == 0
    assert (summary["tasks"], summary["rollouts"], summary["failed"]) == (3, 3, {})
    assert summary["solved_by_turn"] == [0.0, 1.0]
    assert summary["pass_at"]["1"]["mean"] == 0.0
    assert summary["first_reward"]["mean"] == 0.0
    assert summary["reward"]["mean"] > 0.95
    assert summary["answers"] == {"graded": 3, "no_code": 3, "refused": 0}
    assert (summary["prompt_tokens"], summary["completion_tokens"]) == (600, 120)
    assert summary["cost_usd"] == pytest.approx((600 + 10 * 120) / 1e6)
    told = [request["messages"][-1]["content"] for request in model.requests if turn_of(request) == 2]
    assert len(told) == 3
    assert all("held no Python program" in message for message in told)
    with (tmp_path / "out" / "rewards_log.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["task_id"], row["step"], row["outcome"], row["method"]) for row in rows] == [
        (task_id, step, outcome, "m") for task_id in THREE for step, outcome in (("1", "NO_CODE"), ("2", "PASSED"))
    ]


async def test_log_lines(codearena, model, tmp_path):
    status, out, _ = await codearena(
        *("eval", "--backend", "openai", "--base-url", model.url, "--model", "a b"),
        *("--out", tmp_path / "out", "--task", "easy-1"),
    )
    assert status == 0
    start, step, end = out.splitlines()[:3]
    assert start == '[START] task=easy-1 sample=0 agent="a b"'
    assert step.startswith("[STEP] task=easy-1 sample=0 step=1 answer=graded outcome=PASSED reward=0.9")
    assert step.endswith("tests=12/12")
    assert end.startswith("[END] task=easy-1 sample=0 solved=true steps=1 reward=0.9")


@pytest.mark.parametrize(
    ("text", "answer", "outcome"),
    [
        ("", "no_code", ""),
        (PROSE, "no_code", ""),
        ("def broken(:\n    return", "graded", "COMPILE_ERROR"),
        (fenced("x" * 1_000_000), "refused", ""),
        (fenced("function f(a) { return a }", "javascript"), "no_code", ""),
        (f"{fenced('def other(): pass')}\n{fenced(TASKS['easy-1']['reference'])}", "graded", "PASSED"),
    ],
    ids=["nothing", "prose", "syntax error", "1 MB", "another language", "two blocks"],
)
async def test_what_a_model_may_answer_is_counted_and_named(evaluated, model, tmp_path, text, answer, outcome):
    model.script = lambda request, number: Reply(completion(text))
    status, summary, _ = await evaluated(tmp_path / "out", "--task", "easy-1", "--max-turns", "2")
    assert (status, summary["failed"]) == (0, {})
    (rollout,) = read_rollouts(tmp_path / "out").rollouts
    assert {(turn.answer, turn.outcome) for turn in rollout.turns} == {(answer, outcome)}
    assert len(rollout.turns) == (1 if outcome == "PASSED" else 2)
    if answer == "refused":
        assert "bytes" in rollout.turns[0].reason
    assert (rollout.reward == 0) == (answer != "graded")


async def test_a_server_that_drops_is_no_zero_and_is_played_again(evaluated, model, tmp_path):
    def dropping(request, number):
        reply = right(request, number)
        return Reply(reply.body, cut_after=20) if task_of(request)["id"] == "medium-1" else reply

    model.script = dropping
    status, summary, _ = await evaluated(tmp_path / "out", *ONLY, "--retries", "1")
    assert status == 4
    assert (summary["rollouts"], summary["solved"]["mean"]) == (2, 1.0)
    ((reason, count),) = summary["failed"].items()
    assert (reason.startswith("agent: m: "), count) == (True, 1)
    model.script = right
    asked = len(model.requests)
    status, summary, _ = await evaluated(tmp_path / "out", *ONLY, "--retries", "1")
    assert (status, summary["rollouts"], summary["failed"]) == (0, 3, {})
    assert len(model.requests) == asked + 1


async def test_killed_and_gone_on_with_it_gives_the_same_summary(evaluated, options, arena, model, tmp_path):
    model.script = prose_first
    terms = (*ONLY, "--samples", "4", "--concurrency", "1")
    _, undisturbed, _ = await evaluated(tmp_path / "whole", *terms)
    file = tmp_path / "cut" / "rollouts.jsonl"
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "codearena", *map(str, options(tmp_path / "cut")), *terms),
        cwd=ROOT,
        env=plain_environment(CODEARENA_ADDRESS=arena.address),
        stdout=asyncio.subprocess.DEVNULL,
    )
    await eventually(lambda: file.exists() and file.read_bytes().count(b"\n") > 4, 60)
    process.kill()
    assert await process.wait() == -signal.SIGKILL
    played = file.read_bytes().count(b"\n") - 1
    assert 4 <= played < 12
    with file.open("ab") as cut:
        cut.write(b'{"task_id": "cut o')
    status, resumed, _ = await evaluated(tmp_path / "cut", *terms)
    assert status == 0
    assert {name: resumed[name] for name in FEATURES} == {name: undisturbed[name] for name in FEATURES}
    assert len(read_rollouts(tmp_path / "cut").rollouts) == 12


async def test_other_settings_are_refused(evaluated, tmp_path):
    await evaluated(tmp_path / "out")
    status, _, err = await evaluated(tmp_path / "out", *ONLY, "--seed", "5")
    assert status == 2
    assert "was begun with other settings: seed was 0 and is 5" in err


async def test_another_server_is_another_evaluation(evaluated, codearena, tmp_path):
    await evaluated(tmp_path / "out")
    status, _, err = await codearena(
        *("eval", "--backend", "openai", "--base-url", "http://127.0.0.1:9/v1", "--model", "m"),
        *("--out", tmp_path / "out", *ONLY),
    )
    assert status == 2
    assert "server was" in err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--model", "m"), "--model is for --backend openai or hf, not builtin"),
        (("--backend", "replay", "--command", "x"), "--command is for --backend command, not replay"),
        (("--backend", "openai"), "--backend openai needs --model"),
    ],
)
async def test_an_option_that_would_do_nothing_is_refused(codearena, tmp_path, options, said):
    status, _, err = await codearena("eval", *options, "--task", "easy-1", "--out", tmp_path / "out")
    assert status == 2
    assert said in err


async def test_where_every_episode_failed_there_is_no_figure(evaluated, model, tmp_path):
    model.script = lambda request, number: Reply({"error": {"message": "down"}}, 503)
    status, summary, err = await evaluated(tmp_path / "out", "--task", "easy-1", "--retries", "0")
    assert (status, summary) == (4, None)
    assert "no rollout counts" in err


async def test_what_failed_is_no_zero_when_it_is_replayed(evaluated, codearena, model, tmp_path):
    def half(request, number):
        return Reply({}, 503) if task_of(request)["id"] == "medium-1" else right(request, number)

    model.script = half
    status, _, _ = await evaluated(tmp_path / "first", *ONLY, "--retries", "0")
    assert status == 4
    status, out, _ = await codearena(
        *("eval", "--backend", "replay", "--from", tmp_path / "first", "--out", tmp_path / "second", "--json"), *ONLY
    )
    summary = json.loads(out)["summary"]
    assert (status, summary["rollouts"], summary["solved"]["mean"]) == (4, 2, 1.0)
    ((reason, _),) = summary["failed"].items()
    assert "no recorded rollout of medium-1" in reason


async def test_a_wrong_key_is_given_up_soon(evaluated, model, tmp_path):
    model.script = lambda request, number: Reply({"error": {"message": "no such key"}}, 401)
    status, summary, err = await evaluated(tmp_path / "out", *ONLY, "--most-failures", "2")
    assert (status, summary) == (4, None)
    assert "given up: 2 episodes failed one after the other: agent: m: HTTP 401" in err


async def test_replay_grades_the_same_answers_again_and_compare_finds_no_difference(
    evaluated, codearena, model, tmp_path
):
    model.script = prose_first
    _, summary, _ = await evaluated(tmp_path / "first", *ONLY)
    status, out, _ = await codearena(
        *("eval", "--backend", "replay", "--from", tmp_path / "first", "--out", tmp_path / "second", "--json"), *ONLY
    )
    assert status == 0
    again = json.loads(out)["summary"]
    assert {name: again[name] for name in FEATURES} == {name: summary[name] for name in FEATURES}
    status, out, _ = await codearena("compare", tmp_path / "first", tmp_path / "second", "--json")
    found = json.loads(out)
    assert (status, found["tasks"], found["equal"], found["reward"]["p_value"]) == (0, 3, 3, 1.0)
    assert found["reward"]["difference"]["mean"] == 0


async def test_a_program_is_an_agent(codearena, tmp_path):
    agent = tmp_path / "agent.py"
    agent.write_text(
        "import json, sys\n"
        "asked = json.load(sys.stdin)\n"
        "assert [m['role'] for m in asked['messages']] == ['system', 'user']\n"
        f"print({fenced(TASKS['easy-1']['reference'])!r} if asked['task_id'] == 'easy-1' else sys.exit('no idea'))\n"
    )
    status, out, _ = await codearena(
        *("eval", "--backend", "command", "--command", f"{sys.executable} {agent}"),
        *("--task", "easy-1", "--task", "medium-1", "--out", tmp_path / "out", "--json"),
    )
    summary = json.loads(out)["summary"]
    assert status == 4
    assert (summary["rollouts"], summary["solved"]["mean"]) == (1, 1.0)
    ((reason, _),) = summary["failed"].items()
    assert reason.endswith("ended with status 1: no idea")


async def test_plots_of_an_evaluation(evaluated, codearena, model, tmp_path):
    model.script = prose_first
    await evaluated(tmp_path / "out", *ONLY)
    status, out, err = await codearena("plot", tmp_path / "out", "--out", tmp_path / "charts", "--json")
    assert status == 0, err
    assert json.loads(out)["steps"] == 6
    assert len(CHARTS) == 10
    for name in CHARTS:
        assert (tmp_path / "charts" / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        assert ElementTree.parse(tmp_path / "charts" / f"{name}.svg").getroot().tag.endswith("svg")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a,b\n1,2\n", "the column task_id is missing"),
        ("task_id,step,reward\neasy-1,1,much\n", "line 2: reward must be a number, not 'much'"),
        ("task_id,step,reward\neasy-1,1,nan\n", "line 2: reward must be a number, not 'nan'"),
        ("task_id,step,reward\n", "no steps to draw"),
    ],
)
async def test_what_cannot_be_drawn_is_named(codearena, tmp_path, text, said):
    log = tmp_path / "log.csv"
    log.write_text(text)
    status, _, err = await codearena("plot", log, "--out", tmp_path / "charts")
    assert status == 2
    assert said in err


async def test_examples_for_training(evaluated, codearena, model, tmp_path):
    wrong = "def average_list(numbers):\n    return 1"

    def once_wrong(request, number):
        about = task_of(request)
        text = fenced(wrong) if about["id"] == "easy-1" and turn_of(request) == 1 else right(request, number).body
        return Reply(completion(text)) if isinstance(text, str) else Reply(text)

    model.script = once_wrong
    await evaluated(tmp_path / "out", *ONLY, "--samples", "2")
    kept = {}
    for form in ("sft", "dpo"):
        file = tmp_path / f"{form}.jsonl"
        status, out, err = await codearena("export", file, "--as", form, "--from", tmp_path / "out")
        assert status == 0, out + err
        kept[form] = [json.loads(line) for line in file.read_text().splitlines()]
    assert [record["task_id"] for record in kept["sft"]] == list(THREE)
    for record in kept["sft"]:
        assert [message["role"] for message in record["prompt"]] == ["system", "user"]
        assert TASKS[record["task_id"]]["buggy_code"].rstrip() in record["prompt"][1]["content"]
        (answer,) = record["completion"]
        assert TASKS[record["task_id"]]["reference"].rstrip() in answer["content"]
    (pair,) = kept["dpo"]
    assert pair["task_id"] == "easy-1"
    assert pair["margin"] > 0.2
    assert wrong in pair["rejected"][0]["content"]
    assert TASKS["easy-1"]["reference"].rstrip() in pair["chosen"][0]["content"]


async def test_examples_from_what_the_arena_keeps(codearena, arena, tmp_path):
    async with AsyncArenaClient(arena.address) as client:
        episode = await client.reset("easy-1", run_id="examples")
        await episode.step("def average_list(numbers):\n    return 1\n")
        await episode.step(TASKS["easy-1"]["reference"])
    file = tmp_path / "sft.jsonl"
    status, out, err = await codearena("export", file, "--as", "sft", "--run", "examples")
    assert (status, out) == (0, f"1 examples in {file}\n"), err
    (record,) = map(json.loads, file.read_text().splitlines())
    assert TASKS["easy-1"]["reference"].rstrip() in record["completion"][0]["content"]
