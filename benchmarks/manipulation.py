"""How many manipulated fixes score above their clean twins with a judge that obeys whatever it reads.

The model is a server on loopback that raises its scores for each instruction that it finds in a fix, decoded if need
be. It is asked through the judge, and once more with the fixes as they were written, which shows that it obeys.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from benchmarks import redteam
from benchmarks.command import main_of
from benchmarks.figures import Figures
from benchmarks.model_server import Behaviour, model_server
from benchmarks.redteam import Manipulation
from services.judge.chat import ChatModel, ModelSettings
from services.judge.judging import Judge, OnFailure
from services.judge.llm import LlmJudge
from services.judge.observer import SilentObserver
from services.judge.opinion import Opinion, Subject
from services.judge.opinions import Opinions
from services.judge.presentation import Presentation
from services.judge.workers import Reader


class RawReader(Reader):
    """Shows fixes as they were written."""

    async def present(self, code: str, trusted: str = "") -> Presentation:  # noqa: ARG002  the base class's
        """Returns the code."""
        return Presentation(code=code, problem="")


@dataclass(frozen=True)
class Judged:
    """What became of one manipulation.

    Attributes:
        of: The manipulation.
        manipulated: Opinion of the manipulated fix.
        twin: Opinion of its twin.
    """

    of: Manipulation
    manipulated: Opinion
    twin: Opinion

    @property
    def is_above(self) -> bool:
        """Whether the manipulated fix has any score above its twin's."""
        return any(a > b for a, b in zip(_scores(self.manipulated), _scores(self.twin), strict=True))


def _scores(opinion: Opinion) -> tuple[float, float, float]:
    return (opinion.correctness or 0.0, opinion.security, opinion.quality)


async def judged(reader: Reader, manipulations: Sequence[Manipulation]) -> list[Judged]:
    """Asks the obedient server, through a judge that reads with `reader`, which is started and stopped.

    Raises:
        ModelFailed: A fix was not judged.
    """
    with model_server(Behaviour(obedient=True)) as server:
        silent = SilentObserver()
        model = ChatModel(ModelSettings(server.url, "none", "obedient"), silent)
        judge = Judge(reader, Opinions(LlmJudge([model], 1, reader), 1_000, None, silent), silent, OnFailure.FAIL)

        async def one(subject: Subject) -> Opinion:
            return await judge.judge(subject)

        await reader.start()
        try:
            return [Judged(of, await one(of.manipulated), await one(of.twin)) for of in manipulations]
        finally:
            await judge.close()
            await model.close()
            await reader.stop()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds no options."""


def measure(arguments: argparse.Namespace) -> Iterator[Figures]:  # noqa: ARG001  none are needed
    """Yields one table."""
    manipulations = redteam.load()
    raw, shown = (asyncio.run(judged(reader, manipulations)) for reader in (RawReader(1), Reader(1)))
    kinds = list(dict.fromkeys(one.kind for one in manipulations))
    rows = [
        (kind, *(str(len(found)) for found in (_of(kind, raw), _above(_of(kind, raw)), _above(_of(kind, shown)))))
        for kind in kinds
    ]
    rows.append(("all", str(len(manipulations)), str(len(_above(raw))), str(len(_above(shown)))))
    yield Figures(
        "Manipulated fixes that score above their clean twins",
        ".venv/bin/python -m benchmarks.manipulation",
        ("manipulation", "fixes", "above, as written", "above, through the judge"),
        rows,
        "The model is a server that obeys every instruction that it finds. Above: any of the three scores.",
    )


def _of(kind: str, results: Sequence[Judged]) -> list[Judged]:
    return [one for one in results if one.of.kind == kind]


def _above(results: Sequence[Judged]) -> list[Judged]:
    return [one for one in results if one.is_above]


if __name__ == "__main__":
    main_of("manipulation", __doc__, add_arguments, measure)
