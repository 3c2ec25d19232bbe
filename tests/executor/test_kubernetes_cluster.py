"""What only a real cluster shows: rights, the kubelet's own ends of pods, policies that are not enforced, an outage.

Run by `tools/test_kubernetes.sh`, with the executor's own rights; what an administrator does is done with KUBECONFIG.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import urlopen

import grpc
import pytest
import yaml

from codearena import ArenaError
from codearena.v1 import core_pb2 as core
from services.executor.kubernetes_settings import KubernetesSettings
from services.executor.sandbox import SandboxLost
from tests.executor.conftest import DOUBLE, Executor, comes_true, double_suite, pods_of, refused, started, until
from tests.executor.kubernetes_user import Cluster, Json, as_administrator, as_user
from tests.executor.tcp_proxy import TcpProxy
from tests.redis_server import free_port

pytestmark = [pytest.mark.kubernetes, pytest.mark.timeout(300), pytest.mark.usefixtures("kubernetes")]
ENDLESS = "def double(x):\n    while True: pass\n"
LONG = double_suite(cpu_seconds=25, wall_seconds=25)
IDLE = b'codearena_sandbox_pool_size{backend="kubernetes",state="idle"} 2.0'
OUTAGE_SECONDS = float(os.environ.get("CODEARENA_TEST_OUTAGE_SECONDS", "30"))


@pytest.fixture
async def admin(kubernetes: KubernetesSettings) -> AsyncIterator[Cluster]:
    async with as_administrator(kubernetes.kubernetes_namespace) as cluster:
        yield cluster


@pytest.fixture
async def own(kubernetes: KubernetesSettings) -> AsyncIterator[Cluster]:
    async with as_user(str(kubernetes.kubernetes_kubeconfig), kubernetes.kubernetes_namespace) as cluster:
        yield cluster


async def grade_without_end(admin: Cluster, executor: Executor) -> tuple[asyncio.Task[ArenaError], str]:
    """Begins to grade a program that runs on; returns how that will be refused, and the pod in which it runs."""
    assert (await executor.grade(DOUBLE, LONG)).outcome == core.OUTCOME_PASSED  # knows the reference from now on
    await until(executor.none_left)
    grading = asyncio.create_task(refused(executor.grade(ENDLESS, LONG)))
    (name,) = await comes_true(lambda: admin.of(executor, "leased"))
    return grading, name


async def is_graded(executor: Executor) -> bool:
    """Whether a program gets its verdict; until then it gets a status that may be retried."""
    try:
        response = await executor.grade(DOUBLE)
    except grpc.aio.AioRpcError as error:
        if error.code() is not grpc.StatusCode.UNAVAILABLE:
            raise
        return False
    assert response.outcome == core.OUTCOME_PASSED
    return True


async def test_the_executor_has_these_rights_and_no_others(own: Cluster, data_dir: Path) -> None:
    async with started("kubernetes", data_dir) as executor:
        assert (await executor.grade(DOUBLE)).outcome == core.OUTCOME_PASSED

    review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectRulesReview"}
    path = "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews"
    rights = {}
    for namespace in (own.namespace, "default", "kube-system", "codearena"):
        _, answer = await own.call("POST", path, review | {"spec": {"namespace": namespace}})
        rights[namespace] = {
            (verb, resource)
            for rule in answer["status"]["resourceRules"]
            for verb in rule["verbs"]
            for resource in rule["resources"]
            if not resource.startswith("selfsubject")  # everybody may ask what he may
        }
    everybody = rights["default"]
    assert everybody == rights["kube-system"] == rights["codearena"]
    assert not {verb for verb, _ in everybody} - {"create"}, everybody
    pods = {(verb, "pods") for verb in ("create", "delete", "get", "list", "patch", "watch")}
    streams = {("create", "pods/attach"), ("get", "pods/attach")}
    assert rights[own.namespace] - everybody == pods | streams


FORBIDDEN = [
    ("GET", "/api/v1/namespaces/default/pods"),
    ("POST", "/api/v1/namespaces/default/pods"),
    ("GET", "/api/v1/namespaces/{0}/secrets"),
    ("GET", "/api/v1/namespaces/{0}/configmaps"),
    ("GET", "/api/v1/namespaces/codearena/secrets"),
    ("GET", "/api/v1/namespaces/kube-system/secrets"),
    ("POST", "/api/v1/namespaces/{0}/pods/x/exec"),
    ("GET", "/api/v1/namespaces/{0}/pods/x/log"),
    ("GET", "/api/v1/namespaces/{0}/pods/x/portforward"),
    ("PATCH", "/api/v1/namespaces/{0}/pods/x/ephemeralcontainers"),
    ("POST", "/api/v1/namespaces/{0}/serviceaccounts/default/token"),
    ("POST", "/api/v1/namespaces/codearena/serviceaccounts/codearena-executor/token"),
    ("DELETE", "/api/v1/namespaces/{0}/pods"),
    ("DELETE", "/apis/networking.k8s.io/v1/namespaces/{0}/networkpolicies/default-deny"),
    ("POST", "/apis/rbac.authorization.k8s.io/v1/namespaces/{0}/rolebindings"),
    ("GET", "/api/v1/nodes"),
    ("GET", "/api/v1/namespaces"),
    ("GET", "/api/v1/pods"),
]


@pytest.mark.parametrize(("method", "path"), FORBIDDEN)
async def test_what_the_executor_must_not_do_is_refused(own: Cluster, method: str, path: str) -> None:
    body = None if method in ("GET", "DELETE") else {"metadata": {"name": "x"}}
    status, answer = await own.call(method, path.format(own.namespace), body)
    assert (status, answer["reason"]) == (403, "Forbidden")


async def test_the_canary_tells_whether_policies_are_enforced(data_dir: Path, kubernetes: KubernetesSettings) -> None:
    tolerated = kubernetes.kubernetes_tolerated_probes
    others = tuple(probe for probe in tolerated if probe != "peer")
    async with started("kubernetes", data_dir, kubernetes_tolerated_probes=others, canary_seconds=3600) as executor:
        held = executor.gauge("codearena_isolation_canary_ok", backend="kubernetes", probe="peer")
        if not tolerated:
            assert held == 1
            assert (await executor.grade(DOUBLE)).outcome == core.OUTCOME_PASSED
            return
        assert held == 0, "this cluster was said to enforce no policies"
        error = await refused(executor.grade(DOUBLE))
        assert error.code is grpc.StatusCode.UNAVAILABLE
        assert "peer: " in error.message
        assert not await executor.service.check()


async def test_what_is_tolerated_is_served_to_this_machine_alone(data_dir: Path) -> None:
    changes = {"kubernetes_tolerated_probes": ("peer", "dns"), "host": "0.0.0.0", "tls_certificate_file": None}
    with pytest.raises(SandboxLost, match=r"refusing to serve beyond loopback.*sandboxes may reach peer"):
        async with started("kubernetes", data_dir, **changes):
            pass


async def test_a_pod_at_its_memory_limit_is_out_of_memory(data_dir: Path) -> None:
    """Its own limit, below the address space that the program may have."""
    greedy = "def double(x):\n    keep = bytearray(220 << 20)\n    return keep and 2 * x\n"
    async with started("kubernetes", data_dir, kubernetes_memory_bytes=96 << 20) as executor:
        response = await executor.grade(greedy, double_suite(memory_bytes=512 << 20))
        assert response.outcome == core.OUTCOME_OUT_OF_MEMORY
        assert not any(test.passed for test in response.tests)
        assert (await executor.grade(DOUBLE)).outcome == core.OUTCOME_PASSED


@pytest.mark.parametrize("how", ["evicted", "deleted", "killed"])
async def test_a_pod_that_is_taken_away_is_no_verdict(
    admin: Cluster, data_dir: Path, how: str, request: pytest.FixtureRequest
) -> None:
    engine = request.getfixturevalue("docker_engine") if how == "killed" else None
    async with started("kubernetes", data_dir) as executor:
        grading, name = await grade_without_end(admin, executor)
        if how == "evicted":  # as `kubectl drain` does
            eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name}}
            status, _ = await admin.call("POST", f"{admin.pods}/{name}/eviction", eviction)
            if status == 400:  # a cluster before 1.22
                eviction["apiVersion"] = "policy/v1beta1"
                status, _ = await admin.call("POST", f"{admin.pods}/{name}/eviction", eviction)
            assert status in (200, 201)
        elif how == "deleted":
            assert (await admin.call("DELETE", f"{admin.pods}/{name}"))[0] == 200
        else:
            (container,) = engine.containers(filters={"label": f"io.kubernetes.pod.name={name}", "name": "k8s_sandbox"})
            engine.kill(container)
        error = await asyncio.wait_for(grading, 40)
        assert error.code is grpc.StatusCode.UNAVAILABLE
        assert error.reason == "SANDBOX_UNAVAILABLE"
        assert (await executor.grade(DOUBLE)).outcome == core.OUTCOME_PASSED
        await until(executor.none_left)
    assert await pods_of(executor) == []


async def test_a_warm_pod_that_is_taken_away_is_replaced_before_anybody_asks(admin: Cluster, data_dir: Path) -> None:
    def idle() -> float | None:
        return executor.gauge("codearena_sandbox_pool_size", backend="kubernetes", state="idle")

    async with started("kubernetes", data_dir, warm=2, warm_max=2) as executor:
        await until(lambda: idle() == 2)
        first = await admin.of(executor, "warm")
        for name in first:
            await admin.call("DELETE", f"{admin.pods}/{name}", gracePeriodSeconds="0")
        await until(lambda: idle() != 2)
        await until(lambda: idle() == 2)
        assert not set(first) & set(await admin.of(executor, "warm"))
        assert (await executor.grade(DOUBLE)).outcome == core.OUTCOME_PASSED


async def test_an_image_that_is_not_there_is_said_at_the_start(data_dir: Path) -> None:
    with pytest.raises(SandboxLost, match=r"Err?Image.*CODEARENA_KUBERNETES_IMAGE"):
        async with started("kubernetes", data_dir, kubernetes_image="codearena-sandbox:missing"):
            pass


async def test_a_used_up_quota_is_unavailable_until_there_is_room(admin: Cluster, data_dir: Path) -> None:
    quotas = f"/api/v1/namespaces/{admin.namespace}/resourcequotas"
    async with started("kubernetes", data_dir, warm=0, warm_max=0) as executor:
        await until(executor.none_left)
        none = {
            "apiVersion": "v1",
            "kind": "ResourceQuota",
            "metadata": {"name": "none"},
            "spec": {"hard": {"pods": "0"}},
        }
        assert (await admin.call("POST", quotas, none))[0] == 201
        try:

            async def in_force() -> Any:
                return (await admin.call("GET", f"{quotas}/none"))[1].get("status", {}).get("hard")

            await comes_true(in_force)
            error = await refused(executor.grade(DOUBLE))
            assert error.code is grpc.StatusCode.UNAVAILABLE
            assert "exceeded quota" in error.message
        finally:
            await admin.call("DELETE", f"{quotas}/none")
        await comes_true(lambda: is_graded(executor))


async def test_pods_of_a_killed_executor_end_by_themselves(admin: Cluster, data_dir: Path, tmp_path: Path) -> None:
    port = free_port()
    variables = {"CODEARENA_SANDBOX_BACKEND": "kubernetes", "CODEARENA_DATA_DIR": str(data_dir)}
    variables |= {"CODEARENA_EXECUTOR_PORT": "0", "CODEARENA_EXECUTOR_METRICS_PORT": str(port)}
    variables |= {"CODEARENA_EXECUTOR_WARM": "2", "CODEARENA_EXECUTOR_WARM_MAX": "2"}

    async def warm() -> dict[str, str]:
        _, found = await admin.call("GET", admin.pods, labelSelector="codearena.state=warm")
        return {item["metadata"]["name"]: item["status"]["phase"] for item in found["items"]}

    async def two_are_ready() -> bool:
        try:
            return IDLE in await asyncio.to_thread(lambda: urlopen(f"http://127.0.0.1:{port}/metrics").read())
        except OSError:
            return False

    before = set(await warm())
    with (tmp_path / "log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "services.executor"), env=os.environ | variables, stdout=log, stderr=log
        )
    try:
        await comes_true(two_are_ready)
    finally:
        process.kill()
        await process.wait()

    left = set(await warm()) - before
    assert len(left) >= 2

    async def all_ended() -> bool:
        return {phase for name, phase in (await warm()).items() if name in left} <= {"Succeeded"}

    await comes_true(all_ended)
    for name in left:
        await admin.call("DELETE", f"{admin.pods}/{name}", gracePeriodSeconds="0")


@pytest.fixture
def kubeconfig(kubernetes: KubernetesSettings) -> Json:
    assert kubernetes.kubernetes_kubeconfig is not None
    return yaml.safe_load(kubernetes.kubernetes_kubeconfig.read_text())


async def test_an_api_server_that_is_gone_for_a_while_costs_no_verdict(
    admin: Cluster, data_dir: Path, tmp_path: Path, kubeconfig: Json
) -> None:
    cluster = kubeconfig["clusters"][0]["cluster"]
    server = urlsplit(cluster["server"])
    proxy = TcpProxy(str(server.hostname), server.port or 443)
    await proxy.up()
    cluster |= {"server": f"https://127.0.0.1:{proxy.port}", "tls-server-name": server.hostname}
    file = tmp_path / "kubeconfig"
    file.write_text(json.dumps(kubeconfig))
    async with started("kubernetes", data_dir, kubernetes_kubeconfig=file, warm=2) as executor:
        grading, _ = await grade_without_end(admin, executor)
        await proxy.down()
        assert (await asyncio.wait_for(grading, 60)).code is grpc.StatusCode.UNAVAILABLE
        assert not await executor.service.check()
        ends = time.monotonic() + OUTAGE_SECONDS
        while time.monotonic() < ends:
            assert (await refused(executor.grade(DOUBLE))).code is grpc.StatusCode.UNAVAILABLE
            await asyncio.sleep(0.5)

        await proxy.up()
        await comes_true(executor.service.check)
        await comes_true(lambda: is_graded(executor))
    await proxy.down()
    assert await pods_of(executor) == []
