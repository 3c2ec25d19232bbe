"""Calls to a Docker engine from asyncio: bounded in time and number, every failure a `SandboxLost`."""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import ssl
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

import requests
from docker import APIClient
from docker.errors import DockerException
from docker.tls import TLSConfig
from docker.utils import kwargs_from_env, parse_host

from services.executor.docker_failure import explain
from services.executor.sandbox import SandboxLost

T = TypeVar("T")

ENGINE_ERRORS = (DockerException, requests.RequestException, OSError, TimeoutError)
"""All that a call to the engine can raise."""

_THREADS = 8


class DockerEngine:
    """One engine, spoken to by a pool of threads of its own.

    Nothing is connected before the first call, and an engine that went away is found again by the next one.
    """

    def __init__(self, docker_host: str | None, timeout_seconds: float) -> None:
        """Remembers where the engine is.

        Args:
            docker_host: Its address; None takes it from the environment.
            timeout_seconds: For each call.
        """
        environment = dict(os.environ) if docker_host is None else {"DOCKER_HOST": docker_host}
        self._settings = kwargs_from_env(environment)
        self._timeout_seconds = timeout_seconds
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="docker")
        self._lock = threading.Lock()
        self._client: APIClient | None = None
        self._closed = False

    @property
    def address(self) -> str:
        """Where the engine is, for messages."""
        address = str(parse_host(self._settings.get("base_url"), tls="tls" in self._settings))
        return address.removeprefix("http+") if address.startswith("http+unix:") else address

    async def call(self, what: str, function: Callable[[APIClient], T], *, timeout_seconds: float | None = None) -> T:
        """Runs a function over the engine's client in a thread.

        Args:
            what: The call in words, for messages: "start a container".
            function: Must leave the client as it is. Runs to its end even if the caller is cancelled.
            timeout_seconds: Another bound than the engine's own one; for calls that wait by design.

        Raises:
            SandboxLost: The engine is away, refuses or takes too long; the message says what to do.
        """
        try:
            return await self.attempt(function, timeout_seconds=timeout_seconds)
        except ENGINE_ERRORS as error:
            raise SandboxLost(explain(what, error, self.address)) from error

    async def attempt(self, function: Callable[[APIClient], T], *, timeout_seconds: float | None = None) -> T:
        """Like `call`, and raises the engine's own errors: one of `ENGINE_ERRORS`."""
        if self._closed:
            raise ConnectionError("the connection to the engine has been closed")
        loop = asyncio.get_running_loop()
        running = loop.run_in_executor(self._threads, lambda: function(self._connected()))
        # The client has the same timeout for each read; the margin lets its own, better message come first.
        async with asyncio.timeout((timeout_seconds or self._timeout_seconds) + 1.0):
            return await running

    def connect(self, timeout_seconds: float) -> APIClient:
        """Returns a client of its own with another timeout. Blocks; the caller closes it.

        Raises:
            DockerException: The engine does not answer.
        """
        return APIClient(version="auto", timeout=math.ceil(timeout_seconds), **self._settings)

    async def attach(self, container: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connects to a container's stdin, stdout and stderr.

        Returns:
            The raw connection: what is written goes to stdin; what is read is multiplexed, see `docker_stream`.

        Raises:
            SandboxLost: The engine is away or refuses.
        """
        try:
            async with asyncio.timeout(self._timeout_seconds):
                reader, writer = await self.open()
                try:
                    await _upgrade(reader, writer, container)
                except BaseException:
                    writer.close()
                    raise
        except (ValueError, asyncio.IncompleteReadError, *ENGINE_ERRORS) as error:
            raise SandboxLost(explain("attach to a container", error, self.address)) from error
        return reader, writer

    def close(self) -> None:
        """Lets go of threads and connections. Idempotent; the engine cannot be called after it."""
        self._closed = True
        self._threads.shutdown(wait=False, cancel_futures=True)
        with self._lock, contextlib.suppress(OSError):
            if self._client is not None:
                self._client.close()

    def _connected(self) -> APIClient:
        with self._lock:
            if self._client is None:
                self._client = self.connect(self._timeout_seconds)
            return self._client

    async def open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Opens a connection on which nothing has been said.

        Raises:
            OSError, ValueError: The engine is away, or its address is of a kind that cannot be used.
        """
        address = urlsplit(self.address)
        if address.scheme == "unix":
            return await asyncio.open_unix_connection(address.path)
        if address.scheme not in ("http", "https", "tcp") or not address.hostname:
            raise ValueError(f"an engine at {self.address} cannot be used, only unix:// and tcp://")
        return await asyncio.open_connection(
            address.hostname, address.port or 2375, ssl=_ssl_context(self._settings.get("tls"))
        )


def _ssl_context(tls: TLSConfig | None) -> ssl.SSLContext | None:
    if tls is None:
        return None
    context = ssl.create_default_context(cafile=tls.ca_cert if Path(tls.ca_cert or "").is_file() else None)
    if not tls.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if tls.cert:
        context.load_cert_chain(*tls.cert)
    return context


async def _upgrade(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, container: str) -> None:
    """Asks for the container's streams; from then on the connection is theirs.

    Raises:
        ValueError: The engine refuses.
    """
    writer.write(
        f"POST /containers/{container}/attach?stream=1&stdin=1&stdout=1&stderr=1 HTTP/1.1\r\n"
        "Host: docker\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: 0\r\n\r\n".encode()
    )
    await writer.drain()
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.LimitOverrunError as error:
        raise ValueError("the engine's answer is too long") from error
    status = head.split(b"\r\n", 1)[0].decode("latin-1")
    if status.split(" ")[1:2] not in (["101"], ["200"]):
        body = await reader.read(512)
        raise ValueError(f"{status}: {body.decode('utf-8', 'replace').strip()}")
