"""`python -m services.judge.calibrate`: how well the judges agree with graded snippets."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from prometheus_client import CollectorRegistry
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from services.common import logs
from services.common.main import read_settings
from services.judge.judging import STATIC
from services.judge.opinion import Opinion, Source, Subject
from services.judge.ranks import kendall, spearman
from services.judge.service import JudgeService
from services.judge.settings import JudgeSettings
from services.judge.snippets import FOLDER, BadSnippets, Snippet, load_snippets

EXIT_NO_ANSWERS, EXIT_BAD_SET, EXIT_INTERRUPTED = 1, 2, 130
SCORES = ("security", "quality")
_PIPE_WIDTH = 160
_AT_ONCE = 8
_WORST = 5


@dataclass(frozen=True)
class Judged:
    """A snippet, and what a judge says of it."""

    snippet: Snippet
    opinion: Opinion

    def error(self, score: str) -> float:
        """Returns by how much the judge is above the grade, in [-1, 1]."""
        return float(getattr(self.opinion, score)) - float(getattr(self.snippet, score))


@dataclass(frozen=True)
class Agreement:
    """How well a judge agrees with the grades.

    Attributes:
        judge: "static" or the models' names.
        score: "security" or "quality".
        part: "all", "development" or "held out".
        count: Snippets.
        rho: Spearman's; None where one side is constant.
        tau: Kendall's tau-b; None where one side is constant.
        mean_error: Mean absolute difference.
    """

    judge: str
    score: str
    part: str
    count: int
    rho: float | None
    tau: float | None
    mean_error: float


async def judged(service: JudgeService, snippets: Sequence[Snippet], say: Console) -> list[Judged]:
    """Asks a judge about snippets, several at once, with a progress bar."""
    room = asyncio.Semaphore(_AT_ONCE)
    with Progress(console=say, transient=True) as progress:
        bar = progress.add_task(service.judge_name, total=len(snippets))

        async def one(snippet: Snippet) -> Judged:
            async with room:
                subject = Subject(snippet.code, snippet.description, snippet.buggy_code, snippet.reference)
                opinion = await service.judge.judge(subject)
            progress.advance(bar)
            return Judged(snippet, opinion)

        async with asyncio.TaskGroup() as group:  # at a failure the others end before the judge does
            tasks = [group.create_task(one(snippet)) for snippet in snippets]
        return [task.result() for task in tasks]


def agreements(judge: str, found: Sequence[Judged]) -> list[Agreement]:
    """Returns the agreement in each score, over all and over each half."""
    parts = {
        "all": list(found),
        "development": [one for one in found if not one.snippet.is_held_out],
        "held out": [one for one in found if one.snippet.is_held_out],
    }
    return [_agreement(judge, score, part, members) for score in SCORES for part, members in parts.items() if members]


def _agreement(judge: str, score: str, part: str, found: Sequence[Judged]) -> Agreement:
    grades = [float(getattr(one.snippet, score)) for one in found]
    scores = [float(getattr(one.opinion, score)) for one in found]
    error = sum(abs(one.error(score)) for one in found) / len(found)
    return Agreement(judge, score, part, len(found), spearman(grades, scores), kendall(grades, scores), error)


async def calibrate(
    settings: JudgeSettings, snippets: Sequence[Snippet], which: str, say: Console
) -> dict[str, list[Judged]]:
    """Asks the judges about snippets.

    Args:
        settings: Of the judge service.
        snippets: What is judged.
        which: "static", "model", or "auto" for both where a model is configured.
        say: Where to show progress.

    Returns:
        What each judge that was asked says, by its name. Of a model, only what it said itself.
    """
    results = {}
    if which != "model":
        without = settings.model_copy(update={"judge_base_url": "", "judge_api_key": None})
        results[STATIC] = await _ask(without, snippets, say)
    if which == "model" or (which == "auto" and settings.models()):
        found = await _ask(settings, snippets, say)
        name = "+".join(model.name for model in settings.models()) or "no model"
        results[name] = [one for one in found if one.opinion.source is Source.LLM]
    return results


async def _ask(settings: JudgeSettings, snippets: Sequence[Snippet], say: Console) -> list[Judged]:
    service = JudgeService(settings, CollectorRegistry())
    try:
        await service.start()
        return await judged(service, snippets, say)
    finally:
        await service.stop()


def _show(results: dict[str, list[Judged]], total: int, out: Console) -> None:
    table = Table(title=f"Agreement with {total} graded snippets")
    for number, column in enumerate(("judge", "score", "snippets", "count", "rho", "tau-b", "mean error")):
        table.add_column(column, justify="right" if number > 2 else "left", no_wrap=True)
    for name, found in results.items():
        for one in agreements(name, found):
            figures = ("-" if value is None else f"{value:.2f}" for value in (one.rho, one.tau, one.mean_error))
            table.add_row(one.judge, one.score, one.part, str(one.count), *figures)
    out.print(table)
    for name, found in results.items():
        usage = sum(one.opinion.usage.prompt_tokens + one.opinion.usage.completion_tokens for one in found)
        cost = sum(one.opinion.usage.cost_usd for one in found)
        if name != STATIC:
            out.print(f"{name}: {len(found)} of {total} judged, {usage} tokens, ${cost:.4f}")
        for score in SCORES:
            worst = sorted(found, key=lambda one: -abs(one.error(score)))[:_WORST]
            out.print(
                f"{name}, {score}, furthest off: "
                + ", ".join(f"{one.snippet.id} {one.error(score):+.2f}" for one in worst)
            )


def _document(results: dict[str, list[Judged]], total: int) -> object:
    return {
        "snippets": total,
        "agreements": [asdict(one) for name, found in results.items() for one in agreements(name, found)],
        "judged": {
            name: [{"id": one.snippet.id} | {score: getattr(one.opinion, score) for score in SCORES} for one in found]
            for name, found in results.items()
        },
    }


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="codearena judge calibrate", description=__doc__)
    parser.add_argument("--judge", choices=("auto", "static", "model"), default="auto")
    parser.add_argument("--limit", type=int, help="judge only so many snippets")
    parser.add_argument("--set", type=Path, default=FOLDER, metavar="DIR", help="another set")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    return parser


def main() -> int:
    """Returns the exit status: 0, 1 if a model judged nothing, 2 for a malformed set, 130 if interrupted."""
    arguments = _parser().parse_args()
    logs.configure("warning", "text")
    settings = read_settings(JudgeSettings)
    console, say = Console(), Console(stderr=True)
    if not console.is_terminal:
        console.width = _PIPE_WIDTH
    if arguments.judge == "model" and not settings.models():
        say.print("Error: no model is configured; set CODEARENA_JUDGE_BASE_URL and CODEARENA_JUDGE_MODEL")
        return EXIT_NO_ANSWERS
    try:
        snippets = load_snippets(arguments.set)[: arguments.limit]
        results = asyncio.run(calibrate(settings, snippets, arguments.judge, say))
    except BadSnippets as error:
        say.print(f"Error: {error}", markup=False, highlight=False, soft_wrap=True)
        return EXIT_BAD_SET
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    if arguments.json:
        sys.stdout.write(json.dumps(_document(results, len(snippets)), indent=2) + "\n")
    else:
        _show(results, len(snippets), console)
    return 0 if all(results.values()) else EXIT_NO_ANSWERS


if __name__ == "__main__":
    sys.exit(main())
