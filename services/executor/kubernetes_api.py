"""Calls to the API server of a cluster: pods of one namespace, bounded in time, number and size.

What arrives is read as plain JSON: the client library's classes for it take longer to fill than a pod takes to answer.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import re
import ssl
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
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
from services.executor.kubernetes_status import CONTAINER, ERROR, Pod, parse_event, parse_list, parse_pod
from services.executor.sandbox import SandboxLost

_TRANSPORT_ERRORS = (aiohttp.ClientError, OSError, TimeoutError, ssl.SSLError)
_NONSENSE = (ValueError, RecursionError)
_ATTEMPTS = 4
_FIRST_PAUSE_SECONDS = 0.1
_LONGEST_PAUSE_SECONDS = 5.0
_PASSING = frozenset({429, 500, 502, 503, 504})
_HEARTBEAT_SECONDS = 30.0
_MAX_ANSWER_BYTES = 64 << 20
_SUBPROTOCOL = "v4.channel.k8s.io"
_MERGE_PATCH = "application/merge-patch+json"
Query = Sequence[tuple[str, str]]
T = TypeVar("T")


class PodApi:
    """The pods of one namespace. Every failure is a `SandboxLost`; an answer that is one is an `ApiRefused`.

    What may pass by itself (429, 5xx, a broken connection, an answer that makes no sense) is tried up to four times;
    each call is safe to repeat.

    Attributes:
        unreadable: Answers and events that were not what the API sends, since the start.
    """

    def __init__(self, settings: KubernetesSettings) -> None:
        self.unreadable = 0
        self._settings = settings
        self._timeout_seconds = settings.kubernetes_timeout_seconds
        self._path = f"/api/v1/namespaces/{settings.kubernetes_namespace}/pods"
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

    async def create(self, manifest: Mapping[str, Any]) -> Pod:
        """Makes a pod. One of that name that is there already was made by an attempt whose answer was lost."""
        try:
            return await self._call("create a pod", "POST", parse_pod, body=manifest)
        except ApiRefused as error:
            if error.reason != "AlreadyExists":
                raise
            return await self.read(manifest["metadata"]["name"])

    async def read(self, name: str) -> Pod:
        """Returns a pod as it is. One that does not exist is `gone`."""
        try:
            return await self._call("read a pod", "GET", parse_pod, name)
        except ApiRefused as error:
            if error.status != 404:
                raise
            return Pod(name, gone=True)

    async def list(self, selector: str, limit: int = 0) -> tuple[list[Pod], str]:
        """Returns the pods that a label selector fits, and the version from which a watch goes on."""
        query = [("labelSelector", selector), *([("limit", str(limit))] if limit else [])]
        return await self._call("list pods", "GET", parse_list, query=query)

    async def label(self, pod: Pod, labels: Mapping[str, str]) -> Pod:
        """Sets labels of a pod that is still what it was when it was last seen.

        Raises:
            ApiRefused: 409, it has changed since; 404, it does not exist.
        """
        body = {"metadata": {"uid": pod.uid, "resourceVersion": pod.version, "labels": dict(labels)}}
        return await self._call("lease a pod", "PATCH", parse_pod, pod.name, body=body, content=_MERGE_PATCH)

    async def delete(self, name: str) -> None:
        """Deletes a pod at once, if there is one."""
        try:
            await self._call("delete a pod", "DELETE", lambda _: None, name, query=[("gracePeriodSeconds", "0")])
        except ApiRefused as error:
            if error.status != 404:
                raise

    async def watch(self, selector: str, version: str, seconds: int) -> AsyncIterator[tuple[str, Pod]]:
        """Yields what happens to pods: "ADDED", "MODIFIED" or "DELETED", and the pod.

        After a "BOOKMARK" the pod is of nobody, and tells the version alone. Ends after `seconds`.

        Raises:
            ApiRefused: 410, that version is too old: list them again.
            SandboxLost: The connection broke, nothing came for longer than the watch was to last, or it was no event.
        """
        query = [
            ("labelSelector", selector),
            *(("watch", "1"), ("allowWatchBookmarks", "1"), ("timeoutSeconds", str(seconds))),
            ("resourceVersion", version),
        ]
        timeout = aiohttp.ClientTimeout(sock_connect=self._timeout_seconds, sock_read=seconds + self._timeout_seconds)
        try:
            async with await self._send("GET", self._path, query, None, "", timeout) as response:
                if response.status >= 400:
                    raise _refusal("watch pods", response.status, await _body(response))
                while line := await response.content.readline():
                    event = parse_event(json.loads(line))
                    if event.kind == ERROR:
                        raise _refusal("watch pods", event.code, event.status.encode())
                    yield event.kind, event.pod
        except (*_TRANSPORT_ERRORS, *_NONSENSE) as error:
            self._note(error)
            raise SandboxLost(explain("watch pods", _say(error))) from error

    async def attach(self, name: str) -> aiohttp.ClientWebSocketResponse:
        """Connects to the streams of a pod's container; see `kubernetes_stream`."""
        if self._streams is None:
            raise SandboxLost("the connection to the cluster has been closed")
        await self._rate.wait()
        query = [("container", CONTAINER), *((stream, "true") for stream in ("stdin", "stdout", "stderr"))]
        try:
            async with asyncio.timeout(self._timeout_seconds):
                connecting = await self._streams.call_api(
                    f"{self._path}/{name}/attach",
                    "GET",
                    query_params=query,
                    header_params={"sec-websocket-protocol": _SUBPROTOCOL},
                    auth_settings=["BearerToken"],
                    _preload_content=False,
                )
                return cast(aiohttp.ClientWebSocketResponse, await connecting)
        except aiohttp.WSServerHandshakeError as error:
            raise ApiRefused(explain("attach to a pod", _say(error)), error.status, "") from error
        except _TRANSPORT_ERRORS as error:
            raise SandboxLost(explain("attach to a pod", _say(error))) from error

    async def _call(
        self,
        what: str,
        method: str,
        parse: Callable[[dict[str, Any]], T],
        name: str = "",
        *,
        query: Query = (),
        body: Mapping[str, Any] | None = None,
        content: str = "application/json",
    ) -> T:
        path = f"{self._path}/{name}" if name else self._path
        pause = _FIRST_PAUSE_SECONDS
        for attempt in range(1, _ATTEMPTS + 1):
            await self._rate.wait()
            try:
                return parse(await self._once(what, method, path, query, body, content))
            except ApiRefused as error:
                if not _may_pass(error) or attempt == _ATTEMPTS:
                    raise
            except (*_TRANSPORT_ERRORS, *_NONSENSE) as error:
                self._note(error)
                if isinstance(error, TimeoutError) or attempt == _ATTEMPTS:
                    raise SandboxLost(explain(what, _say(error))) from error
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - so that executors do not keep step
            pause = min(3 * pause, _LONGEST_PAUSE_SECONDS)
        raise AssertionError("unreachable")

    def _note(self, error: Exception) -> None:
        self.unreadable += not isinstance(error, _TRANSPORT_ERRORS)

    async def _once(
        self, what: str, method: str, path: str, query: Query, body: Mapping[str, Any] | None, content: str
    ) -> dict[str, Any]:
        async with asyncio.timeout(self._timeout_seconds):
            async with await self._send(method, path, query, body, content) as response:
                data = await _body(response)
        if response.status >= 400:
            if response.status == 429:
                self._rate.hold(_retry_after(response.headers))
            raise _refusal(what, response.status, data)
        answer = json.loads(data)
        if not isinstance(answer, dict):
            raise ValueError("the API server's answer is no object")
        return answer

    async def _send(
        self,
        method: str,
        path: str,
        query: Query,
        body: Mapping[str, Any] | None,
        content: str,
        timeout: aiohttp.ClientTimeout | None = None,
    ) -> aiohttp.ClientResponse:
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


async def _body(response: aiohttp.ClientResponse) -> bytes:
    """Reads an answer, as long as it is none of the impossible ones."""
    read = bytearray()
    async for chunk in response.content.iter_any():
        read += chunk
        if len(read) > _MAX_ANSWER_BYTES:
            raise ValueError(f"the API server's answer has more than {_MAX_ANSWER_BYTES >> 20} MiB")
    return bytes(read)


def _refusal(what: str, status: int, data: bytes) -> ApiRefused:
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


def _say(error: BaseException) -> str:
    return f"{type(error).__name__} {error}"
