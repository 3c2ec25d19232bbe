"""The command `export`: stored steps as CSV or Parquet, or as examples for training."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Final

import click

from codearena._cli.export_examples import FORMS, write_examples
from codearena._cli.export_files import FIELDS, FIX_FIELD, CsvFile, ParquetFile, StepFile
from codearena._cli.moments import period_options
from codearena._cli.progress import count_steps, tracked
from codearena._cli.reach import keeping_arena
from codearena._cli.render import console
from codearena._cli.session import EXIT_USAGE, Session, connection_options, examples, pass_session
from codearena._files import replacing
from codearena.evaluation import Rollout, RolloutFileError, read_rollouts
from codearena.evaluation.examples import LEAST_MARGIN, LEAST_REWARD, MOST_PER_TASK
from codearena.evaluation.stored import stored_rollouts

_FORMATS: Final[Mapping[str, Callable[[Path, tuple[str, ...]], StepFile]]] = MappingProxyType(
    {".csv": CsvFile, ".parquet": ParquetFile}
)


class ExportProblem(click.ClickException):
    """A file that cannot be written."""

    exit_code = EXIT_USAGE


@click.command(
    epilog=examples(
        "codearena export steps.csv",
        "codearena export steps.parquet --run grpo-12 --since 7d --with-fixes",
        "codearena export sft.jsonl --as sft --run grpo-12",
        "codearena export pairs.jsonl --as dpo --from results/eval",
    )
)
@click.argument("path", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--run", "run_id", metavar="RUN", default="", help="Only this training run.")
@period_options
@click.option("--with-fixes", is_flag=True, help="The code of every fix, too.")
@click.option(
    "--as",
    "form",
    type=click.Choice(FORMS),
    help="Examples for training, as JSON lines: answers that passed (sft), or a better and a worse one (dpo).",
)
@click.option(
    "--from",
    "source",
    metavar="FOLDER",
    type=click.Path(exists=True, path_type=Path),
    help="With --as: an evaluation, instead of the arena's steps.",
)
@click.option(
    "--least",
    type=click.FloatRange(0, 1),
    default=None,
    help=f"With --as: the reward of an answer [{LEAST_REWARD}], or the difference of a pair [{LEAST_MARGIN}].",
)
@click.option(
    "--per-task",
    type=click.IntRange(1),
    default=None,
    help=f"With --as: how many of one task at most [{MOST_PER_TASK}].",
)
@connection_options(hidden=True)
@pass_session
def export(
    session: Session,
    path: Path,
    run_id: str,
    since: datetime | None,
    until: datetime | None,
    with_fixes: bool,
    form: str | None,
    source: Path | None,
    least: float | None,
    per_task: int | None,
) -> None:
    """Write the stored steps to FILE, oldest first.

    FILE ends in .csv, or in .parquet, which needs pyarrow (the extra `export`). It gets a line for each step: episode,
    run, task, reward, outcome and more. With --as it ends in .jsonl and gets examples in TRL's conversational formats,
    equal programs once. It is replaced in one move, once all is there.
    """
    if form is not None:
        if path.suffix.lower() != ".jsonl":
            raise click.BadParameter(f"{path.name} must end in .jsonl with --as", param_hint="FILE")
        if with_fixes:
            raise click.UsageError("examples hold the code; --with-fixes goes without --as")
        rollouts = _rollouts(session, source, run_id, since, until)
        try:
            count = write_examples(path, form, rollouts, least, per_task or MOST_PER_TASK)
        except OSError as error:
            raise _unwritable(path, error) from error
        console().print(f"{count} examples in {path}", soft_wrap=True)
        return
    if source is not None or least is not None or per_task is not None:
        raise click.UsageError("--from, --least and --per-task go with --as")
    kind = _FORMATS.get(path.suffix.lower())
    if kind is None:
        raise click.BadParameter(f"{path.name} must end in .csv or .parquet", param_hint="FILE")
    fields = (*FIELDS, FIX_FIELD) if with_fixes else FIELDS
    count = 0
    try:
        with replacing(path) as draft, kind(draft, fields) as file, keeping_arena(session) as arena:
            total = count_steps(arena, run_id, start=since, end=until)
            for step in tracked(arena.export_steps(run_id, since, until), "exporting", total):
                file.write(step)
                count += 1
    except ImportError as error:
        raise ExportProblem(
            "Parquet needs pyarrow, the extra `export`: pip install pyarrow, or name a .csv file"
        ) from error
    except OSError as error:
        raise _unwritable(path, error) from error
    console().print(f"{count} steps in {path}", soft_wrap=True)


def _unwritable(path: Path, error: OSError) -> ExportProblem:
    return ExportProblem(f"cannot write {path}: {error.strerror or error}")


def _rollouts(
    session: Session, source: Path | None, run_id: str, since: datetime | None, until: datetime | None
) -> list[Rollout]:
    if source is not None:
        if run_id or since or until:
            raise click.UsageError("--run, --since and --until choose among the arena's steps; without --from")
        try:
            return list(read_rollouts(source).rollouts)
        except RolloutFileError as error:
            raise ExportProblem(str(error)) from error
    with keeping_arena(session) as arena:
        tasks = {task.task_id: task for task in arena.list_tasks()}
        total = count_steps(arena, run_id, start=since, end=until)
        steps = tracked(arena.export_steps(run_id, since, until), "reading", total)
        return stored_rollouts(steps, tasks)
