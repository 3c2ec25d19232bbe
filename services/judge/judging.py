"""Who judges: the model where there is one and it answers, else static analysis."""

from __future__ import annotations

import time

from services.judge.cache import SingleFlightCache
from services.judge.failure import ModelFailed
from services.judge.llm import LlmJudge
from services.judge.observer import Observer
from services.judge.opinion import Opinion, Source, Subject
from services.judge.workers import Reader

STATIC = "static"
"""What the static judge is called where a model's name is expected in metrics."""


class Judge:
    """Gives opinions of fixes.

    Args:
        reader: Static analysis.
        llm: The model, or None where none is configured.
        observer: Hears of static answers and of fallbacks.
        cache_entries: How many opinions of the model are kept.
    """

    def __init__(self, reader: Reader, llm: LlmJudge | None, observer: Observer, cache_entries: int) -> None:
        self._reader = reader
        self._llm = llm
        self._observer = observer
        self._opinions: SingleFlightCache[Opinion] = SingleFlightCache(cache_entries)

    async def judge(self, subject: Subject) -> Opinion:
        """Returns an opinion of a fix. Never runs it.

        Raises:
            WorkerFailed: There is none, for a reason of ours.
        """
        if self._llm is None:
            return await self._static(subject, "")
        llm = self._llm
        try:
            return await self._opinions.get(llm.key(subject), lambda: llm.judge(subject))
        except ModelFailed as error:
            self._observer.fallback(error.reason.value)
            return await self._static(subject, error.reason.value)

    async def close(self) -> None:
        """Ends the questions under way."""
        await self._opinions.close()

    async def _static(self, subject: Subject, fallback_reason: str) -> Opinion:
        started = time.perf_counter()
        analysis = await self._reader.analyse(subject.code, subject.reference_code)
        self._observer.model_call(STATIC, "ok", time.perf_counter() - started)
        return Opinion(
            correctness=None,
            security=analysis["security"],
            quality=analysis["quality"],
            correctness_reason="Left to the tests.",
            security_reason=analysis["security_reason"],
            quality_reason=analysis["quality_reason"],
            source=Source.STATIC,
            fallback_reason=fallback_reason,
        )
