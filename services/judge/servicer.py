"""The judge's RPC handlers: check, call one function, convert."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import grpc

from codearena.v1 import judge_service_pb2 as wire
from codearena.v1 import judge_service_pb2_grpc
from services.common.limited import WorkerFailed
from services.judge import convert
from services.judge.failure import ModelFailed
from services.judge.judging import Judge
from services.judge.proposing import Proposer


class JudgeServicer(judge_service_pb2_grpc.JudgeServiceServicer):
    """Answers `codearena.v1.JudgeService`."""

    def __init__(self, judge: Judge, proposer: Proposer) -> None:
        self._judge = judge
        self._proposer = proposer

    async def Judge(
        self, request: wire.JudgeRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> wire.JudgeResponse:
        """Scores a fix."""
        subject = convert.subject(request)
        with _failures():
            opinion = await self._judge.judge(subject, context.time_remaining())
        return convert.judge_response(opinion)

    async def ProposeFix(
        self, request: wire.JudgeServiceProposeFixRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> wire.JudgeServiceProposeFixResponse:
        """Proposes a repair."""
        wanted = convert.fix_request(request)
        with _failures():
            proposal = await self._proposer.propose(wanted, context.time_remaining())
        return convert.fix_response(proposal)


@contextlib.contextmanager
def _failures() -> Iterator[None]:
    """Turns what the judge raises into the status that the caller is to see."""
    try:
        yield
    except WorkerFailed as error:
        status = convert.status_of(error)
        if status is None:
            raise
        raise status from error
    except ModelFailed as error:
        raise convert.status_of_model(error) from error
