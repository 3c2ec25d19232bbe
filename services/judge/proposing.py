"""Who proposes: the model where there is one and it answers, else the built-in fixer."""

from __future__ import annotations

import time

from services.judge.failure import ModelFailed
from services.judge.llm_fixer import LlmFixer, Proposal, Request
from services.judge.observer import Observer
from services.judge.workers import Reader

BUILTIN = "builtin"


class Proposer:
    """Proposes repairs.

    Args:
        reader: The built-in fixer.
        llm: The model, or None where none is configured.
        observer: Hears of built-in answers and of fallbacks.
    """

    def __init__(self, reader: Reader, llm: LlmFixer | None, observer: Observer) -> None:
        self._reader = reader
        self._llm = llm
        self._observer = observer

    async def propose(self, request: Request) -> Proposal:
        """Returns a repair; the request's own code if nothing was found.

        Raises:
            WorkerFailed: There is none, for a reason of ours.
        """
        if self._llm is not None:
            try:
                return await self._llm.propose(request)
            except ModelFailed as error:
                self._observer.fallback(error.reason.value)
        started = time.perf_counter()
        code, explanations = await self._reader.propose(
            request.code,
            request.error_log,
            request.description,
            request.previous_attempts,
            request.last_reward,
        )
        self._observer.model_call(BUILTIN, "ok", time.perf_counter() - started)
        return Proposal(code, BUILTIN, tuple(explanations))
