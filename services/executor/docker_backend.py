"""The docker backend: single-use containers of a Docker engine."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

import structlog

from codearena.v1 import core_pb2
from services.executor.docker_container import create_container
from services.executor.docker_engine import DockerEngine
from services.executor.docker_options import DockerOptions
from services.executor.docker_owner import this_process
from services.executor.docker_sandbox import DockerSandbox
from services.executor.docker_shelf import ContainerShelf
from services.executor.docker_stream import DockerStream
from services.executor.image import ImageInfo, ensure_image, made_from
from services.executor.labels import NAME_PREFIX
from services.executor.reaper import Reaper
from services.executor.sandbox import BackendInfo, SandboxLost

_PING_SECONDS = 5.0
_NO_IMAGE = "No such image"


class DockerBackend:
    """Makes sandboxes on a Docker engine. Implements `services.executor.sandbox.SandboxBackend`.

    Several executors may share an engine: each removes its own containers, and those whose executor is gone.
    """

    def __init__(self, options: DockerOptions) -> None:
        self._options = options
        self._engine = DockerEngine(options.docker_host, options.call_timeout_seconds)
        self._owner = this_process()
        self._reaper = Reaper(ContainerShelf(self._engine, self._owner), "docker", options.sweep_seconds)
        self._image: ImageInfo | None = None
        self._image_lock = asyncio.Lock()
        self._seccomp = True
        self._making: set[asyncio.Task[None]] = set()
        self._stopped = False
        self._log = structlog.get_logger("docker")

    @property
    def instance(self) -> str:
        """The value of the label `codearena.executor` on this backend's containers."""
        return self._owner.instance

    @property
    def image(self) -> ImageInfo | None:
        """The image of the sandboxes; None before the start."""
        return self._image

    @property
    def removal_failures(self) -> int:
        """How many containers could not be removed at the first attempt, since the start."""
        return self._reaper.removal_failures

    @property
    def orphans_removed(self) -> int:
        """How many leftovers of this or of dead executors were found and removed, since the start."""
        return self._reaper.orphans_removed

    async def start(self) -> BackendInfo:
        """Checks the engine, makes the image, removes leftovers; see `SandboxBackend.start`."""
        info = await self._engine.call("get information", lambda client: client.info())
        runtimes = info.get("Runtimes") or {}
        if self._options.runtime and self._options.runtime not in runtimes:
            raise SandboxLost(
                f"the engine has no runtime {self._options.runtime!r}, only {', '.join(sorted(runtimes))}: "
                "install it there, or leave the runtime setting empty"
            )
        self._seccomp = _has_seccomp(info)
        await self._reaper.start()
        self._image = await ensure_image(self._engine, self._options)
        tag = self._image.tag
        origin = await self._engine.call("inspect the sandbox image", lambda client: made_from(client, tag))
        return _describe(info, self._image, origin, self._options)

    async def create(self) -> DockerSandbox:
        """Makes a container and waits until its harness is ready; see `SandboxBackend.create`."""
        if self._stopped or self._image is None:
            raise SandboxLost("the docker backend is not running")
        name = f"{NAME_PREFIX}{uuid4().hex}"
        self._reaper.keep(name)
        making = asyncio.create_task(self._make(name, self._image))
        self._making.add(making)
        making.add_done_callback(self._making.discard)
        try:
            # A cancelled caller must not leave behind a container that the engine is still making.
            await asyncio.shield(making)
            return await self._boot(name)
        except BaseException:
            self._reaper.release(name, after=making)
            raise

    async def ping(self) -> None:
        """Returns if the engine answers; see `SandboxBackend.ping`."""
        await self._engine.call("reach", lambda client: client.ping(), timeout_seconds=_PING_SECONDS)

    async def stop(self) -> None:
        """Removes every container of this backend; see `SandboxBackend.stop`."""
        if self._stopped:
            return
        self._stopped = True
        if self._making:
            await asyncio.wait(self._making)
        await self._reaper.stop()
        self._engine.close()

    async def _make(self, name: str, image: ImageInfo) -> None:
        try:
            await self._create(name, image)
        except SandboxLost as error:
            if _NO_IMAGE not in str(error):
                raise
            self._log.warning("the sandbox image is gone; making it again", image=image.tag)
            await self._create(name, await self._make_image_again(image))

    async def _make_image_again(self, missing: ImageInfo) -> ImageInfo:
        async with self._image_lock:
            if self._image is missing:
                self._image = await ensure_image(self._engine, self._options)
            return self._image or missing

    async def _create(self, name: str, image: ImageInfo) -> None:
        await self._engine.call(
            "create a container",
            lambda client: create_container(
                client, name, image.tag, self._owner.labels(), self._options, seccomp=self._seccomp
            ),
        )

    async def _boot(self, name: str) -> DockerSandbox:
        reader, writer = await self._engine.attach(name)
        stream = DockerStream(reader, writer)
        sandbox = DockerSandbox(name, self._engine, self._reaper, stream)
        try:
            await self._engine.call("start a container", lambda client: client.start(name))
            async with asyncio.timeout(self._options.boot_timeout_seconds):
                await sandbox.wait_ready()
        except TimeoutError as error:
            stream.close()
            raise SandboxLost(
                f"the harness did not boot within {self._options.boot_timeout_seconds:g} s: "
                f"{stream.stderr_tail[-500:] or 'it said nothing'}"
            ) from error
        except BaseException:
            stream.close()
            raise
        return sandbox


def _has_seccomp(info: dict[str, Any]) -> bool:
    return any("seccomp" in option.split(",")[0] for option in info.get("SecurityOptions") or [])


def _describe(info: dict[str, Any], image: ImageInfo, origin: str, options: DockerOptions) -> BackendInfo:
    """Says what keeps a submission in, and what of it this engine cannot do."""
    cannot = [what for key, what in (("MemoryLimit", "memory"), ("PidsLimit", "pids")) if not info.get(key, True)]
    runtime = options.runtime or info.get("DefaultRuntime", "?")
    parts = [
        f"docker {info.get('ServerVersion', '?')} ({runtime})",
        "no network, no capabilities, read-only root, no new privileges",
        f"{options.container_memory_bytes >> 20} MiB, {options.pids} pids, {options.cpus:g} CPUs",
        "own seccomp profile"
        if _has_seccomp(info)
        else "WARNING: the engine has no seccomp, only the harness's own filter holds",
        f"image {image.tag} ({image.origin})",
    ]
    if cannot:
        parts.append(f"WARNING: the engine cannot limit {' and '.join(cannot)}")
    digest = f"{origin} {runtime} {options.container_memory_bytes}"
    return BackendInfo(core_pb2.SANDBOX_BACKEND_DOCKER, "; ".join(parts), isolated=not cannot, digest=digest)
