"""The command `export`: stored steps as CSV or Parquet."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Final

import click

from codearena._cli.export_files import FIELDS, FIX_FIELD, CsvFile, ParquetFile, StepFile
from codearena._cli.moments import period_options
from codearena._cli.progress import count_steps, tracked
from codearena._cli.reach import keeping_arena
from codearena._cli.render import console
from codearena._cli.session import EXIT_USAGE, Session, connection_options, examples, pass_session
from codearena._files import replacing

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
    )
)
@click.argument("path", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--run", "run_id", metavar="RUN", default="", help="Only this training run.")
@period_options
@click.option("--with-fixes", is_flag=True, help="The code of every fix, too.")
@connection_options(hidden=True)
@pass_session
def export(
    session: Session, path: Path, run_id: str, since: datetime | None, until: datetime | None, with_fixes: bool
) -> None:
    """Write the stored steps to FILE, oldest first.

    FILE ends in .csv, or in .parquet, which needs pyarrow (the extra `export`). It gets a line for each step: episode,
    run, task, reward, outcome and more. It is replaced in one move, once all is there.
    """
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
        raise ExportProblem(f"cannot write {path}: {error.strerror or error}") from error
    console().print(f"{count} steps in {path}", soft_wrap=True)
