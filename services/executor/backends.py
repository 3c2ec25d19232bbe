"""Chooses a sandbox backend, and says why."""

from __future__ import annotations

import asyncio
import dataclasses
from dataclasses import dataclass

from codearena.v1 import core_pb2 as core
from services.executor.canary import NetworkProbes
from services.executor.docker_backend import DockerBackend
from services.executor.docker_options import DockerOptions
from services.executor.process_backend import ProcessBackend, ProcessOptions
from services.executor.sandbox import BackendInfo, SandboxBackend, SandboxLost
from services.executor.settings import ExecutorSettings

NAMES = {
    core.SANDBOX_BACKEND_DOCKER: "docker",
    core.SANDBOX_BACKEND_PROCESS: "process",
    core.SANDBOX_BACKEND_KUBERNETES: "kubernetes",
}


@dataclass(frozen=True, slots=True)
class Chosen:
    """A backend that has started.

    Attributes:
        backend: It.
        info: What it is.
        reason: Why this one, for people.
        network: Tries what sandboxes reach, where they are attached to a network.
    """

    backend: SandboxBackend
    info: BackendInfo
    reason: str
    network: NetworkProbes | None = None

    @property
    def name(self) -> str:
        """Its name, as CODEARENA_SANDBOX_BACKEND has it."""
        return NAMES[self.info.kind]


async def choose(settings: ExecutorSettings) -> Chosen:
    """Starts the backend that the settings ask for.

    Raises:
        SandboxLost: It does not start; with "auto", neither does.
    """
    if settings.sandbox_backend == "process":
        return await _start(_process(settings), "CODEARENA_SANDBOX_BACKEND says so")
    if settings.sandbox_backend == "kubernetes":
        return await _kubernetes(settings)
    if settings.sandbox_backend == "docker":
        return await _start(_docker(settings), "CODEARENA_SANDBOX_BACKEND says so")
    try:
        return await _start(_docker(settings), "an engine answers")
    except SandboxLost as error:
        return await _start(_process(settings), f"no Docker engine can be used: {error}")


async def _start(backend: SandboxBackend, reason: str) -> Chosen:
    try:
        info = await backend.start()
        return Chosen(backend, info, f"{reason}: {info.isolation.partition(';')[0]}")
    except BaseException:
        await asyncio.shield(backend.stop())
        raise


async def _kubernetes(settings: ExecutorSettings) -> Chosen:
    # Imported where it is used: the client library takes a second to load, and most executors have no use for it.
    from services.executor.kubernetes_backend import KubernetesBackend

    backend = KubernetesBackend(settings)
    chosen = await _start(backend, "CODEARENA_SANDBOX_BACKEND says so")
    return dataclasses.replace(chosen, network=backend.network)


def _process(settings: ExecutorSettings) -> SandboxBackend:
    return ProcessBackend(ProcessOptions(settings.data_dir.resolve()))


def _docker(settings: ExecutorSettings) -> SandboxBackend:
    return DockerBackend(docker_options(settings))


def docker_options(settings: ExecutorSettings) -> DockerOptions:
    """Returns what the settings say to the docker backend."""
    return DockerOptions(
        data_dir=settings.data_dir.resolve(),
        docker_host=settings.docker_host,
        call_timeout_seconds=settings.docker_timeout_seconds,
        runtime=settings.docker_runtime,
        image=settings.sandbox_image,
        image_source=settings.sandbox_image_source,
        base_image=settings.sandbox_base_image,
    )
