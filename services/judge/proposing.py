"""Who proposes: the models in the order of the settings, and last the built-in fixer, which needs no network."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from services.judge.failure import ModelFailed
from services.judge.llm_fixer import LlmFixer
from services.judge.observer import Observer
from services.judge.proposal import BUILTIN, OK, Attempt, Declined, Draft, Proposal, Request
from services.judge.question import NO_USAGE, Usage
from services.judge.workers import Reader

_RESERVED_SHARE, _RESERVED_SECONDS = 0.1, 2.0
_LEAST_SECONDS = 0.05


class Proposer:
    """Proposes repairs.

    Args:
        reader: The built-in fixer, and what compares proposals.
        llms: The models, the one to ask first at the front; none where none is configured.
        observer: Hears of built-in answers and of fallbacks.
    """

    def __init__(self, reader: Reader, llms: Sequence[LlmFixer], observer: Observer) -> None:
        self._reader = reader
        self._llms = tuple(llms)
        self._observer = observer

    async def propose(self, request: Request, timeout_seconds: float | None = None) -> Proposal:
        """Returns the first proposal that is neither the request's code nor an earlier attempt.

        Where no model has one, the built-in fixer answers; with the request's own code if it finds nothing.

        Args:
            request: What to repair.
            timeout_seconds: How long it may take; a tenth of it, two seconds at most, is left to the built-in fixer.

        Raises:
            WorkerFailed: There is none, for a reason of ours.
        """
        attempts: list[Attempt] = []
        usage = NO_USAGE
        clock = _Clock(timeout_seconds)
        for llm in self._llms:
            started = time.perf_counter()
            outcome, draft, diff, cost = await self._ask(llm, request, clock)
            attempts.append(Attempt(llm.provider, llm.model, outcome, time.perf_counter() - started))
            usage += cost
            if draft is not None:
                return Proposal(draft.code, llm.model, draft.explanations, tuple(attempts), diff, usage)
        if attempts:
            self._observer.fallback(attempts[-1].outcome)
        return await self._builtin(request, attempts, usage)

    async def _ask(self, llm: LlmFixer, request: Request, clock: _Clock) -> tuple[str, Draft | None, str, Usage]:
        """Returns the outcome, the draft where it is a proposal, its diff, and what it cost."""
        left = clock.left()
        if left is not None and left < _LEAST_SECONDS:
            return Declined.NO_TIME.value, None, "", NO_USAGE
        try:
            answered = await llm.draft(request, left)
        except ModelFailed as failed:
            return failed.reason.value, None, "", failed.usage
        draft = answered.value
        verdict, diff = await self._reader.compare(request.code, draft.code, request.previous_attempts)
        return verdict or OK, None if verdict else draft, diff, answered.usage

    async def _builtin(self, request: Request, attempts: Sequence[Attempt], usage: Usage) -> Proposal:
        started = time.perf_counter()
        code, explanations = await self._reader.propose(
            request.code,
            request.error_log,
            request.description,
            request.previous_attempts,
            request.last_reward,
        )
        diff = ""
        if code != request.code:
            _, diff = await self._reader.compare(request.code, code, ())
        seconds = time.perf_counter() - started
        self._observer.model_call(BUILTIN, OK, seconds)
        outcome = OK if code != request.code else Declined.NO_CHANGE.value
        attempt = Attempt(BUILTIN, "", outcome, seconds)
        return Proposal(code, BUILTIN, tuple(explanations), (*attempts, attempt), diff, usage)


class _Clock:
    """The time that is left to the models.

    Args:
        timeout_seconds: Of the whole call; None for any.
    """

    def __init__(self, timeout_seconds: float | None) -> None:
        self._deadline: float | None = None
        if timeout_seconds is not None:
            reserved = min(_RESERVED_SECONDS, _RESERVED_SHARE * timeout_seconds)
            self._deadline = asyncio.get_running_loop().time() + timeout_seconds - reserved

    def left(self) -> float | None:
        """Returns the seconds that are left; None without a deadline."""
        return None if self._deadline is None else self._deadline - asyncio.get_running_loop().time()
