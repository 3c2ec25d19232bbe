"""An arena in parts that can be stopped and started one by one."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry

from codearena import AsyncArenaClient
from services.common.server import RunningServer, Service, serving
from services.common.settings import ServiceSettings
from services.env.service import EnvService
from services.env.settings import EnvSettings
from services.executor.service import ExecutorService
from services.executor.settings import ExecutorSettings
from services.judge.service import JudgeService
from services.judge.settings import JudgeSettings
from tests.conftest import PLAIN_SETTINGS


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Part:
    """A service that comes back on its old port after it was stopped.

    Attributes:
        registry: Metrics of the present run.
    """

    def __init__(
        self, make: Callable[[Any, CollectorRegistry], Service], kind: type[ServiceSettings], **settings: Any
    ) -> None:
        known = {name: value for name, value in (PLAIN_SETTINGS | settings).items() if name in kind.model_fields}
        self._settings = kind(**{"port": free_port(), "metrics_port": None} | known)
        self._make = make
        self._stack = contextlib.AsyncExitStack()
        self.registry = CollectorRegistry()
        self.server: RunningServer | None = None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._settings.port}"

    async def start(self) -> None:
        self.registry = CollectorRegistry()
        service = self._make(self._settings, self.registry)
        self.server = await self._stack.enter_async_context(serving(service, self._settings, self.registry))

    async def stop(self) -> None:
        await self._stack.aclose()

    @contextlib.asynccontextmanager
    async def down(self) -> AsyncIterator[None]:
        """Stops the service while the block runs."""
        await self.stop()
        try:
            yield
        finally:
            await self.start()

    def metric(self, name: str, **labels: str) -> float:
        """The value of a sample, or the sum of all that have these labels."""
        return sum(
            sample.value
            for family in self.registry.collect()
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )


class Parts:
    """Executor, judge and env, with a client of env that does not retry."""

    def __init__(self, data_dir: Path, sandbox_dir: Path, **settings: Any) -> None:
        self.executor = Part(
            ExecutorService, ExecutorSettings, data_dir=sandbox_dir, sandbox_backend="process", slots=2, grace_seconds=0
        )
        self.judge = Part(JudgeService, JudgeSettings, judge_workers=1, grace_seconds=0)
        peers = {"executor_address": self.executor.address, "judge_address": self.judge.address}
        self.env = Part(EnvService, EnvSettings, data_dir=data_dir, **peers, **settings)
        self.client = AsyncArenaClient(self.env.address, max_attempts=1)

    async def __aenter__(self) -> Parts:
        for part in (self.executor, self.judge, self.env):
            await part.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.client.close()
        for part in (self.env, self.judge, self.executor):
            await part.stop()
