"""The network canary: what it could not try it has not proven."""

from __future__ import annotations

import json
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from services.executor.kubernetes_backend import KubernetesBackend
from services.executor.kubernetes_canary import PROBES
from services.executor.kubernetes_canary_probe import reach
from services.executor.protocol import READY
from services.executor.sandbox import SandboxLost
from tests.executor.scripted_cluster import RUNNING, Json, ScriptedCluster, settings_for

NOTHING: dict[str, list[str]] = {probe: [] for probe in PROBES}
EVERYTHING = {probe: [f"192.0.2.{number}:443"] for number, probe in enumerate(PROBES)}


class Pods:
    """What the canary's pods say.

    Attributes:
        tried: What the one that tries tells that it tried; `peer`, if it was given one.
        reached: What answered it.
        targets: What it was given.
    """

    def __init__(self) -> None:
        self.tried = EVERYTHING
        self.reached = NOTHING
        self.targets: Json = {}

    def greet(self, pod: Json) -> bytes:
        *_, what, argument = pod["spec"]["containers"][0]["command"]
        if what == "listen":
            return b'{"listening": true}'
        if what != "reach":
            return READY
        self.targets = json.loads(argument)
        peers = self.tried["peer"] if self.targets["peer"] else []
        return json.dumps({"tried": self.tried | {"peer": peers}, "reached": self.reached}).encode()


@pytest.fixture
def pods() -> Pods:
    return Pods()


@pytest.fixture
async def cluster(tmp_path: Path, pods: Pods) -> AsyncIterator[ScriptedCluster]:
    scripted = ScriptedCluster()
    scripted.greeting = pods.greet
    async with scripted.running(tmp_path):
        yield scripted


async def fly(cluster: ScriptedCluster, *fates: Json, **settings: Any) -> dict[str, list[str]]:
    """Starts an executor's backend and tries the network once."""
    backend = KubernetesBackend(settings_for(cluster, **settings))
    await backend.start()
    cluster.fates += fates
    try:
        return await backend.network()
    finally:
        await backend.stop()
        assert cluster.pods == {}


async def test_what_was_tried_and_did_not_answer_is_cut_off(cluster: ScriptedCluster, pods: Pods) -> None:
    assert await fly(cluster) == NOTHING
    assert pods.targets["peer"] == [["10.1.2.3", 7357]]


async def test_a_pod_without_an_address_proves_nothing(cluster: ScriptedCluster) -> None:
    with pytest.raises(SandboxLost, match="no address to try for peer"):
        await fly(cluster, RUNNING | {"podIP": ""})


@pytest.mark.parametrize("probe", ["api_server", "metadata", "dns"])
async def test_a_probe_that_tried_nothing_proves_nothing(cluster: ScriptedCluster, pods: Pods, probe: str) -> None:
    pods.tried = EVERYTHING | {probe: []}
    with pytest.raises(SandboxLost, match=f"no address to try for {probe}"):
        await fly(cluster)
    assert await fly(cluster, kubernetes_tolerated_probes=(probe,)) == NOTHING


async def test_what_was_reached_is_told_although_something_was_not_tried(cluster: ScriptedCluster, pods: Pods) -> None:
    pods.tried = EVERYTHING | {"dns": []}
    pods.reached = NOTHING | {"metadata": ["169.254.169.254:80"]}
    found = await fly(cluster)
    assert found == {"api_server": [], "metadata": ["169.254.169.254:80"], "peer": [], "elsewhere": []}


async def test_names_are_resolved_where_there_are_name_servers(cluster: ScriptedCluster, pods: Pods) -> None:
    await fly(cluster, kubernetes_canary_targets=("localhost:5432", "192.0.2.1:443", "[2001:db8::1]:443"))
    hosts = {host for host, _ in pods.targets["elsewhere"]}
    assert {"192.0.2.1", "2001:db8::1"} < hosts
    assert hosts & {"127.0.0.1", "::1"}
    assert "localhost" not in hosts


@pytest.mark.parametrize("host", ["codearena.invalid", "a..b"])
async def test_a_name_that_cannot_be_resolved_proves_nothing(cluster: ScriptedCluster, host: str) -> None:
    with pytest.raises(SandboxLost, match=f"cannot resolve {host}"):
        await fly(cluster, kubernetes_canary_targets=(f"{host}:443",))


def test_the_probe_tells_what_it_could_try(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "a..b")
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        answers, refuses = (f"127.0.0.1:{one.getsockname()[1]}" for one in (server, unused))
        targets = [["127.0.0.1", int(one.rpartition(":")[2])] for one in (answers, refuses)]
        report = reach({"peer": [*targets, ["codearena.invalid", 80]], "elsewhere": []})
    assert report["tried"]["peer"] == [answers, refuses]
    assert report["reached"]["peer"] == [answers]
    assert report["tried"]["api_server"] == report["reached"]["elsewhere"] == []
