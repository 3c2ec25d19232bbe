"""Puts the executor together."""

from __future__ import annotations

import grpc
import structlog
from google.protobuf.descriptor import ServiceDescriptor
from prometheus_client import CollectorRegistry

from codearena.v1 import executor_service_pb2, executor_service_pb2_grpc
from services.common.shared_store import RedisStore
from services.executor.backends import Chosen, choose
from services.executor.canary import PROBES, Canary, NetworkProbes
from services.executor.executions import Executions
from services.executor.grader import Grader
from services.executor.groups import Groups
from services.executor.limits import Limits
from services.executor.metrics import ExecutorMetrics
from services.executor.oracle import Oracle
from services.executor.pool import SandboxPool
from services.executor.preparation import Preparation
from services.executor.queue import QueueOptions
from services.executor.references import References
from services.executor.runs import Runner
from services.executor.sandbox import BackendInfo, SandboxLost
from services.executor.servicer import ExecutorServicer
from services.executor.settings import ExecutorSettings
from services.executor.stock import StockOptions
from services.executor.verdict_cache import KEY_PREFIX, CacheLimits
from services.executor.verdicts import Verdicts

_GROUP_SHARE = 2


class ExecutorService:
    """The executor as a server serves it; see `services.common.server.Service`."""

    name = "executor"
    descriptor: ServiceDescriptor = executor_service_pb2.DESCRIPTOR.services_by_name["ExecutorService"]

    def __init__(self, settings: ExecutorSettings, registry: CollectorRegistry) -> None:
        self._settings = settings
        self._registry = registry
        self._log = structlog.get_logger("executor")
        self._chosen: Chosen | None = None
        self._pool: SandboxPool | None = None
        self._canary: Canary | None = None
        self._references: References | None = None
        self._preparation: Preparation | None = None
        self._verdicts: Verdicts | None = None
        self._servicer: ExecutorServicer | None = None

    @property
    def chosen(self) -> Chosen:
        """The sandbox backend; there is one once the service has started."""
        assert self._chosen is not None, "start() comes first"
        return self._chosen

    async def start(self) -> None:
        """Starts the sandbox backend and begins to warm sandboxes.

        Raises:
            SandboxLost: There is no sandbox to be had on this machine.
        """
        settings = self._settings
        self._chosen = chosen = await choose(settings)
        if not chosen.info.isolated and not settings.loopback_only:
            raise SandboxLost(f"refusing to serve beyond loopback: {chosen.info.isolation}")
        self._log.info("sandbox", backend=chosen.name, why=chosen.reason, isolation=chosen.info.isolation)
        metrics = ExecutorMetrics(self._registry, chosen.name, _probes(chosen.network))
        queue = QueueOptions(settings.slots, settings.queue, settings.run_weights)
        stock = StockOptions(*settings.warm_range, settings.starting, settings.sandbox_age_seconds)
        self._pool = SandboxPool(chosen.backend, queue, stock, metrics)
        runner = Runner(self._pool, chosen.backend)
        self._references = References(runner, settings.reference_refresh_seconds)
        oracle = Oracle(runner)
        self._preparation = Preparation(runner, oracle)
        grader = Grader(runner, self._references, oracle)
        self._canary = _canary(grader, chosen.network, settings, metrics)
        executions = Executions(grader, self._preparation, metrics, self._canary, chosen.info.kind)
        self._verdicts = _verdicts(executions, chosen.info, settings, metrics)
        groups = Groups(self._verdicts, _GROUP_SHARE * settings.slots)
        self._servicer = ExecutorServicer(self._verdicts, groups, executions)
        self._pool.start()
        await self._canary.start()

    def register(self, server: grpc.aio.Server) -> None:
        """Adds the handlers."""
        assert self._servicer is not None, "start() comes first"
        executor_service_pb2_grpc.add_ExecutorServiceServicer_to_server(self._servicer, server)

    async def check(self) -> bool:
        """Returns whether the engine answers and the isolation holds."""
        if self._chosen is None or self._canary is None:
            return False
        try:
            await self._chosen.backend.ping()
        except SandboxLost as error:
            self._log.warning("not ready", why=str(error))
            return False
        return self._canary.intact

    async def stop(self) -> None:
        """Destroys every sandbox and stops the backend."""
        if self._canary is not None:
            await self._canary.stop()
        if self._verdicts is not None:
            await self._verdicts.stop()
        if self._preparation is not None:
            await self._preparation.stop()
        if self._references is not None:
            await self._references.stop()
        if self._pool is not None:
            await self._pool.stop()
        if self._chosen is not None:
            await self._chosen.backend.stop()


def _probes(network: NetworkProbes | None) -> frozenset[str]:
    return frozenset(PROBES if network is None else (*PROBES, *network.probes))


def _canary(
    grader: Grader, network: NetworkProbes | None, settings: ExecutorSettings, metrics: ExecutorMetrics
) -> Canary:
    async def run(code: str, limits: Limits) -> str:
        return (await grader.run_script(code, "", limits)).stdout

    return Canary(run, settings.data_dir, metrics.flown, settings.canary_seconds, network)


def _verdicts(
    executions: Executions, backend: BackendInfo, settings: ExecutorSettings, metrics: ExecutorMetrics
) -> Verdicts:
    url, age = settings.verdict_cache_url, settings.reference_refresh_seconds
    limits = CacheLimits(settings.verdict_cache_entries, settings.verdict_cache_bytes, age)
    store = None if url is None else RedisStore(url.get_secret_value(), KEY_PREFIX, age, "verdicts")
    return Verdicts(executions, backend, limits, store, metrics)
