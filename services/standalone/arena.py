"""A whole arena in one process: executor, judge and env, over real gRPC on loopback."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from prometheus_client import CollectorRegistry

from services.common.server import RunningServer, serving
from services.common.settings import ServiceSettings
from services.env.service import EnvService
from services.env.settings import EnvSettings
from services.executor.backends import Chosen
from services.executor.service import ExecutorService
from services.executor.settings import ExecutorSettings
from services.judge.service import JudgeService
from services.judge.settings import JudgeSettings

Settings = TypeVar("Settings", bound=ServiceSettings)
_ON_LOOPBACK: dict[str, object] = {
    "host": "127.0.0.1",
    "tls_certificate_file": None,
    "tls_key_file": None,
    "tls_client_ca_file": None,
    "tls_allowed_clients": (),
    "tokens_file": None,
    "health_port": None,
}


@dataclass(frozen=True, slots=True)
class Arena:
    """An arena that is up.

    Attributes:
        address: gRPC target of the env service.
        executor_address: gRPC target of the executor.
        judge_address: gRPC target of the judge.
        sandbox: The sandbox backend and why it was chosen.
        registries: The metrics of each service, by its name.
    """

    address: str
    executor_address: str
    judge_address: str
    sandbox: Chosen
    registries: Mapping[str, CollectorRegistry]


@contextlib.asynccontextmanager
async def arena(
    *, port: int | None = None, data_dir: Path | None = None, private: bool = False, **overrides: object
) -> AsyncIterator[Arena]:
    """Runs an arena while the block runs, configured by the same variables as the separate services.

    Executor and judge listen on loopback, without TLS, wherever the env service does.

    Args:
        port: Of the env service; 0 takes a free one, None the configured one.
        data_dir: Where state is kept; None: as configured.
        private: Take free ports for the inner services and serve no metrics, so that several can run side by side.
        overrides: Settings of any of the three services, by name.

    Raises:
        StartError: A service cannot start; the message says what to do.
        OSError: A port is taken.
    """
    common = dict(overrides) | ({} if data_dir is None else {"data_dir": data_dir})
    outer = common | ({} if port is None else {"port": port}) | ({"metrics_port": None} if private else {})
    facing = _make(EnvSettings, outer)
    inner = common | _ON_LOOPBACK | {"metrics_host": facing.metrics_host or facing.host}
    inner |= {"port": 0, "metrics_port": None} if private else {}
    async with contextlib.AsyncExitStack() as stack:
        registries = {name: CollectorRegistry() for name in ("env", "executor", "judge")}
        executor_settings = _make(ExecutorSettings, inner)
        executor = ExecutorService(executor_settings, registries["executor"])
        executor_server = await stack.enter_async_context(serving(executor, executor_settings, registries["executor"]))
        judge_settings = _make(JudgeSettings, inner)
        judge = JudgeService(judge_settings, registries["judge"])
        judge_server = await stack.enter_async_context(serving(judge, judge_settings, registries["judge"]))
        peers = {"executor_address": _address(executor_server), "judge_address": _address(judge_server)}
        env_settings = _make(EnvSettings, outer | peers)
        env = EnvService(env_settings, registries["env"])
        env_server = await stack.enter_async_context(serving(env, env_settings, registries["env"]))
        yield Arena(
            _address(env_server), peers["executor_address"], peers["judge_address"], executor.chosen, registries
        )


def _make(kind: type[Settings], values: dict[str, object]) -> Settings:
    return kind(**{name: value for name, value in values.items() if name in kind.model_fields})  # type: ignore[arg-type]


def _address(server: RunningServer) -> str:
    return f"127.0.0.1:{server.port}"
