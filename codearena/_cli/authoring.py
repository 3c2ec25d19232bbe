"""Commands that prove and make tasks: `tasks check`, `generate`, `calibrate`, `import` and `schema`."""

from __future__ import annotations

import click

from codearena._cli.embedded import run_service_module
from codearena._cli.session import examples, json_option

_DATA_SETS = ["debugbench", "humanevalfix", "pytest", "quixbugs"]


@click.command(
    "import",
    epilog=examples(
        "codearena tasks import humanevalfix humanevalpack.jsonl --out imported/humanevalfix",
        "codearena tasks import quixbugs QuixBugs/ --out imported/quixbugs --json | jq .counts",
        "codearena tasks import pytest my-pairs/ --out imported/pairs",
    ),
)
@click.argument("data_set", type=click.Choice(_DATA_SETS))
@click.argument("source", metavar="SOURCE", type=click.Path())
@click.option(
    "--out", required=True, metavar="DIR", type=click.Path(file_okay=False), help="Folder for the task files."
)
@click.option("--again", is_flag=True, help="Certify anew what an earlier import has found.")
@json_option
@click.pass_context
def import_tasks(ctx: click.Context, data_set: str, source: str, out: str, again: bool, as_json: bool) -> None:
    """Import tasks from a public data set. Needs a checkout of CodeArena.

    SOURCE is a JSONL file; for quixbugs also a checkout of its project, for pytest a folder with bug.py, fixed.py and
    test_*.py, or a folder of such folders. Each task is certified before it is kept: in real sandboxes its reference
    passes every test and its bug does not. Their tests are code; it runs in a sandbox of its own and never beside a
    submission. What was kept and dropped, and why, is in DIR/import-report.json. An import that was stopped goes on
    where it was when the command is given again.

    Exit status 0 if every entry is kept, 1 if one is dropped, 2 if SOURCE is no such data set, 3 without a sandbox,
    130 if interrupted.
    """
    options = ["--out", out, *(["--again"] if again else []), *(["--json"] if as_json else [])]
    ctx.exit(run_service_module("services.authoring.importing", [*options, "--", data_set, source]))


@click.command(
    "check",
    epilog=examples(
        "codearena tasks check",
        "codearena tasks check my-tasks --seeds 5",
        "codearena tasks check my-task.yaml --mutants 0",
    ),
)
@click.argument("paths", nargs=-1, metavar="[DIR]...", type=click.Path(exists=True))
@click.option(
    "--seeds",
    default=20,
    show_default=True,
    type=click.IntRange(1, 1000),
    help="Seeds on which the reference must pass.",
)
@click.option(
    "--mutants", default=60, show_default=True, type=click.IntRange(0, 10_000), help="Mutants of each task; 0 for none."
)
@click.option(
    "--least", default=0.85, show_default=True, type=click.FloatRange(0, 1), help="Share of a task's to be noticed."
)
@click.option(
    "--strength", default=0.95, show_default=True, type=click.FloatRange(0, 1), help="Share of all to be noticed."
)
@json_option
@click.pass_context
def check_tasks(
    ctx: click.Context,
    paths: tuple[str, ...],
    seeds: int,
    mutants: int,
    least: float,
    strength: float,
    as_json: bool,
) -> None:
    """Prove tasks in real sandboxes. Needs a checkout of CodeArena.

    For each task: its bug fails, by a hidden test too; its reference passes with full efficiency on every seed of its
    random inputs, in half of the time that it may take; its slow solutions pass, where inputs grow without full
    efficiency; and a program that knows the visible cases by heart, or is right for inputs of their sizes only, fails.
    Then its reference is broken on purpose, in one place at a time, and the tests must notice. Without DIR, the tasks
    of this checkout.

    Exit status 1 if a task is not proven or all tests together are too weak, 2 if a file is no task, 3 without a
    sandbox, 130 if interrupted.
    """
    options = ["--seeds", str(seeds), "--mutants", str(mutants), "--least", str(least), "--strength", str(strength)]
    options += ["--json"] if as_json else []
    ctx.exit(run_service_module("services.authoring.check", [*options, "--", *paths]))


@click.command(
    "generate",
    epilog=examples(
        "codearena tasks generate --seed 1 --count 1000 --out generated",
        "codearena tasks generate --from my_functions.py --count 20 --out mine",
    ),
)
@click.option(
    "--from",
    "sources",
    multiple=True,
    metavar="SOURCE",
    type=click.Path(exists=True),
    help="Task files or folders, or FILE.py with doctests or test_FILE.py beside it.  [default: our tasks]",
)
@click.option(
    "--seed", default=0, show_default=True, type=click.IntRange(0), help="The same seed makes the same tasks."
)
@click.option("--count", default=100, show_default=True, type=click.IntRange(1, 1_000_000), help="How many tasks.")
@click.option(
    "--out", default="generated", show_default=True, metavar="DIR", type=click.Path(file_okay=False), help="Where to."
)
@json_option
@click.pass_context
def generate_tasks(
    ctx: click.Context, sources: tuple[str, ...], seed: int, count: int, out: str, as_json: bool
) -> None:
    """Make tasks by planting bugs into tested programs. Needs a checkout of CodeArena.

    One to three bugs are planted into the reference solution of a task, or into a module of your own that has tests.
    What a hidden test notices is kept, as one file a task, with labels of what was planted where; what hangs, or what
    no test notices, is dropped. The same sources and the same seed give the same tasks; DIR/generate-report.json tells
    their digests.

    Exit status 1 if the sources give fewer tasks than asked for, 2 if a source is none, 3 without a sandbox, 130 if
    interrupted.
    """
    options = ["--seed", str(seed), "--count", str(count), "--out", out, *(["--json"] if as_json else [])]
    for source in sources:
        options += ["--from", source]
    ctx.exit(run_service_module("services.authoring.generate", options))


@click.command("calibrate", epilog=examples("codearena tasks calibrate", "codearena tasks calibrate my-tasks --write"))
@click.argument("paths", nargs=-1, metavar="[DIR]...", type=click.Path(exists=True))
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0), help="Chooses what the agents try.")
@click.option("--write", is_flag=True, help="Put the measured difficulty into the task files.")
@json_option
@click.pass_context
def calibrate_tasks(ctx: click.Context, paths: tuple[str, ...], seed: int, write: bool, as_json: bool) -> None:
    """Measure how hard tasks are. Needs a checkout of CodeArena.

    A panel of scripted agents plays each task: one that hands in what it was given, the built-in fixer, one that
    changes one thing at random, and one that puts a line back as it was before the bug, without knowing which; each
    has five tries. The mean of their solve rates gives the difficulty: easy from 0.15, medium from 0.05, hard from
    0.01, else expert. Without DIR, the tasks of this checkout.

    Exit status 2 if a file is no task, 3 without a sandbox, 130 if interrupted.
    """
    options = ["--seed", str(seed), *(["--write"] if write else []), *(["--json"] if as_json else [])]
    ctx.exit(run_service_module("services.authoring.panel", [*options, "--", *paths]))


@click.command("schema", epilog=examples("codearena tasks schema > task.schema.json"))
@click.option("--pack", is_flag=True, help="That of pack.yaml instead.")
@click.pass_context
def show_schema(ctx: click.Context, pack: bool) -> None:
    """Print the JSON Schema of task files, for editors. Needs a checkout of CodeArena."""
    ctx.exit(run_service_module("services.authoring.schema", ["--pack"] if pack else []))
