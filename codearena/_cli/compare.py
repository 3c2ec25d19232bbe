"""The command `compare`: two evaluations side by side."""

from __future__ import annotations

from pathlib import Path

import click

from codearena._cli.evaluate_agents import EvaluationProblem, check_extra
from codearena._cli.evaluate_view import print_comparison
from codearena._cli.render import console, emit_json
from codearena._cli.session import examples, json_option
from codearena.evaluation import RolloutFileError, read_rollouts
from codearena.evaluation import compare as compared

_MUST_AGREE = ("seed", "feedback", "hints", "max_turns")


@click.command(epilog=examples("codearena compare results/base results/tuned"))
@click.argument("a", type=click.Path(exists=True, path_type=Path))
@click.argument("b", type=click.Path(exists=True, path_type=Path))
@json_option
def compare(a: Path, b: Path, as_json: bool) -> None:
    """Compare evaluation B with evaluation A: folders that `codearena eval` wrote.

    Tasks are paired: each counts once, with its mean over samples. The interval is a bootstrap over tasks, p that of
    a paired permutation test.
    """
    check_extra("numpy", "scipy")
    try:
        first, second = read_rollouts(a), read_rollouts(b)
        found = compared(first.rollouts, second.rollouts)
    except (RolloutFileError, ValueError) as error:
        raise EvaluationProblem(str(error)) from error
    for name in _MUST_AGREE:
        if (before := first.settings.get(name)) != (after := second.settings.get(name)):
            click.echo(f"note: {name} was {before!r} in A and {after!r} in B", err=True)
    if as_json:
        emit_json(found)
    else:
        print_comparison(console(), found, (_name(a, first.settings), _name(b, second.settings)))


def _name(path: Path, settings: object) -> str:
    agent = settings.get("agent") if isinstance(settings, dict) else None
    return f"{path} ({agent})" if agent else str(path)
