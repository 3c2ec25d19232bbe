"""Puts the judge together."""

from __future__ import annotations

import grpc
import structlog
from google.protobuf.descriptor import ServiceDescriptor
from prometheus_client import CollectorRegistry

from codearena.v1 import judge_service_pb2, judge_service_pb2_grpc
from services.common.errors import StartError
from services.common.limited import WorkerFailed
from services.common.shared_store import RedisStore
from services.judge.chat import ChatModel
from services.judge.judging import STATIC, Judge
from services.judge.llm import LlmJudge
from services.judge.llm_fixer import LlmFixer
from services.judge.metrics import JudgeMetrics
from services.judge.opinions import KEY_PREFIX, Opinions
from services.judge.proposal import BUILTIN
from services.judge.proposing import Proposer
from services.judge.servicer import JudgeServicer
from services.judge.settings import JudgeSettings
from services.judge.workers import Reader

_DAY_SECONDS = 86_400.0


class JudgeService:
    """The judge as a server serves it; see `services.common.server.Service`."""

    name = "judge"
    descriptor: ServiceDescriptor = judge_service_pb2.DESCRIPTOR.services_by_name["JudgeService"]

    def __init__(self, settings: JudgeSettings, registry: CollectorRegistry) -> None:
        self._log = structlog.get_logger("judge")
        model_settings, fixers = settings.models(), settings.fixers()
        names = dict.fromkeys(model.name for model in (*model_settings, *(fixer for _, fixer in fixers)))
        metrics = JudgeMetrics(registry, [STATIC, BUILTIN, *names])
        account = settings.account()
        self._reader = Reader(settings.judge_workers)
        self._models = tuple(ChatModel(model, metrics, account) for model in model_settings)
        self.judge = Judge(self._reader, self._opinions(settings, metrics), metrics, settings.judge_on_failure)
        self._providers = {name: ChatModel(fixer, metrics, account) for name, fixer in fixers}
        llms = [LlmFixer(model, name) for name, model in self._providers.items()]
        self._proposer = Proposer(self._reader, llms, metrics)

    def _opinions(self, settings: JudgeSettings, metrics: JudgeMetrics) -> Opinions | None:
        if not self._models:
            return None
        judge = LlmJudge(self._models, settings.judge_samples, self._reader)
        url, age = settings.judge_cache_url, settings.judge_cache_days * _DAY_SECONDS
        store = None if url is None else RedisStore(url.get_secret_value(), KEY_PREFIX, age, "opinions")
        return Opinions(judge, settings.judge_cache_entries, store, metrics)

    @property
    def judge_name(self) -> str:
        """The models' names, or "static"."""
        return "+".join(model.name for model in self._models) or STATIC

    async def start(self) -> None:
        """Starts the workers.

        Raises:
            StartError: They do not come up.
        """
        try:
            await self._reader.start()
        except WorkerFailed as error:
            raise StartError(f"the judge's workers do not start: {error}") from error
        fixers = [*self._providers, BUILTIN]
        self._log.info("judging", model=self.judge_name, fixers=fixers)

    def register(self, server: grpc.aio.Server) -> None:
        """Adds the handlers."""
        servicer = JudgeServicer(self.judge, self._proposer)
        judge_service_pb2_grpc.add_JudgeServiceServicer_to_server(servicer, server)

    async def check(self) -> bool:
        """Returns whether it can answer. The model does not count: without it, static analysis answers."""
        return self._reader.running

    async def stop(self) -> None:
        """Ends the questions under way and the workers."""
        await self.judge.close()
        for model in (*self._models, *self._providers.values()):
            await model.close()
        await self._reader.stop()
