"""A reward function for `GRPOTrainer(reward_funcs=…)`: completions are graded in groups, all at once."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any, Final, TypeAlias

from codearena import ArenaError, AsyncArenaClient, Grade, InvalidArgumentError, TLSConfig
from codearena._channel import DEFAULT_ADDRESS, MAX_ATTEMPTS
from codearena._errors import INFRASTRUCTURE, UNFIT_PROGRAM, wait_seconds
from codearena.integrations._clients import Where
from codearena.replies import extract_code

_LOG = logging.getLogger(__name__)
_MAX_CODES: Final = 256
_MAX_BYTES: Final = 8 << 20

Completion: TypeAlias = str | Sequence[Mapping[str, Any]]
Extract: TypeAlias = Callable[[str, Mapping[str, Any]], str]


def program_of(text: str, row: Mapping[str, Any]) -> str:
    """Returns the program in a completion; "" if it holds none. Looks at the row's `buggy_code`, if it has one."""
    return extract_code(text, str(row.get("buggy_code") or ""))


@dataclass(slots=True)
class _Batch:
    """The programs of one call, by the place of their completion, and what became of each."""

    codes: dict[int, str]
    size: int
    refused: set[int] = field(default_factory=set)
    grades: dict[int, Grade] = field(default_factory=dict)

    def ungraded(self, places: Iterable[int]) -> list[int]:
        return [place for place in places if place not in self.grades and place not in self.refused]

    def rewards(self) -> list[float | None]:
        return [self._reward(place) for place in range(self.size)]

    def _reward(self, place: int) -> float | None:
        if (grade := self.grades.get(place)) is not None:
            return grade.reward
        return 0.0 if place in self.refused or place not in self.codes else None


class GroupReward:
    """Grades completions, of many tasks at once, one `GradeGroup` stream for the completions of each.

    A completion without a program earns 0, and so does one that the arena does not accept, such as a megabyte of it.
    What the arena could not grade, after retries, is None: TRL leaves it out. Each component's mean is logged as
    `codearena/<component>`, and the shares of completions that are `solved`, without code (`no_code`), `refused` and
    `failed` for a reason of ours.

    Args:
        address: As for `ArenaClient`; so are `token`, `tls`, `timeout_seconds` and `max_attempts`.
        token: Bearer token.
        tls: How to encrypt.
        run_id: The training run, for fair share.
        reward_profile: Weight profile of the rewards; empty for the arena's.
        extract: Takes the program out of a completion's text; also gets the completion's row.
        concurrency: Groups in flight at once.
        attempts: How often a group, or what is left of it, is sent. Within each the client retries by itself.
        timeout_seconds: Deadline of a group.
        max_attempts: How often a call is sent at most.
        name: What TRL logs the reward as.
    """

    def __init__(
        self,
        address: str = DEFAULT_ADDRESS,
        *,
        token: str | Callable[[], str | None] | None = None,
        tls: TLSConfig | None = None,
        run_id: str = "",
        reward_profile: str = "",
        extract: Extract = program_of,
        concurrency: int = 16,
        attempts: int = 3,
        timeout_seconds: float | None = None,
        max_attempts: int = MAX_ATTEMPTS,
        name: str = "codearena",
    ) -> None:
        if concurrency < 1 or attempts < 1:
            raise ValueError(f"concurrency and attempts must be at least 1, not {concurrency} and {attempts}")
        self._where = Where(address, token, tls, timeout_seconds, max_attempts)
        self._run_id = run_id
        self._reward_profile = reward_profile
        self._extract = extract
        self._concurrency = concurrency
        self._attempts = attempts
        self.__name__ = name

    async def __call__(
        self,
        prompts: Sequence[object],  # noqa: ARG002 - TRL passes them
        completions: Sequence[Completion],
        *,
        task_id: Sequence[str],
        seed: Sequence[int] | None = None,
        log_metric: Callable[[str, float], None] | None = None,
        log_extra: Callable[[str, list[Any]], None] | None = None,
        **columns: object,
    ) -> list[float | None]:
        """Returns a reward for each completion, in [0, 0.999]; None where the arena failed.

        Args:
            prompts: What was answered; not used.
            completions: Texts, or conversations whose last message counts.
            task_id: The task of each.
            seed: Chooses the random inputs of each one's task; equal within a group. None: those of seed 0.
            log_metric: Where metrics go.
            log_extra: Where columns of the completions' table go.
            columns: Further columns of the dataset; `extract` sees them.

        Raises:
            NotFoundError: There is no such task.
            ArenaError: The arena refuses what every further call would ask as well, for example the token.
        """
        size = len(completions)
        rows = _rows(size, {"task_id": task_id, **columns})
        codes = (self._extract(_text(completion), row) for completion, row in zip(completions, rows, strict=True))
        batch = _Batch({place: code for place, code in enumerate(codes) if code.strip()}, size)
        groups: defaultdict[tuple[str, int], list[int]] = defaultdict(list)
        for place in batch.codes:
            groups[task_id[place], 0 if seed is None else seed[place]].append(place)
        if groups:
            await self._grade_all(batch, groups)
        if log_metric is not None:
            for name, value in _metrics(batch).items():
                log_metric(f"{self.__name__}/{name}", value)
        if log_extra is not None:
            log_extra("outcome", [_outcome(batch, place) for place in range(size)])
        return batch.rewards()

    async def _grade_all(self, batch: _Batch, groups: Mapping[tuple[str, int], Sequence[int]]) -> None:
        room = asyncio.Semaphore(self._concurrency)
        async with self._where.connect_async() as arena:
            ended = await asyncio.gather(
                *(
                    self._grade(arena, room, batch, task_id, seed, places)
                    for (task_id, seed), group in groups.items()
                    for places in _calls(batch, group)
                ),
                return_exceptions=True,
            )
        for error in ended:
            if error is not None:
                raise error

    async def _grade(
        self,
        arena: AsyncArenaClient,
        room: asyncio.Semaphore,
        batch: _Batch,
        task_id: str,
        seed: int,
        places: Sequence[int],
    ) -> None:
        """Grades the programs at some places, and those that failed again."""
        for attempt in range(self._attempts):
            async with room:
                error = await self._send(arena, batch, task_id, seed, places)
            if error is None:
                return
            places = batch.ungraded(places)
            if attempt + 1 < self._attempts:
                await asyncio.sleep(wait_seconds(error))
        _LOG.warning("%d completions of %s have no reward: %s", len(places), task_id, error)

    async def _send(
        self, arena: AsyncArenaClient, batch: _Batch, task_id: str, seed: int, places: Sequence[int]
    ) -> ArenaError | None:
        """Sends one group; returns what went wrong with part of it, if that may pass."""
        failure: ArenaError | None = None
        try:
            codes = [batch.codes[place] for place in places]
            items = arena.grade_group(
                task_id, codes, run_id=self._run_id, reward_profile=self._reward_profile, seed=seed
            )
            async for index, item in items:
                if isinstance(item, Grade):
                    batch.grades[places[index]] = item
                elif isinstance(item, InvalidArgumentError) and item.reason in UNFIT_PROGRAM:
                    batch.refused.add(places[index])
                elif isinstance(item, INFRASTRUCTURE):
                    failure = item
                else:
                    raise item
        except INFRASTRUCTURE as error:
            failure = error
        return failure


def _rows(size: int, columns: Mapping[str, object]) -> list[dict[str, Any]]:
    """Returns a mapping for each completion, of what has a value for each."""
    known = {
        name: values for name, values in columns.items() if isinstance(values, list | tuple) and len(values) == size
    }
    return [{name: values[place] for name, values in known.items()} for place in range(size)]


def _text(completion: Completion) -> str:
    """Returns the text of a completion: of its last message by the assistant, where it is a conversation."""
    if isinstance(completion, str):
        return completion
    contents = [message.get("content") for message in completion if message.get("role") == "assistant"]
    content = contents[-1] if contents else ""
    if isinstance(content, list):
        return "".join(str(part.get("text") or "") for part in content)
    return str(content or "")


def _calls(batch: _Batch, places: Sequence[int]) -> Iterator[list[int]]:
    """Splits a group into what fits into one call each; marks what can never be sent as refused."""
    call: list[int] = []
    filled = 0
    for place in places:
        length = _sent_bytes(batch.codes[place])
        if length is None or length > _MAX_BYTES:
            batch.refused.add(place)
            continue
        if call and (len(call) == _MAX_CODES or filled + length > _MAX_BYTES):
            yield call
            call, filled = [], 0
        call.append(place)
        filled += length
    if call:
        yield call


def _sent_bytes(code: str) -> int | None:
    """Returns how long a program is in UTF-8; None if that cannot say it."""
    try:
        return len(code.encode())
    except UnicodeEncodeError:
        return None


def _metrics(batch: _Batch) -> dict[str, float]:
    grades = batch.grades.values()
    scores: defaultdict[str, list[float]] = defaultdict(list)
    for grade in grades:
        for component, score in grade.breakdown.items():
            scores[component].append(score)
    failed = len(batch.ungraded(batch.codes))
    shares = {
        "solved": sum(grade.tests_passed == grade.tests_total for grade in grades),
        "no_code": batch.size - len(batch.codes),
        "refused": len(batch.refused),
        "failed": failed,
    }
    return {name: fmean(values) for name, values in scores.items()} | {
        name: count / batch.size for name, count in shares.items() if batch.size
    }


def _outcome(batch: _Batch, place: int) -> str:
    if (grade := batch.grades.get(place)) is not None:
        return f"{grade.outcome.value} {grade.tests_passed}/{grade.tests_total}"
    if place not in batch.codes:
        return "no code"
    return "refused" if place in batch.refused else "failed"
