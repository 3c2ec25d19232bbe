"""Pods of one namespace, by calls to the API server."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

import aiohttp

from services.executor.kubernetes_failure import explain
from services.executor.kubernetes_objects import Objects
from services.executor.kubernetes_status import CONTAINER, ERROR, Pod, parse_event, parse_list, parse_pod, parse_spec
from services.executor.kubernetes_transport import (
    NONSENSE,
    TRANSPORT_ERRORS,
    ApiServer,
    body_of,
    refusal,
    say,
)
from services.executor.sandbox import SandboxLost

_MERGE_PATCH = "application/merge-patch+json"


class PodApi:
    """The pods of one namespace. Every failure is a `SandboxLost`; an answer that is one is an `ApiRefused`.

    Args:
        server: The cluster's API server.
        namespace: Theirs.
    """

    def __init__(self, server: ApiServer, namespace: str) -> None:
        self._server = server
        self._path = f"/api/v1/namespaces/{namespace}/pods"
        self._pods = Objects(server, self._path, "pod")

    async def create(self, manifest: Mapping[str, Any]) -> Pod:
        """Makes a pod. One of that name that is there already was made by an attempt whose answer was lost."""
        return await self._pods.create(manifest, parse_pod)

    async def read(self, name: str) -> Pod:
        """Returns a pod as it is. One that does not exist is `gone`."""
        return await self._pods.read(name, parse_pod) or Pod(name, gone=True)

    async def inspect(self, name: str) -> tuple[Pod, dict[str, Any]]:
        """Returns a pod as it is, and what it is made of, its spec. Raises `ApiRefused` if it does not exist."""
        return await self._pods.call("read a pod", "GET", lambda found: (parse_pod(found), parse_spec(found)), name)

    async def list(self, selector: str, limit: int = 0) -> tuple[list[Pod], str]:
        """Returns the pods that a label selector fits, and the version from which a watch goes on."""
        query = [("labelSelector", selector), *([("limit", str(limit))] if limit else [])]
        return await self._pods.call("list pods", "GET", parse_list, query=query)

    async def label(self, pod: Pod, labels: Mapping[str, str]) -> Pod:
        """Sets labels of a pod that is still what it was when it was last seen.

        Raises:
            ApiRefused: 409, it has changed since; 404, it does not exist.
        """
        body = {"metadata": {"uid": pod.uid, "resourceVersion": pod.version, "labels": dict(labels)}}
        return await self._pods.call("lease a pod", "PATCH", parse_pod, pod.name, body=body, content=_MERGE_PATCH)

    async def delete(self, name: str) -> None:
        """Deletes a pod at once, if there is one."""
        await self._pods.delete(name, [("gracePeriodSeconds", "0")])

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
        patience = self._server.timeout_seconds
        timeout = aiohttp.ClientTimeout(sock_connect=patience, sock_read=seconds + patience)
        try:
            async with await self._server.send("GET", self._path, query, None, "", timeout) as response:
                if response.status >= 400:
                    raise refusal("watch pods", response.status, await body_of(response))
                while line := await response.content.readline():
                    event = parse_event(json.loads(line))
                    if event.kind == ERROR:
                        raise refusal("watch pods", event.code, event.status.encode())
                    yield event.kind, event.pod
        except (*TRANSPORT_ERRORS, *NONSENSE) as error:
            self._server.note(error)
            raise SandboxLost(explain("watch pods", say(error))) from error

    async def attach(self, name: str) -> aiohttp.ClientWebSocketResponse:
        """Connects to the streams of a pod's container; see `kubernetes_stream`."""
        query = [("container", CONTAINER), *((stream, "true") for stream in ("stdin", "stdout", "stderr"))]
        return await self._server.connect("attach to a pod", f"{self._path}/{name}/attach", query)
