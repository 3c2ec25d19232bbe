"""What is wrong with each task's buggy code: found once for each task, by running it."""

from __future__ import annotations

import asyncio

from services.env.feedback import Feedback, error_log
from services.env.grading import Grading, Terms
from services.env.task_schema import Task


class Baselines:
    """Error logs of the buggy code, by task digest. As many as there are tasks."""

    def __init__(self, grading: Grading) -> None:
        self._grading = grading
        self._known: dict[str, dict[Feedback, str]] = {}
        self._locks: dict[str, asyncio.Lock] = {}

    async def error_log(self, task: Task, policy: Feedback, timeout: float) -> str:
        """Returns the error log of a task's buggy code, as a feedback policy shows it.

        Raises:
            StatusError: It is not known yet and the executor cannot tell within `timeout` seconds.
        """
        async with self._locks.setdefault(task.digest, asyncio.Lock()):
            if task.digest not in self._known:
                response = await self._grading.execute(task, task.buggy_code, Terms(timeout))
                self._known[task.digest] = {each: error_log(response, each) for each in Feedback}
            return self._known[task.digest][policy]
