"""The functions of the judge that read hostile source, called in limited workers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from services.common.limited import FailureKind, LimitedWorkers, WorkerFailed
from services.judge import diffs
from services.judge.presentation import Presentation
from services.judge.static_analysis import Analysis, unreadable

_ANALYSE = "services.judge.static_analysis:analyse"
_PRESENT = "services.judge.presentation:present"
_PROPOSE = "services.judge.fixer.engine:propose"
_COMPARE = "services.judge.diffs:compare"
_TIMEOUT_SECONDS = 30.0
_CPU_SECONDS = 10
_MAX_WAITING = 2048  # of a few milliseconds each
_FAULTS_OF_THE_SOURCE = {
    FailureKind.CPU: f"it takes more than {_CPU_SECONDS} s to read",
    FailureKind.MEMORY: "it takes too much memory to read",
}


class Reader:
    """Analyses, presents and repairs source without endangering the service.

    A source that overruns a limit which does not depend on the machine's load, CPU time or memory, gets the
    result of an unreadable one. Any other failure of a worker is ours and is raised.

    Args:
        size: Number of worker processes.
    """

    def __init__(self, size: int) -> None:
        self._workers = LimitedWorkers([_ANALYSE, _PRESENT, _PROPOSE, _COMPARE], size=size, max_waiting=_MAX_WAITING)

    @property
    def running(self) -> bool:
        """Whether the workers were started and not stopped."""
        return self._workers.running

    async def start(self) -> None:
        """Starts the workers."""
        await self._workers.start()

    async def stop(self) -> None:
        """Ends the workers."""
        await self._workers.stop()

    async def analyse(self, code: str, reference_code: str, buggy_code: str = "") -> Analysis:
        """Returns the static judge's scores.

        Raises:
            WorkerFailed: The analysis failed for a reason of ours.
        """
        try:
            arguments: dict[str, object] = {"code": code, "reference_code": reference_code, "buggy_code": buggy_code}
            result = await self._call(_ANALYSE, arguments)
        except WorkerFailed as error:
            return unreadable(_fault(error))
        return cast(Analysis, result)

    async def present(self, code: str, trusted: str = "") -> Presentation:
        """Returns a fix as a model may see it.

        Args:
            code: The fix.
            trusted: The task's own text.

        Raises:
            WorkerFailed: It failed for a reason of ours.
        """
        try:
            result = await self._call(_PRESENT, {"code": code, "trusted": trusted})
        except WorkerFailed as error:
            return Presentation(code="", problem=_fault(error))
        return cast(Presentation, result)

    async def propose(
        self,
        code: str,
        error_log: str,
        description: str,
        previous_attempts: Sequence[str],
        last_reward: float | None,
    ) -> tuple[str, list[str]]:
        """Returns the built-in fixer's proposal and its explanations; the same code if it has none.

        Raises:
            WorkerFailed: It failed for a reason of ours.
        """
        arguments: dict[str, object] = {
            "code": code,
            "error_log": error_log,
            "description": description,
            "previous_attempts": list(previous_attempts),
            "last_reward": last_reward,
        }
        try:
            result = await self._call(_PROPOSE, arguments)
        except WorkerFailed as error:
            _fault(error)
            return code, []
        proposed, explanations = cast(tuple[str, list[str]], result)
        return proposed, explanations

    async def compare(self, before: str, after: str, attempts: Sequence[str]) -> tuple[str, str]:
        """Returns whether a proposal is new, and its diff; see `diffs.compare`.

        Raises:
            WorkerFailed: It failed for a reason of ours.
        """
        try:
            result = await self._call(_COMPARE, {"before": before, "after": after, "attempts": list(attempts)})
        except WorkerFailed as error:
            _fault(error)
            return diffs.verdict(before, after, attempts, str), diffs.replaced(before, after)
        verdict, diff = cast(tuple[str, str], result)
        return verdict, diff

    async def _call(self, function: str, arguments: dict[str, object]) -> object:
        """Calls a function; once more if its worker crashed, as that may have been the worker's fault."""
        for last in (False, True):
            try:
                return await self._workers.call(
                    function, arguments, timeout_seconds=_TIMEOUT_SECONDS, cpu_seconds=_CPU_SECONDS
                )
            except WorkerFailed as error:
                if last or error.kind is not FailureKind.CRASH:
                    raise
        raise AssertionError("unreachable")


def _fault(error: WorkerFailed) -> str:
    """Returns why the source is at fault, or raises the error if it is not."""
    if error.kind is FailureKind.CRASH:
        return "reading it ends the reader"
    if error.kind not in _FAULTS_OF_THE_SOURCE:
        raise error
    return _FAULTS_OF_THE_SOURCE[error.kind]
