"""Groups: several fixes of one task, graded side by side, each answered as it is ready."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

from codearena.v1 import core_pb2 as core
from codearena.v1 import env_service_pb2 as wire
from services.common.errors import StatusError
from services.common.validation import check_source
from services.env.grading import Grading, to_grade
from services.env.task_schema import Task


class Groups:
    """Grades groups.

    Args:
        grading: Grades one fix.
        concurrency: Fixes of one group that are graded at once.
    """

    def __init__(self, grading: Grading, concurrency: int) -> None:
        self._grading = grading
        self._concurrency = concurrency

    async def grade(self, task: Task, codes: Sequence[str], timeout: float) -> AsyncIterator[wire.GradeGroupResponse]:
        """Yields one response for each fix, in the order they finish. Ends all of them if it is closed early.

        Args:
            task: What the fixes are for.
            codes: The fixes; an invalid one fails alone.
            timeout: Seconds for each.
        """
        places = asyncio.Semaphore(self._concurrency)

        async def one(index: int, code: str) -> wire.GradeGroupResponse:
            async with places:
                return await self._one(task, index, code, timeout)

        tasks = [asyncio.create_task(one(index, code)) for index, code in enumerate(codes)]
        try:
            for finished in asyncio.as_completed(tasks):
                yield await finished
        finally:
            for pending in tasks:
                pending.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _one(self, task: Task, index: int, code: str, timeout: float) -> wire.GradeGroupResponse:
        try:
            check_source(code, f"codes[{index}]")
            graded = await self._grading.grade(task, code, timeout)
        except StatusError as error:
            failure = core.ItemError(code=error.code.value[0], message=error.message, reason=error.reason)
            return wire.GradeGroupResponse(index=index, error=failure)
        earned = self._grading.reward(graded, step=1, repeated=False)
        return wire.GradeGroupResponse(index=index, grade=to_grade(graded, earned))
