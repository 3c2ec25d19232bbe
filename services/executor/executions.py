"""Real gradings: each one costs a sandbox and is counted."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import grpc

from codearena.v1 import core_pb2 as core
from codearena.v1 import executor_service_pb2 as wire
from services.common import tracing
from services.common.errors import StatusError
from services.executor import convert
from services.executor.asks import Ask
from services.executor.grader import Grader
from services.executor.jobs import Attempts
from services.executor.limits import Limits
from services.executor.preparation import Preparation
from services.executor.suites import CheckedSuite


class OutcomeObserver(Protocol):
    """Hears how programs ended."""

    def ended(self, outcome: core.Outcome.ValueType, attempts: Attempts | None) -> None:
        """A program ended, and tried this."""
        ...

    def failed(self) -> None:
        """A program was not graded for a reason of ours."""
        ...


@dataclass(frozen=True, slots=True)
class Executed:
    """A graded program.

    Attributes:
        response: What became of it.
        settled: Whether an equal program would fare the same.
    """

    response: wire.ExecuteResponse
    settled: bool


class Isolation(Protocol):
    """Knows whether submissions are kept in."""

    def require_intact(self) -> None:
        """Raises StatusError UNAVAILABLE if they are not."""
        ...


class Executions:
    """Grades and runs programs, and puts what became of them on the wire. Nothing runs without isolation."""

    def __init__(
        self,
        grader: Grader,
        preparation: Preparation,
        observer: OutcomeObserver,
        isolation: Isolation,
        backend: core.SandboxBackend.ValueType,
    ) -> None:
        self._grader = grader
        self._preparation = preparation
        self._observer = observer
        self._isolation = isolation
        self._backend = backend

    async def grade(self, code: str, suite: CheckedSuite, ask: Ask) -> Executed:
        """Grades a program in a sandbox.

        Raises:
            StatusError: As `Grader.grade`.
        """
        with tracing.span("grade"), self._counted_failures():
            self._isolation.require_intact()
            prepared = await self._preparation.of(suite, ask)
            verdict = await self._grader.grade(code, prepared, ask)
        self._observer.ended(verdict.outcome, verdict.attempts)
        response = convert.execute_response(prepared, verdict, self._backend)
        return Executed(response, verdict.settled)

    async def run(self, code: str, stdin: str, limits: Limits, ask: Ask) -> wire.ExecutorServiceRunCodeResponse:
        """Runs a script in a sandbox.

        Raises:
            StatusError: As `Grader.run_script`.
        """
        with self._counted_failures():
            self._isolation.require_intact()
            result = await self._grader.run_script(code, stdin, limits, ask)
        self._observer.ended(result.outcome, result.attempts)
        return convert.run_code_response(result, self._backend)

    @contextlib.contextmanager
    def _counted_failures(self) -> Iterator[None]:
        """Counts what was lost. A full queue, a late or a malformed request never had a sandbox to lose."""
        try:
            yield
        except StatusError as error:
            if error.code is grpc.StatusCode.UNAVAILABLE:
                self._observer.failed()
            raise
