"""The executor and the judge as the env service calls them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable
from typing import TYPE_CHECKING, TypeVar, cast

import grpc
import structlog

from codearena.v1 import error_reason_pb2 as reasons
from codearena.v1 import executor_service_pb2 as executor
from codearena.v1 import judge_service_pb2 as judging
from codearena.v1.executor_service_pb2_grpc import ExecutorServiceStub
from codearena.v1.judge_service_pb2_grpc import JudgeServiceStub
from services.common.certificates import CertificateFiles
from services.common.channel import PeerChannel, call_metadata
from services.common.errors import Reason, StatusError, from_rpc_error
from services.common.settings import PeerSettings

if TYPE_CHECKING:
    from codearena.v1.executor_service_pb2_grpc import ExecutorServiceAsyncStub
    from codearena.v1.judge_service_pb2_grpc import JudgeServiceAsyncStub

T = TypeVar("T")
_FOR_CLIENTS = frozenset(
    {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.DEADLINE_EXCEEDED}
)
_CODES = {code.value[0]: code for code in grpc.StatusCode}


class PeerRefused(Exception):
    """A peer answered what no client can have caused: a mistake in CodeArena or in how it is set up."""


class Peers:
    """Calls to the other services.

    A failed call raises the StatusError that the client is to see, or PeerRefused, which is no client's business.

    Args:
        executor_address: gRPC target of the executor.
        judge_address: gRPC target of the judge.
        settings: Token of the peers.
        certificates: What to show them and to trust of them; None for plain text.
    """

    def __init__(
        self,
        executor_address: str,
        judge_address: str,
        settings: PeerSettings,
        certificates: CertificateFiles | None = None,
    ) -> None:
        self._executor = PeerChannel(executor_address, _executor_stub, certificates)
        self._judge = PeerChannel(judge_address, _judge_stub, certificates)
        self._metadata = call_metadata(settings)

    async def execute(self, request: executor.ExecuteRequest, timeout: float) -> executor.ExecuteResponse:
        """Grades a program, within `timeout` seconds."""
        return await _executor(self._executor.stub.Execute(request, timeout=timeout, metadata=self._metadata))

    async def execute_group(
        self, request: executor.ExecuteGroupRequest, timeout: float
    ) -> AsyncGenerator[tuple[int, executor.ExecuteResponse | StatusError], None]:
        """Grades several programs, all within `timeout` seconds; ends those that still run if it is closed early.

        Yields:
            The index of each with what became of it, or why that is not known.
        """
        call = self._executor.stub.ExecuteGroup(request, timeout=timeout, metadata=self._metadata)
        try:
            async for response in call:
                yield response.index, _item(response)
        except grpc.aio.AioRpcError as error:
            raise _translated(error, reasons.ERROR_REASON_EXECUTOR_UNAVAILABLE, "executor") from error
        finally:
            call.cancel()

    async def run_code(
        self, request: executor.ExecutorServiceRunCodeRequest, timeout: float
    ) -> executor.ExecutorServiceRunCodeResponse:
        """Runs a script, within `timeout` seconds."""
        return await _executor(self._executor.stub.RunCode(request, timeout=timeout, metadata=self._metadata))

    async def judge(self, request: judging.JudgeRequest, timeout: float) -> judging.JudgeResponse:
        """Scores a fix, within `timeout` seconds."""
        return await _judge(self._judge.stub.Judge(request, timeout=timeout, metadata=self._metadata))

    async def propose_fix(
        self, request: judging.JudgeServiceProposeFixRequest, timeout: float
    ) -> judging.JudgeServiceProposeFixResponse:
        """Proposes a repair, within `timeout` seconds."""
        return await _judge(self._judge.stub.ProposeFix(request, timeout=timeout, metadata=self._metadata))

    async def stop(self) -> None:
        """Closes the channels."""
        await self._executor.close()
        await self._judge.close()


def _executor_stub(channel: grpc.aio.Channel) -> ExecutorServiceAsyncStub:
    return cast("ExecutorServiceAsyncStub", ExecutorServiceStub(channel))


def _judge_stub(channel: grpc.aio.Channel) -> JudgeServiceAsyncStub:
    return cast("JudgeServiceAsyncStub", JudgeServiceStub(channel))


async def _executor(call: Awaitable[T]) -> T:
    try:
        return await call
    except grpc.aio.AioRpcError as error:
        raise _translated(error, reasons.ERROR_REASON_EXECUTOR_UNAVAILABLE, "executor") from error


async def _judge(call: Awaitable[T]) -> T:
    try:
        return await call
    except grpc.aio.AioRpcError as error:
        raise _translated(error, reasons.ERROR_REASON_JUDGE_UNAVAILABLE, "judge") from error


def _translated(error: grpc.aio.AioRpcError, fallback: Reason, peer: str) -> Exception:
    status = from_rpc_error(error, fallback, peer)
    return status if status.code in _FOR_CLIENTS else _refused(status, peer)


def _item(response: executor.ExecuteGroupResponse) -> executor.ExecuteResponse | StatusError:
    if response.WhichOneof("result") == "response":
        return response.response
    error = response.error
    status = StatusError(_CODES.get(error.code, grpc.StatusCode.UNKNOWN), error.reason, error.message)
    if status.code in _FOR_CLIENTS:
        return status
    raise _refused(status, "executor")


def _refused(status: StatusError, peer: str) -> PeerRefused:
    structlog.get_logger("peers").error("refused", peer=peer, code=status.code.name, why=status.message)
    return PeerRefused(f"{peer}: {status.code.name}")
