"""`codearena judge`: the judge's opinion of a file, and how well the judge agrees with graded snippets."""

from __future__ import annotations

import click
from rich.text import Text

from codearena import Review
from codearena._cli.embedded import run_service_module
from codearena._cli.reach import keeping_arena
from codearena._cli.render import console, emit_json, figure, plain_table, printable
from codearena._cli.session import (
    Session,
    connection_options,
    examples,
    json_option,
    pass_session,
    read_source,
)

_FILE = click.Path(exists=True, dir_okay=False)
_BAR = 10


class _FileOrCommand(click.Group):
    """A group whose first word may also be a file: then it is judged."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in self.commands:
            return _FILE_COMMAND, self.commands[_FILE_COMMAND], args
        return super().resolve_command(ctx, args)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if args and args[0].startswith("--") and args[0] != "--help":  # options may stand before the file
            args = [_FILE_COMMAND, *args]
        return super().parse_args(ctx, args)


_FILE_COMMAND = "file"


@click.group(
    cls=_FileOrCommand,
    subcommand_metavar="FILE | COMMAND [ARGS]...",
    epilog=examples(
        "codearena judge fix.py --task easy-1",
        'codearena judge fix.py --description "Sums a list." --json',
        "codearena judge calibrate",
    ),
)
def judge() -> None:
    """Ask the judge for its opinion of FILE. Nothing is run.

    `codearena judge FILE` is short for `codearena judge file FILE`: see `codearena judge file --help` for its options.
    """


@judge.command(_FILE_COMMAND, epilog=examples("codearena judge fix.py --task easy-1", "codearena judge - < fix.py"))
@click.argument("path", metavar="FILE", type=click.Path(exists=True, dir_okay=False, allow_dash=True))
@click.option("--task", "task_id", default="", metavar="ID", help="The task that FILE is a repair of.")
@click.option("--description", default="", metavar="TEXT", help="What FILE should do.")
@click.option("--buggy", metavar="FILE", type=_FILE, help="The code before the repair.")
@click.option("--reference", metavar="FILE", type=_FILE, help="A good solution to compare with.")
@json_option
@connection_options(hidden=True)
@pass_session
def judge_file(
    session: Session,
    path: str,
    task_id: str,
    description: str,
    buggy: str | None,
    reference: str | None,
    as_json: bool,
) -> None:
    """Ask the judge for its opinion of FILE: correctness, security and quality, each with a reason.

    FILE may be "-" for stdin. A language model judges where the arena has one, else static analysis, which leaves
    correctness to the tests. Where no arena runs, one is started for the command.
    """
    if task_id and (description or buggy or reference):
        raise click.UsageError("--task brings its own description, buggy code and reference")
    code = read_source(path)
    with keeping_arena(session) as arena:
        review = arena.review_fix(
            code,
            task_id=task_id,
            description=description,
            buggy_code="" if buggy is None else read_source(buggy),
            reference_code="" if reference is None else read_source(reference),
        )
    if as_json:
        emit_json(review)
    else:
        _show(review)


@judge.command(epilog=examples("codearena judge calibrate", "codearena judge calibrate --judge static --json"))
@click.option(
    "--judge",
    "which",
    type=click.Choice(("auto", "static", "model")),
    default="auto",
    show_default=True,
    help="Which one; auto takes the static judge, and the model too where one is configured.",
)
@click.option("--limit", type=click.IntRange(1), help="Judge only so many snippets.")
@click.option("--set", "folder", metavar="DIR", type=click.Path(exists=True, file_okay=False), help="Another set.")
@json_option
@click.pass_context
def calibrate(ctx: click.Context, which: str, limit: int | None, folder: str | None, as_json: bool) -> None:
    """Compare the judge with graded snippets. Needs a checkout of CodeArena.

    The model is the one that CODEARENA_JUDGE_BASE_URL, CODEARENA_JUDGE_MODEL and CODEARENA_JUDGE_API_KEY name. Prints
    rank correlations with the grades, the mean error and the worst disagreements.

    Exit status 1 if the model judged nothing, 2 if the set is malformed, 130 if interrupted.
    """
    arguments = ["--judge", which, *(["--json"] if as_json else [])]
    arguments += ["--limit", str(limit)] if limit is not None else []
    arguments += ["--set", folder] if folder is not None else []
    ctx.exit(run_service_module("services.judge.calibrate", arguments))


def _show(review: Review) -> None:
    table = plain_table("", "score", "", "why", left=1)
    table.columns[3].justify, table.columns[3].no_wrap = "left", False
    scores = {
        "correctness": (review.correctness, review.correctness_reason),
        "security": (review.security, review.security_reason),
        "quality": (review.quality, review.quality_reason),
    }
    for name, (score, reason) in scores.items():
        filled = 0 if score is None else round(score * _BAR)
        bar = Text("█" * filled + "·" * (_BAR - filled), style="dim" if score is None else _style(score))
        table.add_row(name, figure(score, 2), bar, Text(printable(reason)))
    out = console()
    out.print(table)
    out.print(Text(_provenance(review), style="dim"), soft_wrap=True)


def _style(score: float) -> str:
    return "green" if score >= 0.8 else "yellow" if score >= 0.5 else "red"


def _provenance(review: Review) -> str:
    source = review.provenance
    if not source.model:
        why = f", as the model had no answer: {source.fallback_reason}" if source.fallback_reason else ""
        return f"judged by static analysis{why}"
    usage = source.usage
    parts = [
        f"judged by {printable(source.model)}",
        f"prompt {source.prompt_digest}",
        f"{source.answer_count} answers, spread {source.spread:.2f}" if source.answer_count > 1 else "",
        f"{usage.prompt_tokens + usage.completion_tokens} tokens, ${usage.cost_usd:.4f}",
    ]
    return ", ".join(filter(None, parts))
