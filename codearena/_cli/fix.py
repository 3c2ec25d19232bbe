"""The command `fix`: proposals of the arena for a file or a task."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import click
from rich.text import Text

from codearena import ArenaClient, Task
from codearena._cli.fix_file import SourceFile, source_file
from codearena._cli.fix_view import print_proposal, print_round, table_of
from codearena._cli.reach import keeping_arena
from codearena._cli.render import console, emit_json
from codearena._cli.rounds import Round, demo_tasks, play_rounds, solution_of, total_usage, until_solved
from codearena._cli.session import (
    EXIT_NOT_PASSED,
    Session,
    connection_options,
    examples,
    json_option,
    pass_session,
    read_source,
)

_ALL: Final = "all"
_DEMO: Final = "demo"
_SOURCE = click.Path(exists=True, dir_okay=False, allow_dash=True)


@click.command(
    epilog=examples(
        "codearena fix broken.py",
        "python broken.py 2>&1 | codearena fix broken.py --error-log - --write",
        "codearena fix --task easy-1",
        "codearena fix mine.py --task easy-1 --write",
        "codearena fix --task demo",
    )
)
@click.argument("path", metavar="[FILE]", required=False, type=_SOURCE)
@click.option(
    "--task",
    "task_id",
    metavar="TASK",
    help='Go on until this task is solved; "demo" tries those of the demo, "all" every one.',
)
@click.option("--error-log", "log_path", metavar="FILE", type=_SOURCE, help='How FILE fails; "-" for stdin.')
@click.option("--description", metavar="TEXT", help="What FILE should do.")
@click.option("--write", is_flag=True, help="Put the repaired program into FILE; with --task if it is solved.")
@json_option
@connection_options(hidden=True)
@pass_session
@click.pass_context
def fix(
    ctx: click.Context,
    session: Session,
    path: str | None,
    task_id: str | None,
    log_path: str | None,
    description: str | None,
    write: bool,
    as_json: bool,
) -> None:
    """Propose a repair of FILE: a diff, why, who answered, and what it cost.

    FILE may be "-" for stdin. It is not run. With --task it is graded as a repair of TASK, and so is each proposal,
    five at most, until one passes; without FILE that begins with the task's buggy code. Where no arena runs, one is
    started.

    Exit status 0 if the program was changed, with --task if it was solved; else 1.
    """
    _check(path, task_id, log_path, description, write)
    source = None if path is None else read_source(path)
    code = None if source is None else source.replace("\r\n", "\n")
    target = source_file(path, source) if write and path is not None and source is not None else None
    error_log = "" if log_path is None else read_source(log_path)
    with keeping_arena(session) as arena:
        if task_id in (_ALL, _DEMO):
            tasks = arena.list_tasks() if task_id == _ALL else demo_tasks(arena)
            done = _fix_all(arena, tasks, as_json)
        elif task_id is not None:
            done = _fix_task(arena, task_id, code, target, as_json)
        else:
            done = _fix_file(arena, code or "", error_log, description or "", target, as_json)
    ctx.exit(0 if done else EXIT_NOT_PASSED)


def _check(path: str | None, task_id: str | None, log_path: str | None, description: str | None, write: bool) -> None:
    """Raises click.UsageError for what makes no sense together."""
    if path is None and task_id is None:
        raise click.UsageError("give a FILE, or --task TASK")
    if task_id is not None and (log_path is not None or description is not None):
        raise click.UsageError("--error-log and --description are for a FILE without --task: a task has its own")
    if task_id in (_ALL, _DEMO) and path is not None:
        raise click.UsageError(f"--task {task_id} begins with the buggy code of each task: leave FILE out")
    if write and path in (None, "-"):
        raise click.UsageError("--write needs a FILE to write to")
    if path == log_path == "-":
        raise click.UsageError("stdin can be either the program or its error log")


def _fix_file(
    arena: ArenaClient, code: str, error_log: str, description: str, target: SourceFile | None, as_json: bool
) -> bool:
    proposal = arena.propose_fix(code, error_log=error_log, description=description)
    changed = proposal.code != code
    if changed and target is not None:
        target.replace(proposal.code)
    written = changed and target is not None
    if as_json:
        emit_json({"changed": changed, "written": written, "proposal": proposal})
    else:
        out = console()
        print_proposal(out, proposal)
        if written:
            out.print("written", style="green")
    return changed


def _fix_task(arena: ArenaClient, task_id: str, code: str | None, target: SourceFile | None, as_json: bool) -> bool:
    out = console(quiet=as_json)
    rounds: list[Round] = []
    for played in until_solved(play_rounds(arena, task_id, code)):
        rounds.append(played)
        print_round(out, played, sum(1 for earlier in rounds if earlier.proposal is not None))
    solution = solution_of(rounds)
    written = target is not None and solution is not None and solution != code
    if written and target is not None and solution is not None:
        target.replace(solution)
    if as_json:
        emit_json({**_document(task_id, rounds), "written": written})
    else:
        solved = solution is not None
        out.print(Text("\nsolved" if solved else "\nnot solved", style="green" if solved else "red"))
        if written:
            out.print("written", style="green")
    return solution is not None


def _fix_all(arena: ArenaClient, tasks: Iterable[Task], as_json: bool) -> bool:
    played = {task.task_id: list(until_solved(play_rounds(arena, task.task_id))) for task in tasks}
    solved = [task_id for task_id, rounds in played.items() if solution_of(rounds) is not None]
    if as_json:
        emit_json({"tasks": [_document(task_id, rounds) for task_id, rounds in played.items()]})
    else:
        out = console()
        out.print(table_of(played), soft_wrap=True)
        out.print(f"solved {len(solved)} of {len(played)} tasks")
    return len(solved) == len(played)


def _document(task_id: str, rounds: Sequence[Round]) -> dict[str, object]:
    return {
        "task_id": task_id,
        "solved": solution_of(rounds) is not None,
        "usage": total_usage(rounds),
        "rounds": [
            {
                "code": played.code,
                "proposal": played.proposal,
                "grade": None if played.result is None else played.result.grade,
            }
            for played in rounds
        ],
    }
