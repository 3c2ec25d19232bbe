"""The executor's RPC handlers: check, call one function, convert."""

from __future__ import annotations

import time
from typing import Any

import grpc

from codearena.v1 import core_pb2, executor_service_pb2_grpc
from codearena.v1 import executor_service_pb2 as wire
from services.common.errors import StatusError
from services.common.validation import MAX_STDIN_BYTES, check_source, check_text
from services.executor import convert, limits
from services.executor.grader import Grader
from services.executor.metrics import ExecutorMetrics


class ExecutorServicer(executor_service_pb2_grpc.ExecutorServiceServicer):
    """Answers `codearena.v1.ExecutorService`."""

    def __init__(self, grader: Grader, metrics: ExecutorMetrics, backend: core_pb2.SandboxBackend.ValueType) -> None:
        self._grader = grader
        self._metrics = metrics
        self._backend = backend

    async def Execute(
        self, request: wire.ExecuteRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> wire.ExecuteResponse:
        """Grades a program against a suite."""
        check_source(request.code, "code")
        cases = convert.checked_cases(request.suite)
        resolved = limits.resolve(request.suite.limits)
        started = time.monotonic()
        try:
            verdict = await self._grader.grade(request.code, request.suite, cases, resolved)
        except StatusError:
            self._metrics.failed()
            raise
        self._metrics.ended(verdict.outcome, verdict.attempts)
        lease = verdict.lease
        spent = time.monotonic() - started - lease.queue_seconds - lease.provision_seconds
        return convert.execute_response(cases, verdict, self._backend, spent)

    async def RunCode(
        self, request: wire.ExecutorServiceRunCodeRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> wire.ExecutorServiceRunCodeResponse:
        """Runs a script."""
        check_source(request.code, "code")
        check_text(request.stdin, "stdin", MAX_STDIN_BYTES)
        resolved = limits.resolve(request.limits)
        try:
            result = await self._grader.run_script(request.code, request.stdin, resolved)
        except StatusError:
            self._metrics.failed()
            raise
        self._metrics.ended(result.outcome, result.attempts)
        return convert.run_code_response(result, self._backend)
