"""Calls to the API server of a cluster, bounded in time, number and size.

What arrives is read as plain JSON: the client library's classes for it take longer to fill than a pod takes to answer.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import re
import ssl
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar, cast
from urllib.parse import urlsplit

import aiohttp
from kubernetes_asyncio.client import ApiClient, Configuration
from kubernetes_asyncio.config import ConfigException, load_incluster_config, load_kube_config
from kubernetes_asyncio.config.incluster_config import SERVICE_HOST_ENV_NAME, SERVICE_TOKEN_FILENAME
from kubernetes_asyncio.stream import WsApiClient

from services.executor.kubernetes_failure import ApiRefused, explain
from services.executor.kubernetes_rate import RateLimit
from services.executor.kubernetes_settings import KubernetesSettings
from services.executor.sandbox import SandboxLost

TRANSPORT_ERRORS = (aiohttp.ClientError, OSError, TimeoutError, ssl.SSLError)
NONSENSE = (ValueError, RecursionError)
_ATTEMPTS = 4
_FIRST_PAUSE_SECONDS = 0.1
_LONGEST_PAUSE_SECONDS = 5.0
_PASSING = frozenset({429, 500, 502, 503, 504})
_HEARTBEAT_SECONDS = 30.0
_MAX_ANSWER_BYTES = 64 << 20
_SUBPROTOCOL = "v4.channel.k8s.io"
Query = Sequence[tuple[str, str]]
T = TypeVar("T")


class ApiServer:
    """A cluster's API server. Every failure is a `SandboxLost`; an answer that is one is an `ApiRefused`.

    What may pass by itself (429, 5xx, a broken connection, an answer that makes no sense) is tried up to four times:
    calls are to be safe to repeat.

    Attributes:
        unreadable: Answers and events that were not what the API sends, since the start.
        timeout_seconds: For one call.
    """

    def __init__(self, settings: KubernetesSettings) -> None:
        self.unreadable = 0
        self.timeout_seconds = settings.kubernetes_timeout_seconds
        self._settings = settings
        self._rate = RateLimit(settings.kubernetes_calls_per_second, settings.kubernetes_burst)
        self._calls: ApiClient | None = None
        self._streams: WsApiClient | None = None

    @property
    def address(self) -> str:
        """Where the API server is; empty before `open`."""
        return "" if self._calls is None else str(self._calls.configuration.host)

    async def open(self) -> None:
        """Reads the credentials. Connects to nobody yet.

        Raises:
            SandboxLost: There are none, or they cannot be used.
        """
        configuration = Configuration()
        try:
            await _load(configuration, self._settings)
            configuration.connection_pool_maxsize = 0  # each sandbox in use holds a connection of its own
            self._calls = ApiClient(configuration)
            self._streams = WsApiClient(configuration, heartbeat=_HEARTBEAT_SECONDS)
        except (ConfigException, OSError, ValueError, KeyError) as error:
            raise SandboxLost(
                f"no credentials for a cluster: {error}. Run in a pod with a service account, or name a file in "
                "CODEARENA_KUBERNETES_KUBECONFIG or KUBECONFIG"
            ) from error

    async def close(self) -> None:
        """Ends all connections. Idempotent."""
        clients, self._calls, self._streams = (self._streams, self._calls), None, None
        for client in clients:
            if client is not None:
                await client.close()

    async def call(
        self,
        what: str,
        method: str,
        path: str,
        parse: Callable[[dict[str, Any]], T],
        *,
        query: Query = (),
        body: Mapping[str, Any] | None = None,
        content: str = "application/json",
    ) -> T:
        """Makes a call until it is answered, four times at most.

        Args:
            what: What for, for an error's text: "create a pod".
            method: HTTP method.
            path: Where.
            parse: Reads the answer; raises ValueError if it is none.
            query: Parameters.
            body: JSON.
            content: Content type of the body.
        """
        pause = _FIRST_PAUSE_SECONDS
        for attempt in range(1, _ATTEMPTS + 1):
            await self._rate.wait()
            try:
                return parse(await self._once(what, method, path, query, body, content))
            except ApiRefused as error:
                if not _may_pass(error) or attempt == _ATTEMPTS:
                    raise
            except (*TRANSPORT_ERRORS, *NONSENSE) as error:
                self.note(error)
                if isinstance(error, TimeoutError) or attempt == _ATTEMPTS:
                    raise SandboxLost(explain(what, say(error))) from error
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - so that executors do not keep step
            pause = min(3 * pause, _LONGEST_PAUSE_SECONDS)
        raise AssertionError("unreachable")

    def note(self, error: Exception) -> None:
        """Counts an answer that made no sense."""
        self.unreadable += not isinstance(error, TRANSPORT_ERRORS)

    async def _once(
        self, what: str, method: str, path: str, query: Query, body: Mapping[str, Any] | None, content: str
    ) -> dict[str, Any]:
        async with asyncio.timeout(self.timeout_seconds):
            async with await self.send(method, path, query, body, content) as response:
                data = await body_of(response)
        if response.status >= 400:
            if response.status == 429:
                self._rate.hold(_retry_after(response.headers))
            raise refusal(what, response.status, data)
        answer = json.loads(data)
        if not isinstance(answer, dict):
            raise ValueError("the API server's answer is no object")
        return answer

    async def send(
        self,
        method: str,
        path: str,
        query: Query,
        body: Mapping[str, Any] | None,
        content: str,
        timeout: aiohttp.ClientTimeout | None = None,
    ) -> aiohttp.ClientResponse:
        """Sends one request; raises what the client library does."""
        if self._calls is None:
            raise ConnectionError("the connection to the cluster has been closed")
        headers = {"Accept": "application/json"} | ({"Content-Type": content} if content else {})
        sent = await self._calls.call_api(
            path,
            method,
            query_params=list(query),
            header_params=headers,
            body=body,
            auth_settings=["BearerToken"],
            _preload_content=False,
            _request_timeout=timeout,
        )
        return cast(aiohttp.ClientResponse, sent)

    async def connect(self, what: str, path: str, query: Query) -> aiohttp.ClientWebSocketResponse:
        """Connects to streams.

        Args:
            what: What for, for an error's text: "attach to a pod".
            path: Where.
            query: Which.
        """
        if self._streams is None:
            raise SandboxLost("the connection to the cluster has been closed")
        await self._rate.wait()
        try:
            async with asyncio.timeout(self.timeout_seconds):
                connecting = await self._streams.call_api(
                    path,
                    "GET",
                    query_params=list(query),
                    header_params={"sec-websocket-protocol": _SUBPROTOCOL},
                    auth_settings=["BearerToken"],
                    _preload_content=False,
                )
                return cast(aiohttp.ClientWebSocketResponse, await connecting)
        except aiohttp.WSServerHandshakeError as error:
            raise ApiRefused(explain(what, say(error)), error.status, "") from error
        except TRANSPORT_ERRORS as error:
            raise SandboxLost(explain(what, say(error))) from error


async def _load(configuration: Configuration, settings: KubernetesSettings) -> None:
    """Takes the credentials that the settings name, else a pod's own, else the user's."""
    file = settings.kubernetes_kubeconfig
    if file is None and os.environ.get(SERVICE_HOST_ENV_NAME) and os.access(SERVICE_TOKEN_FILENAME, os.R_OK):
        load_incluster_config(client_configuration=configuration)
        return
    name = None if file is None else str(file)
    await load_kube_config(
        config_file=name,
        context=settings.kubernetes_context,
        client_configuration=configuration,
        persist_config=False,
    )
    if not urlsplit(configuration.host).hostname:
        raise ValueError(f"{configuration.host!r} is no address of an API server")


async def body_of(response: aiohttp.ClientResponse) -> bytes:
    """Reads an answer, as long as it is none of the impossible ones."""
    read = bytearray()
    async for chunk in response.content.iter_any():
        read += chunk
        if len(read) > _MAX_ANSWER_BYTES:
            raise ValueError(f"the API server's answer has more than {_MAX_ANSWER_BYTES >> 20} MiB")
    return bytes(read)


def refusal(what: str, status: int, data: bytes) -> ApiRefused:
    """Returns the error that an answer is."""
    try:
        said = json.loads(data)
        reason, message = str(said.get("reason", "")), str(said.get("message", ""))
    except (ValueError, AttributeError):
        reason, message = "", data[:300].decode(errors="replace")
    return ApiRefused(explain(what, f"{status} {reason}: {message}"), status, reason)


def _may_pass(error: ApiRefused) -> bool:
    """Whether another attempt may fare better: overload, or two that counted against one quota in the same moment."""
    return error.status in _PASSING or (error.status == 409 and "resourcequotas" in str(error))


def _retry_after(headers: Mapping[str, str]) -> float:
    value = headers.get("Retry-After", "")
    return min(float(value), _LONGEST_PAUSE_SECONDS) if re.fullmatch(r"\d{1,9}", value) else 0.0


def say(error: BaseException) -> str:
    """Returns an error's name and text."""
    return f"{type(error).__name__} {error}"
