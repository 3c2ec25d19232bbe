"""Puts the env service together."""

from __future__ import annotations

import asyncio

import grpc
import structlog
from google.protobuf.descriptor import ServiceDescriptor
from prometheus_client import CollectorRegistry

from codearena.v1 import env_service_pb2, env_service_pb2_grpc
from services.common.audit import Audit
from services.common.errors import StartError
from services.common.settings import PeerSettings, from_environment
from services.common.tls import peer_certificates
from services.env.analyst import Analyst
from services.env.archive_sql import SqlArchive
from services.env.baselines import Baselines
from services.env.catalogue import Catalogue, load_catalogue
from services.env.claims import Claims
from services.env.curricula_sql import SqlCurricula
from services.env.episodes import Episodes
from services.env.grading import Grading
from services.env.groups import Groups
from services.env.memories_sql import SqlMemories
from services.env.metrics import EnvMetrics
from services.env.migrate import NewerSchema
from services.env.peers import Peers
from services.env.progress import Progress
from services.env.pruner import Pruner, Retention
from services.env.quarantine import MalformedCertificates, quarantined, read_certificates
from services.env.quotas import Quotas
from services.env.rescoring import Rescoring
from services.env.rewards import PROFILES
from services.env.run_servicer import RunParts
from services.env.runs_sql import SqlRuns
from services.env.servicer import EnvServicer
from services.env.settings import EnvSettings
from services.env.stats_sql import SqlStats
from services.env.store import StoreDown
from services.env.store_sql import SqlStore
from services.env.task_files import CatalogueError
from services.env.transactions import open_database


class EnvService:
    """The env service as a server serves it; see `services.common.server.Service`.

    Ready when its store answers. A peer that is down is told to clients by each RPC that needs it, so that the
    others go on working.
    """

    name = "env"
    descriptor: ServiceDescriptor = env_service_pb2.DESCRIPTOR.services_by_name["EnvService"]

    def __init__(self, settings: EnvSettings, registry: CollectorRegistry) -> None:
        self._settings = settings
        self._log = structlog.get_logger("env")
        self._catalogue = self._load_catalogue()
        self._metrics = EnvMetrics(registry, (task.category for task in self._catalogue))
        try:
            self._database = open_database(settings.store_url())
        except ValueError as error:
            raise StartError(f"{error}; check CODEARENA_DATABASE_URL") from error
        self._store = SqlStore(self._database)
        self._curricula = SqlCurricula(self._database)
        self._analyst = Analyst(settings.analysis_workers)
        self._peer_settings = from_environment(PeerSettings)
        audit = Audit(self.name, settings.audit_file)
        self._peer_certificates = peer_certificates(self._peer_settings, registry, audit)
        retention = Retention(settings.retention_days, settings.retention_episodes, settings.retention_interval_seconds)
        self._pruner = Pruner(self._store, retention)
        self._pruning: asyncio.Task[None] | None = None
        self._peers: Peers | None = None
        self._servicer: EnvServicer | None = None

    def _load_catalogue(self) -> Catalogue:
        file = self._settings.certificates_file
        try:
            catalogue = load_catalogue(self._settings.tasks)
            held = quarantined(read_certificates(file), catalogue)
        except (CatalogueError, MalformedCertificates) as error:
            raise StartError(str(error)) from error
        if len(held) == len(catalogue):
            raise StartError(
                f"every task is quarantined by {file}: mend the tasks and certify them again with "
                "`codearena tasks certify`, or remove the file"
            )
        for task_id, why in held.items():
            self._log.warning("quarantined", task=task_id, why=why)
        self._log.info("quarantine", file=str(file), found=file.exists(), tasks=len(catalogue), quarantined=len(held))
        return Catalogue(list(catalogue), held)

    async def start(self) -> None:
        """Opens the store and starts the workers.

        Raises:
            StartError: The store cannot be opened.
        """
        settings = self._settings
        try:
            await self._store.start()
        except StoreDown as error:
            raise StartError(f"{error}; check CODEARENA_DATA_DIR and CODEARENA_DATABASE_URL") from error
        except NewerSchema as error:
            raise StartError(str(error)) from error
        await self._analyst.start()
        self._pruning = asyncio.create_task(self._pruner.run())
        self._peers = Peers(
            settings.executor_address, settings.judge_address, self._peer_settings, self._peer_certificates
        )
        self._servicer = self._assemble(self._peers)
        self._log.info("catalogue", tasks=len(self._catalogue), digest=self._catalogue.digest[:12])

    def _assemble(self, peers: Peers) -> EnvServicer:
        settings, database = self._settings, self._database
        grading = Grading(peers, self._analyst, PROFILES[settings.reward_profile], self._metrics)
        progress = Progress(self._catalogue, self._curricula, settings.curriculum_rules())
        memories = SqlMemories(database)
        runs = SqlRuns(database)
        quotas = Quotas(runs)
        episodes = Episodes(
            self._catalogue,
            self._store,
            grading,
            Baselines(grading),
            Claims(self._store, settings.claim_seconds),
            progress,
            memories,
            quotas,
            self._metrics,
            settings.max_steps,
        )
        parts = RunParts(
            self._catalogue,
            progress,
            memories,
            SqlStats(database),
            runs,
            Rescoring(self._catalogue, SqlArchive(database), grading),
            settings.reward_profile,
            settings.grading_timeout_seconds,
        )
        return EnvServicer(
            parts,
            self._catalogue,
            episodes,
            grading,
            Groups(grading, settings.group_concurrency),
            peers,
            self._analyst,
            quotas,
            settings.options(),
            settings.grading_timeout_seconds,
        )

    def register(self, server: grpc.aio.Server) -> None:
        """Adds the handlers."""
        assert self._servicer is not None, "start() comes first"
        env_service_pb2_grpc.add_EnvServiceServicer_to_server(self._servicer, server)

    async def check(self) -> bool:
        """Returns whether the store answers."""
        if self._peer_certificates is not None:
            self._peer_certificates.current()  # so that new ones are known before they are needed
        try:
            self._metrics.open_episodes(await self._store.count_open())
            self._metrics.levels(await self._curricula.count_levels())
        except StoreDown as error:
            self._log.warning("not ready", why=str(error))
            return False
        return True

    async def stop(self) -> None:
        """Closes channels, workers and store."""
        if self._pruning is not None:
            self._pruning.cancel()
            await asyncio.gather(self._pruning, return_exceptions=True)
        if self._peers is not None:
            await self._peers.stop()
        await self._analyst.stop()
        await self._store.stop()
