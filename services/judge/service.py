"""Puts the judge together."""

from __future__ import annotations

import grpc
import structlog
from google.protobuf.descriptor import ServiceDescriptor
from prometheus_client import CollectorRegistry

from codearena.v1 import judge_service_pb2, judge_service_pb2_grpc
from services.common.errors import StartError
from services.common.limited import WorkerFailed
from services.judge.chat import ChatModel
from services.judge.judging import STATIC, Judge
from services.judge.llm import LlmJudge
from services.judge.llm_fixer import LlmFixer
from services.judge.metrics import JudgeMetrics, Prices
from services.judge.proposing import BUILTIN, Proposer
from services.judge.servicer import JudgeServicer
from services.judge.settings import JudgeSettings
from services.judge.workers import Reader

_MILLION = 1_000_000


class JudgeService:
    """The judge as a server serves it; see `services.common.server.Service`."""

    name = "judge"
    descriptor: ServiceDescriptor = judge_service_pb2.DESCRIPTOR.services_by_name["JudgeService"]

    def __init__(self, settings: JudgeSettings, registry: CollectorRegistry) -> None:
        self._log = structlog.get_logger("judge")
        model_settings = settings.model()
        names = [STATIC, BUILTIN] if model_settings is None else [STATIC, BUILTIN, model_settings.name]
        prices = Prices(
            settings.judge_usd_per_million_prompt_tokens / _MILLION,
            settings.judge_usd_per_million_answer_tokens / _MILLION,
        )
        metrics = JudgeMetrics(registry, names, prices)
        self._reader = Reader(settings.judge_workers)
        self._model = ChatModel(model_settings, metrics) if model_settings is not None else None
        llm_judge = LlmJudge(self._model, self._reader) if self._model is not None else None
        llm_fixer = LlmFixer(self._model) if self._model is not None else None
        self._judge = Judge(self._reader, llm_judge, metrics, settings.judge_cache_entries)
        self._proposer = Proposer(self._reader, llm_fixer, metrics)

    async def start(self) -> None:
        """Starts the workers.

        Raises:
            StartError: They do not come up.
        """
        try:
            await self._reader.start()
        except WorkerFailed as error:
            raise StartError(f"the judge's workers do not start: {error}") from error
        self._log.info("judging", model=self._model.name if self._model is not None else STATIC)

    def register(self, server: grpc.aio.Server) -> None:
        """Adds the handlers."""
        servicer = JudgeServicer(self._judge, self._proposer)
        judge_service_pb2_grpc.add_JudgeServiceServicer_to_server(servicer, server)

    async def check(self) -> bool:
        """Returns whether it can answer. The model does not count: without it, static analysis answers."""
        return self._reader.running

    async def stop(self) -> None:
        """Ends the questions under way and the workers."""
        await self._judge.close()
        if self._model is not None:
            await self._model.close()
        await self._reader.stop()
