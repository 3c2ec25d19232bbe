"""Who judges: the model where there is one and it answers, else static analysis."""

from __future__ import annotations

import asyncio
import time
from enum import StrEnum

from services.judge.failure import OURS, FailureReason, ModelFailed
from services.judge.observer import Observer
from services.judge.opinion import Opinion, Source, Subject
from services.judge.opinions import Opinions
from services.judge.workers import Reader

STATIC = "static"
"""What the static judge is called where a model's name is expected in metrics."""

_MARGIN_SHARE, _LONGEST_MARGIN = 0.25, 2.0


class OnFailure(StrEnum):
    """What happens where the model has no opinion."""

    STATIC = "static"
    """The static judge answers and says why."""
    FAIL = "fail"
    """The call fails and may be tried again, unless it is the fix that no model can judge."""


class Judge:
    """Gives opinions of fixes.

    Args:
        reader: Static analysis.
        model: Opinions of a model, or None where none is configured.
        observer: Hears of static answers and of fallbacks.
        on_failure: What happens where the model has none.
    """

    def __init__(
        self, reader: Reader, model: Opinions | None, observer: Observer, on_failure: OnFailure = OnFailure.STATIC
    ) -> None:
        self._reader = reader
        self._model = model
        self._observer = observer
        self._on_failure = on_failure

    async def judge(self, subject: Subject, timeout_seconds: float | None = None) -> Opinion:
        """Returns an opinion of a fix. Never runs it.

        Args:
            subject: The fix.
            timeout_seconds: How long it may take; enough of it is kept for the static judge. A model that answers
                later is not heard this time, and known the next.

        Raises:
            ModelFailed: The model has none, and the policy is not to fall back.
            WorkerFailed: There is none, for a reason of ours.
        """
        if self._model is None:
            return await self._static(subject, "")
        try:
            async with asyncio.timeout(_less_margin(timeout_seconds)):
                return await self._model.of(subject)
        except TimeoutError:
            reason = FailureReason.TIMEOUT
        except ModelFailed as error:
            reason = error.reason
        if self._on_failure is OnFailure.FAIL and reason in OURS:
            raise ModelFailed(reason)
        self._observer.fallback(reason.value)
        return await self._static(subject, reason.value)

    async def close(self) -> None:
        """Ends the questions under way."""
        if self._model is not None:
            await self._model.close()

    async def _static(self, subject: Subject, fallback_reason: str) -> Opinion:
        started = time.perf_counter()
        analysis = await self._reader.analyse(subject.code, subject.reference_code, subject.buggy_code)
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


def _less_margin(seconds: float | None) -> float | None:
    """Returns the part of a time that the model gets."""
    return None if seconds is None else seconds - min(_LONGEST_MARGIN, _MARGIN_SHARE * seconds)
