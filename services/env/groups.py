"""Groups: several fixes of one task, graded side by side, each answered as it is ready."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Iterator, Sequence
from contextlib import aclosing
from typing import Any

from codearena.v1 import env_service_pb2 as wire
from codearena.v1 import error_reason_pb2 as reasons
from codearena.v1 import executor_service_pb2 as executor
from services.common.channel import MAX_MESSAGE_BYTES
from services.common.errors import StatusError, unavailable
from services.common.validation import check_source
from services.env.grading import Graded, Grading, Review, Terms
from services.env.task_schema import Task

_SPARE_BYTES = 64 * 1024
Execution = asyncio.Future[executor.ExecuteResponse]


class Groups:
    """Grades groups: the executor gets a group as a whole, the judge each distinct fix at the same time.

    Args:
        grading: Asks them, and gives rewards.
        concurrency: Fixes of one group that are judged at once.
    """

    def __init__(self, grading: Grading, concurrency: int) -> None:
        self._grading = grading
        self._concurrency = concurrency

    async def grade(
        self, task: Task, codes: Sequence[str], terms: Terms
    ) -> AsyncGenerator[wire.GradeGroupResponse, None]:
        """Yields one response for each fix, in the order they finish. Ends all of them if it is closed early.

        Args:
            task: What the fixes are for.
            codes: The fixes; an invalid one fails alone.
            terms: For all of them together.
        """
        valid: dict[int, str] = {}
        for index, code in enumerate(codes):
            try:
                check_source(code, f"codes[{index}]")
                valid[index] = code
            except StatusError as error:
                yield _failed(index, error)
        executions: dict[int, Execution] = {index: asyncio.get_running_loop().create_future() for index in valid}
        places = asyncio.Semaphore(self._concurrency)
        reviews = {
            code: asyncio.create_task(self._review(task, code, terms, places)) for code in dict.fromkeys(valid.values())
        }
        runs = [self._run(task, batch, executions, terms) for batch in _batches(valid, _room(task))]
        items = [
            asyncio.create_task(self._one(task, index, executions[index], reviews[valid[index]], terms))
            for index in valid
        ]
        try:
            for finished in asyncio.as_completed(items):
                yield await finished
        finally:
            await _end([*items, *runs, *reviews.values(), *executions.values()])

    async def _review(self, task: Task, code: str, terms: Terms, places: asyncio.Semaphore) -> Review:
        async with places:
            return await self._grading.review(task, code, terms)

    def _run(
        self, task: Task, batch: dict[int, str], executions: dict[int, Execution], terms: Terms
    ) -> asyncio.Task[None]:
        """Has a batch executed; settles the execution of each of its fixes, come what may."""
        waiting = [executions[index] for index in batch]
        run = asyncio.create_task(self._execute(task, list(batch.values()), waiting, terms))
        run.add_done_callback(lambda ended: _give_up(ended, waiting))
        return run

    async def _execute(self, task: Task, codes: Sequence[str], waiting: Sequence[Execution], terms: Terms) -> None:
        async with aclosing(self._grading.execute_group(task, codes, terms)) as results:
            async for index, result in results:
                if isinstance(result, StatusError):
                    waiting[index].set_exception(result)
                else:
                    waiting[index].set_result(result)

    async def _one(
        self, task: Task, index: int, execution: Execution, review: Awaitable[Review], terms: Terms
    ) -> wire.GradeGroupResponse:
        try:
            graded = Graded(await execution, await review)
        except StatusError as error:
            return _failed(index, error)
        return wire.GradeGroupResponse(index=index, grade=self._grading.grade_alone(task, graded, terms.profile))


def _room(task: Task) -> int:
    """Returns how many bytes of fixes one message to the executor has room for, beside the task's suite."""
    return MAX_MESSAGE_BYTES - task.to_suite().ByteSize() - _SPARE_BYTES


def _batches(codes: dict[int, str], room: int) -> Iterator[dict[int, str]]:
    """Splits fixes into as few messages as they fit in, one at least in each."""
    batch: dict[int, str] = {}
    left = room
    for index, code in codes.items():
        size = len(code.encode()) + 8
        if batch and size > left:
            yield batch
            batch, left = {}, room
        batch[index] = code
        left -= size
    if batch:
        yield batch


def _give_up(run: asyncio.Task[None], waiting: Sequence[Execution]) -> None:
    """Tells those who still wait why their fix was not executed."""
    why = None if run.cancelled() else run.exception()
    for execution in waiting:
        if not execution.done():
            execution.set_exception(why or _unanswered())


def _unanswered() -> StatusError:
    message = "the executor ended the group without this fix; retry"
    return unavailable(reasons.ERROR_REASON_EXECUTOR_UNAVAILABLE, message)


def _failed(index: int, error: StatusError) -> wire.GradeGroupResponse:
    return wire.GradeGroupResponse(index=index, error=error.to_item())


async def _end(pending: Sequence[asyncio.Future[Any]]) -> None:
    """Cancels what is not done, and marks what failed as seen."""
    for future in pending:
        future.cancel()
    await asyncio.gather(*pending, return_exceptions=True)
