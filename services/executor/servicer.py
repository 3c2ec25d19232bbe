"""The executor's RPC handlers: check, call one function, convert."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import grpc

from codearena.v1 import error_reason_pb2 as reasons
from codearena.v1 import executor_service_pb2 as wire
from codearena.v1 import executor_service_pb2_grpc
from services.common.errors import invalid
from services.common.validation import MAX_STDIN_BYTES, check_id, check_source, check_text
from services.executor import limits
from services.executor.asks import Ask
from services.executor.executions import Executions
from services.executor.groups import Groups
from services.executor.suites import Suites
from services.executor.verdicts import Verdicts

Context = grpc.aio.ServicerContext[Any, Any]
MAX_GROUP = 256
_LEAST_WEIGHT, _MOST_WEIGHT = 0.01, 100.0


class ExecutorServicer(executor_service_pb2_grpc.ExecutorServiceServicer):
    """Answers `codearena.v1.ExecutorService`."""

    def __init__(self, verdicts: Verdicts, groups: Groups, executions: Executions) -> None:
        self._verdicts = verdicts
        self._groups = groups
        self._executions = executions
        self._suites = Suites()

    async def Execute(self, request: wire.ExecuteRequest, context: Context) -> wire.ExecuteResponse:
        """Grades a program against a suite."""
        check_source(request.code, "code")
        ask = _ask(request.run_id, context, request.run_weight)
        return await self._verdicts.of(request.code, self._suites.check(request.suite), ask, fresh=request.fresh)

    async def ExecuteGroup(
        self, request: wire.ExecuteGroupRequest, context: Context
    ) -> AsyncIterator[wire.ExecuteGroupResponse]:
        """Grades several programs against one suite; each answer is sent as it is ready."""
        if not 1 <= len(request.codes) <= MAX_GROUP:
            raise invalid(reasons.ERROR_REASON_INVALID_FIELD, "codes", f"must be 1 to {MAX_GROUP} sources")
        ask = _ask(request.run_id, context, request.run_weight)
        suite = self._suites.check(request.suite)
        async with aclosing(self._groups.grade(list(request.codes), suite, ask, fresh=request.fresh)) as responses:
            async for response in responses:
                yield response

    async def RunCode(
        self, request: wire.ExecutorServiceRunCodeRequest, context: Context
    ) -> wire.ExecutorServiceRunCodeResponse:
        """Runs a script."""
        check_source(request.code, "code")
        check_text(request.stdin, "stdin", MAX_STDIN_BYTES)
        ask = _ask(request.run_id, context)
        return await self._executions.run(request.code, request.stdin, limits.resolve(request.limits), ask)


def _ask(run_id: str, context: Context, weight: float = 0.0) -> Ask:
    """Returns on whose behalf a call is, and until when.

    Raises:
        StatusError: INVALID_ARGUMENT for a malformed run_id or a weight out of range.
    """
    check_id(run_id, "run_id", required=False)
    if weight and not _LEAST_WEIGHT <= weight <= _MOST_WEIGHT:
        raise invalid(
            reasons.ERROR_REASON_INVALID_FIELD, "run_weight", f"must be 0, or from {_LEAST_WEIGHT} to {_MOST_WEIGHT}"
        )
    remaining = context.time_remaining()
    return Ask(run_id, None if remaining is None else time.monotonic() + remaining, weight)
