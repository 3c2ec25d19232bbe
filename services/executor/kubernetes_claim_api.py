"""SandboxClaims of one namespace, by calls to the API server: agent-sandbox's way to get a pod from a warm pool."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from services.executor.kubernetes_objects import Objects
from services.executor.kubernetes_status import created_at, read, text_of
from services.executor.kubernetes_transport import ApiServer

GROUP, VERSION = "extensions.agents.x-k8s.io", "v1beta1"
_KIND, _PLURAL = "SandboxClaim", "sandboxclaims"


@dataclass(frozen=True, slots=True)
class Claim:
    """A claim at one moment.

    Attributes:
        name: Its name.
        labels: Its labels.
        created: When the API server took it in, in seconds since 1970; 0 if that is not known.
        sandbox: The sandbox that it got, and the pod of that name; empty as long as it has none.
        ready: Whether that runs.
        reason: Why it is not, in one word: "WarmPoolNotFound", "SandboxExpired" …
        message: The same for people.
        leaving: Whether somebody has begun to delete it.
        gone: Whether it does not exist.
    """

    name: str
    labels: Mapping[str, str] = field(default_factory=dict)
    created: float = 0.0
    sandbox: str = ""
    ready: bool = False
    reason: str = ""
    message: str = ""
    leaving: bool = False
    gone: bool = False


class ClaimApi:
    """The claims of one namespace. Every failure is a `SandboxLost`; an answer that is one is an `ApiRefused`.

    Args:
        server: The cluster's API server.
        namespace: Theirs.
        pool: Name of the SandboxWarmPool.
        lifetime_seconds: After that the cluster ends a claim, whoever forgot it.
    """

    def __init__(self, server: ApiServer, namespace: str, pool: str, lifetime_seconds: int) -> None:
        self._namespace = namespace
        self._pool = pool
        self._lifetime = timedelta(seconds=lifetime_seconds)
        self._claims = Objects(server, f"/apis/{GROUP}/{VERSION}/namespaces/{namespace}/{_PLURAL}", "claim")

    async def create(self, name: str, labels: Mapping[str, str], pod_labels: Mapping[str, str]) -> Claim:
        """Makes a claim. One of that name that is there already was made by an attempt whose answer was lost.

        Args:
            name: Its name.
            labels: Its labels.
            pod_labels: Those that the pod gets which it is given.
        """
        end = datetime.now(UTC) + self._lifetime
        body = {
            "apiVersion": f"{GROUP}/{VERSION}",
            "kind": _KIND,
            "metadata": {"name": name, "namespace": self._namespace, "labels": dict(labels)},
            "spec": {
                "warmPoolRef": {"name": self._pool},
                "lifecycle": {"shutdownTime": end.strftime("%Y-%m-%dT%H:%M:%SZ"), "shutdownPolicy": "Delete"},
                "additionalPodMetadata": {"labels": dict(pod_labels)},
            },
        }
        return await self._claims.create(body, _parse)

    async def read(self, name: str) -> Claim:
        """Returns a claim as it is. One that does not exist is `gone`."""
        return await self._claims.read(name, _parse) or Claim(name, gone=True)

    async def list(self, selector: str) -> list[Claim]:
        """Returns the claims that a label selector fits."""
        return await self._claims.call("list claims", "GET", _parse_list, query=[("labelSelector", selector)])

    async def delete(self, name: str) -> None:
        """Deletes a claim, if there is one, and with it its sandbox and the pod."""
        await self._claims.delete(name)


def _parse(found: object) -> Claim:
    return read("claim", _claim, found)


def _parse_list(found: object) -> list[Claim]:
    return read("list of claims", lambda all_of_them: [_claim(item) for item in all_of_them.get("items") or ()], found)


def _claim(found: Mapping[str, Any]) -> Claim:
    metadata, status = found["metadata"], found.get("status") or {}
    ready: Mapping[str, Any] = next((c for c in status.get("conditions") or () if c.get("type") == "Ready"), {})
    return Claim(
        name=text_of(metadata, "name"),
        labels=dict(metadata.get("labels") or {}),
        created=created_at(metadata),
        sandbox=text_of(status.get("sandbox") or {}, "name", ""),
        ready=ready.get("status") == "True",
        reason=text_of(ready, "reason", ""),
        message=text_of(ready, "message", ""),
        leaving=bool(metadata.get("deletionTimestamp")),
    )
