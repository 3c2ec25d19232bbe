"""Pods that are claimed from a warm pool of agent-sandbox: checked before they are used, and nothing is left."""

from __future__ import annotations

import asyncio
import copy
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest

from services.executor.kubernetes_backend import KubernetesBackend
from services.executor.kubernetes_pod import differences, pooled_spec
from services.executor.kubernetes_settings import KubernetesSettings
from services.executor.protocol import frame
from services.executor.sandbox import HarnessDied, SandboxLost
from tests.executor.conftest import until
from tests.executor.scripted_cluster import POOL, Json, ScriptedCluster, ended, settings_for

JOB = frame(b"a job")
SETTINGS = KubernetesSettings(kubernetes_image="codearena-sandbox:test")


def as_the_server_has_it() -> Json:
    """A pool's spec with what an API server adds and rewrites."""
    spec = copy.deepcopy(pooled_spec(SETTINGS))
    spec |= {"schedulerName": "default-scheduler", "nodeName": "one", "serviceAccountName": "default", "priority": 0}
    spec["tolerations"] = [{"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute"}]
    (container,) = spec["containers"]
    container |= {"terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File"}
    container["resources"]["limits"]["cpu"] = container["resources"]["requests"]["cpu"] = "1"
    container["resources"]["limits"]["memory"] = "1120Mi"
    return spec


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[ScriptedCluster]:
    scripted = ScriptedCluster()
    scripted.pool_spec = as_the_server_has_it()
    async with scripted.running(tmp_path):
        yield scripted


def backend_of(cluster: ScriptedCluster, **changes: Any) -> KubernetesBackend:
    return KubernetesBackend(settings_for(cluster, **({"kubernetes_warm_pool": POOL} | changes)))


@pytest.fixture
async def backend(cluster: ScriptedCluster) -> AsyncIterator[KubernetesBackend]:
    running = backend_of(cluster, kubernetes_sweep_seconds=0.1)
    await running.start()
    yield running
    cluster.mend()
    await running.stop()
    assert (cluster.claims, cluster.pods) == ({}, {}), "something was left behind"


async def test_a_pod_is_claimed_leased_used_and_given_back(
    cluster: ScriptedCluster, backend: KubernetesBackend
) -> None:
    sandbox = await backend.create()
    (claim,) = cluster.claims.values()
    labels = cluster.pods[sandbox.name]["metadata"]["labels"]
    assert claim["spec"]["warmPoolRef"] == {"name": POOL}
    assert claim["spec"]["lifecycle"]["shutdownPolicy"] == "Delete"
    assert labels["codearena.claim"] == claim["metadata"]["name"]
    assert "codearena.state" not in labels, "what a controller has set it may set again"

    await asyncio.sleep(0.3)  # several sweeps
    assert await sandbox.run(JOB) == b"a job"
    assert labels["codearena.state"] == "leased"
    assert cluster.count("^POST [^?]*/pods") == 0, "no pod is made here"

    await sandbox.destroy()
    assert (cluster.claims, cluster.pods) == ({}, {})
    assert backend.orphans_removed == 0


async def test_what_ends_a_claimed_pod_is_told_apart(cluster: ScriptedCluster, backend: KubernetesBackend) -> None:
    cluster.answer = lambda _, payload: None
    sandbox = await backend.create()
    running = asyncio.create_task(sandbox.run(JOB))
    await until(lambda: cluster.count("^PATCH") == 1)
    await cluster.set_status(sandbox.name, ended("OOMKilled", 137))
    await cluster.hang_up(sandbox.name)
    with pytest.raises(HarnessDied, match="memory"):
        await running
    await sandbox.destroy()

    sandbox = await backend.create()
    running = asyncio.create_task(sandbox.run(JOB))
    await until(lambda: cluster.count("^PATCH") == 2)
    await cluster.remove(sandbox.name)
    with pytest.raises(SandboxLost, match="deleted"):
        await running
    await sandbox.destroy()


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda spec: spec.update(hostNetwork=True), "hostNetwork"),
        (lambda spec: spec.pop("hostUsers"), "hostUsers is missing"),
        (lambda spec: spec.update(runtimeClassName="another"), "runtimeClassName"),
        (lambda spec: spec.pop("automountServiceAccountToken"), "automountServiceAccountToken"),
        (lambda spec: spec["containers"][0]["securityContext"].update(privileged=True), "privileged"),
        (lambda spec: spec["containers"][0]["securityContext"]["capabilities"].update(add=["SYS_ADMIN"]), "add"),
        (lambda spec: spec["containers"][0].update(image="another:one"), "image"),
        (lambda spec: spec["containers"][0]["resources"]["limits"].update(memory="2Gi"), "memory"),
        (lambda spec: spec["containers"].append({"name": "aside", "image": "x"}), "containers"),
        (lambda spec: spec.update(initContainers=[{"name": "first", "image": "x"}]), "initContainers"),
        (lambda spec: spec["volumes"].append({"name": "host", "hostPath": {"path": "/"}}), "volumes"),
        (lambda spec: spec["volumes"][0].update(emptyDir={}), "volumes.0.emptyDir"),
    ],
)
async def test_a_pool_of_other_pods_is_named_and_not_used(cluster: ScriptedCluster, change: Any, named: str) -> None:
    assert cluster.pool_spec is not None
    change(cluster.pool_spec)
    backend = backend_of(cluster)
    with pytest.raises(SandboxLost, match=rf"warm pool {POOL} are no sandboxes: .*{named}.*kubernetes_template"):
        await backend.start()
    await backend.stop()
    assert cluster.count("attach") == 0, "nothing is said to such a pod"
    assert (cluster.claims, cluster.pods) == ({}, {})


async def test_a_pool_that_is_not_there_is_named(cluster: ScriptedCluster) -> None:
    backend = backend_of(cluster, kubernetes_warm_pool="another")
    with pytest.raises(SandboxLost, match='warm pool another: WarmPoolNotFound SandboxWarmPool "another" not found'):
        await backend.start()
    await backend.stop()
    assert cluster.claims == {}


async def test_no_controller_and_no_claims_are_named(cluster: ScriptedCluster) -> None:
    cluster.pool_spec = None
    backend = backend_of(cluster, kubernetes_boot_seconds=1)
    with pytest.raises(SandboxLost, match=f"cannot claim a sandbox: warm pool {POOL}"):
        await backend.start()
    await backend.stop()
    assert cluster.claims == {}

    cluster.fail("sandboxclaims", 404, "NotFound", "the server could not find the requested resource")
    backend = backend_of(cluster)
    with pytest.raises(SandboxLost, match="install agent-sandbox"):
        await backend.start()
    await backend.stop()


async def test_an_api_server_that_stumbles_leaves_no_claim(
    cluster: ScriptedCluster, backend: KubernetesBackend
) -> None:
    cluster.fail("^POST [^?]*sandboxclaims", 500, "InternalError", "etcd", times=1, done=True)
    sandbox = await backend.create()
    assert len(cluster.claims) == 1, "the second attempt found what the first had made"
    cluster.fail("^DELETE [^?]*sandboxclaims", 503, "ServiceUnavailable", "away")
    await sandbox.destroy()
    assert backend.removal_failures == 1
    cluster.mend()
    await until(lambda: not cluster.claims)

    creation = asyncio.create_task(backend.create())
    cluster.pool_spec = None
    await until(lambda: cluster.count("^POST [^?]*sandboxclaims") >= 4 or bool(cluster.claims))
    creation.cancel()
    await asyncio.gather(creation, return_exceptions=True)
    await until(lambda: not cluster.claims)


async def test_claims_of_dead_executors_go_and_those_of_others_stay(cluster: ScriptedCluster) -> None:
    def claim(name: str, made: datetime) -> Json:
        labels = {"codearena.role": "sandbox", "codearena.executor": "another"}
        stamp = made.strftime("%Y-%m-%dT%H:%M:%SZ")
        return {"metadata": {"name": name, "labels": labels, "creationTimestamp": stamp}, "spec": {}}

    cluster.claims["old"] = claim("old", datetime(2026, 1, 1, tzinfo=UTC))
    cluster.claims["young"] = claim("young", datetime.now(UTC))
    backend = backend_of(cluster)
    await backend.start()
    assert list(cluster.claims) == ["young"]
    await backend.stop()
    assert list(cluster.claims) == ["young"]
    assert backend.orphans_removed == 1


def test_what_an_api_server_adds_is_no_difference() -> None:
    assert differences(pooled_spec(SETTINGS), as_the_server_has_it()) == []


def test_the_template_is_printed_for_the_executors_settings() -> None:
    command = [sys.executable, "-m", "services.executor.kubernetes_template"]
    refused = subprocess.run(command, env={}, capture_output=True, text=True, check=False)
    assert refused.returncode == 2
    assert "CODEARENA_KUBERNETES_WARM_POOL" in refused.stderr

    variables = {"CODEARENA_KUBERNETES_WARM_POOL": POOL, "CODEARENA_KUBERNETES_IMAGE": "codearena-sandbox:test"}
    printed = subprocess.run(
        [*command, "--replicas", "3"], env=variables, capture_output=True, text=True, check=True
    ).stdout
    template, pool = json.loads(printed)["items"]
    assert template["spec"]["networkPolicyManagement"] == "Unmanaged"
    assert pool["spec"] | {"updateStrategy": None} == {
        "replicas": 3,
        "sandboxTemplateRef": {"name": template["metadata"]["name"]},
        "updateStrategy": None,
    }
    spec = template["spec"]["podTemplate"]["spec"]
    assert spec == pooled_spec(SETTINGS)
    assert "activeDeadlineSeconds" not in spec
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}, "spec": spec}
    kubernetes_validate.validate(pod, "1.37", strict=True)
