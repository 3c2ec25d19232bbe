"""A real cluster as one of its users sees it, for what tests do and look at besides the executor."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import AsyncIterator
from typing import Any

from kubernetes_asyncio.client import ApiClient, Configuration
from kubernetes_asyncio.config import load_kube_config

from tests.executor.conftest import Executor

Json = dict[str, Any]


class Cluster:
    """The API server as one user sees it."""

    def __init__(self, client: ApiClient, namespace: str) -> None:
        self.client = client
        self.pods = f"/api/v1/namespaces/{namespace}/pods"
        self.namespace = namespace

    async def call(
        self, method: str, path: str, body: Json | None = None, *, content: str = "application/json", **query: str
    ) -> tuple[int, Json]:
        """Returns status and answer."""
        response = await self.client.call_api(
            path,
            method,
            query_params=list(query.items()),
            header_params={"Accept": "application/json", "Content-Type": content},
            body=body,
            auth_settings=["BearerToken"],
            _preload_content=False,
        )
        async with response:
            text = await response.text()
        return response.status, json.loads(text) if text.startswith("{") else {}

    async def of(self, executor: Executor, state: str) -> list[str]:
        """The names of an executor's pods in a state."""
        mine = f"codearena.executor={executor.service.chosen.backend.instance},codearena.state={state}"
        _, found = await self.call("GET", self.pods, labelSelector=mine)
        return [item["metadata"]["name"] for item in found["items"]]


@contextlib.asynccontextmanager
async def as_user(file: str | None, namespace: str) -> AsyncIterator[Cluster]:
    """The API server as the user of a file of credentials sees it, while the block runs."""
    configuration = Configuration()
    await load_kube_config(config_file=file, client_configuration=configuration, persist_config=False)
    async with ApiClient(configuration) as client:
        yield Cluster(client, namespace)


def as_administrator(namespace: str) -> contextlib.AbstractAsyncContextManager[Cluster]:
    """The same as KUBECONFIG's user, who may do what the executor may not."""
    return as_user(os.environ.get("KUBECONFIG"), namespace)
