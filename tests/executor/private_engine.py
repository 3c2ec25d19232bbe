"""Engines that a test may restart, without harm to anybody else's containers."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Protocol

import docker
import requests

from services.executor.docker_engine import DockerEngine
from tests.executor.engine_proxy import EngineProxy
from tests.waiting import eventually

_DOWN_SECONDS = 0.2


class RestartableEngine(Protocol):
    """An engine that goes away with its containers and comes back.

    Attributes:
        address: Where it is.
    """

    address: str

    async def restart(self, instance: str) -> None:
        """Returns when it answers again. `instance` is the executor whose containers die with it."""
        ...

    async def containers(self) -> list[str]:
        """The names of all sandboxes on it, of this or any executor of the test."""
        ...


class CutEngine:
    """The shared engine behind a proxy: its connections are cut and the containers of one executor killed."""

    def __init__(self, proxy: EngineProxy, client: docker.APIClient) -> None:
        self.address = proxy.address
        self._proxy = proxy
        self._client = client
        self._restarts = 0
        self._instance = ""

    async def restart(self, instance: str) -> None:
        self._instance = instance
        self._restarts += 1
        if self._restarts % 2:
            await asyncio.to_thread(self._kill)
        await self._proxy.down()
        await asyncio.to_thread(self._kill)
        await asyncio.sleep(_DOWN_SECONDS)
        await self._proxy.up()

    async def containers(self) -> list[str]:
        return await asyncio.to_thread(self._list)

    def _list(self, **filters: bool) -> list[str]:
        found = self._client.containers(
            filters={"label": f"codearena.executor={self._instance}"}, **filters or {"all": True}
        )
        return [str(container["Id"]) for container in found]

    def _kill(self) -> None:
        for container in self._list(all=False):
            with contextlib.suppress(docker.errors.APIError):  # it ended by itself
                self._client.kill(container)


class PrivateEngine:
    """A Docker engine of the test's own, with its own data, which is restarted as an operator restarts it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._socket = folder / "engine.sock"
        self._process: asyncio.subprocess.Process | None = None
        self.address = f"unix://{self._socket}"

    async def start(self) -> None:
        options = {
            "data-root": self._folder / "data",
            "exec-root": self._folder / "exec",
            "pidfile": self._folder / "pid",
            "host": self.address,
            "bridge": "none",
            "iptables": "false",
            "ip6tables": "false",
        }
        arguments = [f"--{name}={value}" for name, value in options.items()]
        with (self._folder / "log").open("ab") as log:
            self._process = await asyncio.create_subprocess_exec("dockerd", *arguments, stdout=log, stderr=log)
        await eventually(self._answers, seconds=60)

    async def stop(self) -> None:
        assert self._process is not None
        self._process.terminate()
        await asyncio.wait_for(self._process.wait(), 60)

    async def restart(self, instance: str) -> None:
        await self.stop()
        await self.start()

    async def containers(self) -> list[str]:
        def names() -> list[str]:
            with contextlib.closing(docker.APIClient(self.address, timeout=30)) as client:
                return [str(container["Id"]) for container in client.containers(all=True)]

        return await asyncio.to_thread(names)

    async def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.returncode is None, (self._folder / "log").read_text()[-2000:]
        with contextlib.suppress(docker.errors.DockerException, requests.RequestException, OSError):
            await self.containers()
            return True
        return False


@contextlib.asynccontextmanager
async def cut_engine(client: docker.APIClient, folder: Path) -> AsyncIterator[CutEngine]:
    engine = DockerEngine(None, 10)
    proxy = EngineProxy(folder, engine.address)
    engine.close()
    await proxy.up()
    try:
        yield CutEngine(proxy, client)
    finally:
        await proxy.down()


@contextlib.asynccontextmanager
async def private_engine() -> AsyncIterator[PrivateEngine]:
    """Runs an engine while the block runs. Its folder's name is short: addresses of sockets are."""
    folder = Path(tempfile.mkdtemp(prefix="codearena-engine-"))
    engine = PrivateEngine(folder)
    try:
        await engine.start()
        yield engine
    finally:
        await engine.stop()
        shutil.rmtree(folder)
