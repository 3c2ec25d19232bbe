"""Opinions of a model: known here, known to a replica, just being formed, or formed now."""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

from pydantic import TypeAdapter, ValidationError

from services.common.shared_store import SharedStore
from services.judge.cache import SingleFlightCache
from services.judge.llm import Prepared
from services.judge.opinion import Opinion, Subject
from services.judge.question import NO_USAGE

KEY_PREFIX = "codearena:opinion:1:"
"""Before the keys of opinions in a store that judges share."""

_ADAPTER = TypeAdapter(Opinion)


class OpinionModel(Protocol):
    """A judge that is a model; `services.judge.llm.LlmJudge` is one."""

    async def prepare(self, subject: Subject) -> Prepared:
        """Returns the question that a fix is. Raises ModelFailed or WorkerFailed."""
        ...

    async def judge(self, prepared: Prepared) -> Opinion:
        """Returns the model's opinion, within a time of its own. Raises ModelFailed."""
        ...


class OpinionObserver(Protocol):
    """Hears whether opinions were known."""

    def asked(self, *, known: bool) -> None:
        """An opinion was known or just being formed, or had to be asked for."""
        ...


class Opinions:
    """Asks a model each question once.

    Args:
        model: Forms them.
        entries: How many are kept here.
        store: Shared with other judges, and there after a restart; None if there is none.
        observer: Hears of hits and misses.
    """

    def __init__(self, model: OpinionModel, entries: int, store: SharedStore | None, observer: OpinionObserver) -> None:
        self._model = model
        self._cache: SingleFlightCache[tuple[Opinion, bool]] = SingleFlightCache(entries)
        self._store = store
        self._observer = observer

    async def of(self, subject: Subject) -> Opinion:
        """Returns the model's opinion of a fix; it costs nothing if it was known or just being formed.

        Raises:
            ModelFailed: It has none.
            WorkerFailed: The fix could not be prepared.
        """
        prepared = await self._model.prepare(subject)
        found = await self._cache.get(prepared.key, lambda: self._form(prepared))
        opinion, was_stored = found.value
        is_new = found.is_new and not was_stored
        self._observer.asked(known=not is_new)
        return opinion if is_new else replace(opinion, usage=NO_USAGE)

    async def close(self) -> None:
        """Ends the questions under way, and leaves the store."""
        await self._cache.close()
        if self._store is not None:
            await self._store.stop()

    async def _form(self, prepared: Prepared) -> tuple[Opinion, bool]:
        if self._store is None:
            return await self._model.judge(prepared), False
        stored = await self._store.get(prepared.key)
        known = None if stored is None else _read(stored.data)
        if known is not None:
            return known, True
        opinion = await self._model.judge(prepared)
        await self._store.put(prepared.key, _ADAPTER.dump_json(opinion))
        return opinion, False


def _read(data: bytes) -> Opinion | None:
    """Reads an opinion that was kept elsewhere; None if it is none."""
    try:
        opinion = _ADAPTER.validate_json(data)
    except ValidationError:
        return None
    scores = (opinion.correctness, opinion.security, opinion.quality)
    return opinion if all(score is not None and 0.0 <= score <= 1.0 for score in scores) else None
