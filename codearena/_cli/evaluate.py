"""The command `eval`: a model or agent plays tasks, and is summed up."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit
from uuid import uuid4

import click
from click.core import ParameterSource

from codearena import Difficulty, Feedback, Task, prompts
from codearena._cli.evaluate_agents import BACKENDS, EvaluationProblem, check_extra, check_options, chosen_agent
from codearena._cli.evaluate_tasks import Choice, chosen_tasks, playing_arena
from codearena._cli.evaluate_view import EvaluationView, log_lines, print_summary
from codearena._cli.render import console, emit_json
from codearena._cli.session import (
    EXIT_ARENA,
    EXIT_INTERRUPTED,
    Session,
    connection_options,
    examples,
    json_option,
    pass_session,
)
from codearena.evaluation import (
    Rollout,
    RolloutFile,
    RolloutFileError,
    Terms,
    TooManyFailures,
    evaluate,
    summarise,
)
from codearena.evaluation.documents import write_documents
from codearena.evaluation.rollout_file import NAME, rollouts_path

_BACKEND_HELP: Final = """
\b
Backends:
  builtin  the arena's own ProposeFix
  openai   any API that speaks OpenAI's chat completions
  hf       a model in this process, by transformers
  command  a program, started for each answer
  replay   the answers of an earlier evaluation

"""


@click.command(
    "eval",
    epilog=_BACKEND_HELP
    + examples(
        "codearena eval --split test",
        "codearena eval --backend openai --base-url http://127.0.0.1:8000/v1 --model qwen --out results/qwen",
        "codearena eval --backend command --command './agent.py' --category logic",
        "codearena eval --pack humanevalfix --backend openai --model gpt-x --max-turns 1",
        "codearena compare results/base results/qwen",
    ),
)
@click.option("--backend", type=click.Choice(BACKENDS), default="builtin", show_default=True, help="Who plays.")
@click.option("--model", metavar="NAME", help="Of openai: the model's name. Of hf: its name, or a folder.")
@click.option(
    "--base-url", metavar="URL", envvar="OPENAI_BASE_URL", help="Of openai: any compatible API. [env OPENAI_BASE_URL]"
)
@click.option("--command", metavar="PROGRAM", help="Of command: reads a JSON object on stdin, writes its answer.")
@click.option(
    "--from",
    "source",
    metavar="FOLDER",
    type=click.Path(exists=True, path_type=Path),
    help="Of replay: the evaluation whose answers are graded again.",
)
@click.option("--task", "task_ids", metavar="TASK", multiple=True, help="Only this task; may be given again.")
@click.option("--category", metavar="NAME", default="", help="Only tasks of this category.")
@click.option("--difficulty", type=click.Choice([one.lower() for one in Difficulty if one != "UNSPECIFIED"]))
@click.option("--split", type=click.Choice(["train", "validation", "test"]), default=None, help="Only this split.")
@click.option("--pack", metavar="NAME", default="", help="Only tasks of this pack, e.g. humanevalfix once imported.")
@click.option(
    "--tasks-from",
    metavar="PATH",
    multiple=True,
    type=click.Path(exists=True, path_type=Path),
    help="Further task files of the arena that is started; may be given again.",
)
@click.option("--samples", type=click.IntRange(1, 1000), default=1, show_default=True, help="Episodes of each task.")
@click.option("--seed", type=click.IntRange(0, 2**31), default=0, show_default=True, help="Of inputs and sampling.")
@click.option("--max-turns", type=click.IntRange(1, 100), default=5, show_default=True, help="Answers in an episode.")
@click.option("--feedback", type=click.Choice([one.lower() for one in Feedback]), help="What a failing test reveals.")
@click.option("--hints/--no-hints", default=True, show_default=True, help="Whether the arena gives hints.")
@click.option("--temperature", type=click.FloatRange(0, 2), default=0.0, show_default=True)
@click.option("--max-tokens", type=click.IntRange(1, 1_000_000), default=4096, show_default=True, help="Of an answer.")
@click.option(
    "--prices",
    nargs=2,
    type=click.FloatRange(min=0),
    metavar="IN OUT",
    help="Of openai: US dollars for a million tokens read, and a million written.",
)
@click.option(
    "--answer-timeout",
    type=click.FloatRange(1, 86_400),
    default=300.0,
    show_default=True,
    help="Seconds an answer takes.",
)
@click.option(
    "--retries",
    type=click.IntRange(0, 20),
    default=6,
    show_default=True,
    help="Of openai: of one request.",
)
@click.option("--concurrency", type=click.IntRange(1, 1024), default=16, show_default=True, help="Episodes at a time.")
@click.option(
    "--most-failures",
    type=click.IntRange(1),
    default=20,
    show_default=True,
    help="Failures one after the other, after which it is given up.",
)
@click.option(
    "--out",
    "folder",
    metavar="FOLDER",
    default="results/eval",
    show_default=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Where rollouts.jsonl, rewards_log.csv and summary.json go. What is there is gone on with.",
)
@click.option("--log/--no-log", "log", default=True, show_default=True, help="[START], [STEP], [END] lines on stdout.")
@json_option
@connection_options(hidden=True)
@pass_session
@click.pass_context
def evaluate_agent(
    ctx: click.Context,
    session: Session,
    /,
    folder: Path,
    as_json: bool,
    log: bool,
    **given: Any,  # noqa: ANN401
) -> None:
    """Have a model or agent play tasks, and sum it up.

    Each task is played as an episode of up to five turns: the model is told what failed and answers again. Everything
    is kept in FOLDER as it happens; the same command goes on where it was stopped. An episode that failed for a
    reason that is not the model's is in no figure, and is played again then. The key of an API is read from
    OPENAI_API_KEY. Without --address (or CODEARENA_ADDRESS) an arena is started and ended.

    Exit status 0 if every episode was played to its end, 4 if some failed.
    """
    check_extra("numpy", "scipy")
    check_options(given["backend"], {name for name in given if _was_given(ctx, name)})
    choice = Choice(given["task_ids"], given["category"], given["difficulty"], given["split"] or "", given["pack"])
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with playing_arena(session, given["tasks_from"], choice.pack) as address:
            rollouts = asyncio.run(
                _evaluate(session, address, folder, choice, given, show=None if as_json or not log else _show)
            )
    except RolloutFileError as error:
        raise EvaluationProblem(str(error)) from error
    except TooManyFailures as error:
        click.echo(f"codearena: given up: {error}\nthe same command goes on once that is mended", err=True)
        ctx.exit(EXIT_ARENA)
    except KeyboardInterrupt:
        click.echo(f"codearena: interrupted; the same command goes on with {folder / NAME}", err=True)
        ctx.exit(EXIT_INTERRUPTED)
    try:
        summary = summarise(rollouts)
    except ValueError as error:
        click.echo(f"codearena: {error}; {folder / NAME} has the reasons", err=True)
        ctx.exit(EXIT_ARENA)
    write_documents(folder, rollouts, summary)
    if as_json:
        emit_json({"folder": str(folder), "summary": summary})
    else:
        print_summary(console(), summary, folder)
    ctx.exit(EXIT_ARENA if summary.failed else 0)


async def _evaluate(
    session: Session,
    address: str,
    folder: Path,
    choice: Choice,
    given: Mapping[str, Any],
    show: Callable[[Rollout, str], None] | None,
) -> list[Rollout]:
    """Plays what is not there yet, and returns all rollouts."""
    async with AsyncExitStack() as stack:
        arena = await stack.enter_async_context(session.connect_async(address))
        tasks = await chosen_tasks(arena, choice)
        agent, name = await stack.enter_async_context(chosen_agent(given))
        file = stack.enter_context(RolloutFile(folder / NAME, _settings(given, name, tasks)))
        view = stack.enter_context(EvaluationView(len(tasks) * given["samples"], file.finished))
        episodes = _remaining(tasks, given["samples"], file.finished)
        feedback = None if given["feedback"] is None else Feedback(given["feedback"].upper())
        terms = Terms(given["max_turns"], feedback, given["hints"], given["seed"], f"eval-{uuid4().hex[:12]}")
        rollouts = {rollout.key: rollout for rollout in file.finished}
        async for rollout in evaluate(
            arena, agent, episodes, terms, concurrency=given["concurrency"], most_failures=given["most_failures"]
        ):
            file.write(rollout)
            rollouts[rollout.key] = rollout
            view.ended(rollout)
            if show is not None:
                show(rollout, name)
        return [rollouts[key] for key in sorted(rollouts)]


def _show(rollout: Rollout, name: str) -> None:
    for line in log_lines(rollout, name):
        click.echo(line)


def _was_given(ctx: click.Context, name: str) -> bool:
    return ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _remaining(tasks: Sequence[Task], samples: int, finished: Sequence[Rollout]) -> list[tuple[Task, int]]:
    """Returns the episodes that are to be played, all tasks once before any is played again."""
    done = {rollout.key for rollout in finished}
    return [(task, sample) for sample in range(samples) for task in tasks if (task.task_id, sample) not in done]


def _settings(given: Mapping[str, Any], name: str, tasks: Sequence[Task]) -> dict[str, Any]:
    """Returns all that the figures depend on."""
    shown = sorted([task.task_id, prompts.first_message(task)] for task in tasks)
    server = urlsplit(given["base_url"] or "") if given["backend"] == "openai" else urlsplit("")
    names = ("backend", "samples", "seed", "max_turns", "feedback", "hints")
    sampling = ("temperature", "max_tokens") if given["backend"] in ("openai", "hf") else ()
    return {key: given[key] for key in (*names, *sampling)} | {
        "agent": name,
        "server": f"{server.hostname or ''}{f':{server.port}' if server.port else ''}{server.path}",
        "replayed_sha256": _digest(rollouts_path(given["source"])) if given["backend"] == "replay" else "",
        "tasks": len(shown),
        "tasks_sha256": hashlib.sha256(json.dumps(shown).encode()).hexdigest(),
        "prompts": prompts.VERSION,
    }
