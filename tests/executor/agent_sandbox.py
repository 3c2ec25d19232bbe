"""What agent-sandbox's controller does about claims, on a real API server: its images are not to be had everywhere.

Keeps as many pods of the template as the pool says, hands each claim one that runs, with the claim's labels and owned
by it, so that the cluster itself removes the pod with the claim, and says so in the claim's status.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import yaml

from services.executor.kubernetes_claim_api import GROUP, VERSION
from tests.executor.conftest import comes_true
from tests.executor.kubernetes_user import Cluster, Json

_POOL_LABEL = "agents.x-k8s.io/pool"
_KINDS = {"SandboxTemplate": "sandboxtemplates", "SandboxWarmPool": "sandboxwarmpools", "SandboxClaim": "sandboxclaims"}
_ROLE = Path(__file__).parents[2] / "k8s/components/agent-sandbox/role.yaml"
_MERGE = "application/merge-patch+json"
_PAUSE_SECONDS = 0.1


def _path(cluster: Cluster, kind: str) -> str:
    return f"/apis/{GROUP}/{VERSION}/namespaces/{cluster.namespace}/{_KINDS[kind]}"


def _rights(cluster: Cluster, right: Json) -> str:
    return f"/apis/{right['apiVersion']}/namespaces/{cluster.namespace}/{right['kind'].lower()}s"


async def claims(cluster: Cluster) -> list[Json]:
    """The claims that there are."""
    _, found = await cluster.call("GET", _path(cluster, "SandboxClaim"))
    return list(found["items"])


@contextlib.asynccontextmanager
async def installed(admin: Cluster, manifests: Json) -> AsyncIterator[None]:
    """Types, the executor's rights, a pool and the controller, while the block runs."""
    for kind, plural in _KINDS.items():
        await _make(admin, "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", _type(kind, plural))
    rights = list(yaml.safe_load_all(_ROLE.read_text()))
    for right in rights:
        await _make(admin, _rights(admin, right), right)
    await comes_true(lambda: _served(admin), 30)
    for item in manifests["items"]:
        status, _ = await admin.call("POST", _path(admin, item["kind"]), item)
        assert status == 201
    template, pool = manifests["items"]
    controller = asyncio.create_task(_control(admin, template, pool))
    try:
        yield
        assert not controller.done() or controller.result() is None
    finally:
        controller.cancel()
        await asyncio.gather(controller, return_exceptions=True)
        for item in manifests["items"]:
            await admin.call("DELETE", f"{_path(admin, item['kind'])}/{item['metadata']['name']}")
        for right in rights:
            await admin.call("DELETE", f"{_rights(admin, right)}/{right['metadata']['name']}")
        for pod in await _pooled(admin):
            await admin.call("DELETE", f"{admin.pods}/{pod['metadata']['name']}", gracePeriodSeconds="0")


async def _control(admin: Cluster, template: Json, pool: Json) -> None:
    for number in itertools.count():
        waiting = [pod for pod in await _pooled(admin) if not pod["metadata"].get("ownerReferences")]
        ready = [pod for pod in waiting if pod["status"].get("phase") == "Running"]
        for claim in await claims(admin):
            if "sandbox" not in claim.get("status", {}) and ready:
                await _adopt(admin, claim, ready.pop())
        if len(waiting) < pool["spec"]["replicas"]:
            await admin.call("POST", admin.pods, _pod(template, f"pooled-{number}-{uuid4().hex[:8]}"))
        await asyncio.sleep(_PAUSE_SECONDS)


async def _adopt(admin: Cluster, claim: Json, pod: Json) -> None:
    name, metadata = pod["metadata"]["name"], claim["metadata"]
    owner = {
        "apiVersion": claim["apiVersion"],
        "kind": claim["kind"],
        "name": metadata["name"],
        "uid": metadata["uid"],
        "controller": True,
    }
    labels = claim["spec"]["additionalPodMetadata"]["labels"]
    change = {"metadata": {"labels": labels, "ownerReferences": [owner]}}
    status, _ = await admin.call("PATCH", f"{admin.pods}/{name}", change, content=_MERGE)
    assert status == 200
    ready = {"type": "Ready", "status": "True", "reason": "DependenciesReady", "message": ""}
    said = {"status": {"sandbox": {"name": name}, "conditions": [ready]}}
    await admin.call("PATCH", f"{_path(admin, 'SandboxClaim')}/{metadata['name']}/status", said, content=_MERGE)


def _pod(template: Json, name: str) -> Json:
    labels = {_POOL_LABEL: template["metadata"]["name"]}
    spec = template["spec"]["podTemplate"]["spec"]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": labels}, "spec": spec}


async def _pooled(admin: Cluster) -> list[Json]:
    _, found = await admin.call("GET", admin.pods, labelSelector=_POOL_LABEL)
    return list(found["items"])


async def _make(admin: Cluster, path: str, body: Json) -> None:
    status, answer = await admin.call("POST", path, body)
    assert status in (201, 409), answer


async def _served(admin: Cluster) -> bool:
    return all([(await admin.call("GET", _path(admin, kind)))[0] == 200 for kind in _KINDS])


def _type(kind: str, plural: str) -> dict[str, Any]:
    anything = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {
        "name": VERSION,
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": anything},
        "subresources": {"status": {}},
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": f"{plural}.{GROUP}",
            "annotations": {"api-approved.kubernetes.io": "https://github.com/kubernetes-sigs/agent-sandbox"},
        },
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {"kind": kind, "plural": plural, "singular": kind.lower(), "listKind": f"{kind}List"},
            "versions": [version],
        },
    }
