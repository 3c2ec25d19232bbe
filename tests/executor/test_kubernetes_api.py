"""An API server that refuses, forgets, stays silent and goes away: never a verdict, nothing left behind."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from services.executor.kubernetes_backend import KubernetesBackend
from services.executor.protocol import frame
from services.executor.sandbox import HarnessDied, SandboxLost
from tests.executor.conftest import until
from tests.executor.scripted_cluster import RUNNING, Json, ScriptedCluster, ended, settings_for, waiting

JOB = frame(b"a job")
SANDBOX = {"codearena.role": "sandbox"}
NO_LIST = '{"metadata": {"resourceVersion": "1"}, "items": [{}]}'
LIST = r"^GET [^?]*/pods\?(?!.*watch=)"


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[ScriptedCluster]:
    scripted = ScriptedCluster()
    async with scripted.running(tmp_path):
        yield scripted


@pytest.fixture
async def backend(cluster: ScriptedCluster) -> AsyncIterator[KubernetesBackend]:
    running = KubernetesBackend(settings_for(cluster))
    await running.start()
    yield running
    cluster.mend()
    await running.stop()
    assert cluster.pods == {}, "a pod was left behind"


async def test_a_pod_is_made_leased_used_and_deleted(cluster: ScriptedCluster, backend: KubernetesBackend) -> None:
    sandbox = await backend.create()
    labels = cluster.pods[sandbox.name]["metadata"]["labels"]
    assert labels == SANDBOX | {"codearena.executor": backend.instance, "codearena.state": "warm"}
    assert sandbox.alive

    assert await sandbox.run(JOB) == b"a job"
    assert labels["codearena.state"] == "leased"
    assert await sandbox.run(frame(b"x" * 200_000)) == b"x" * 200_000
    assert cluster.count("^PATCH") == 1, "a pod is leased once"

    await sandbox.destroy()
    await sandbox.destroy()
    assert not sandbox.alive
    assert cluster.pods == {}


async def test_a_pod_whose_status_changed_is_leased_all_the_same(
    cluster: ScriptedCluster, backend: KubernetesBackend
) -> None:
    sandbox = await backend.create()
    cluster.silent = True
    await cluster.set_status(sandbox.name, {"hostIP": "10.0.0.1"})

    assert await sandbox.run(JOB) == b"a job"
    assert cluster.count("^PATCH") == 2
    await sandbox.destroy()


@pytest.mark.parametrize(
    ("what", "why"),
    [
        ("leased", "could not be leased: it is Running, leased"),
        ("deleted", "could not be leased: it is deleted"),
        ("evicted", "the cluster ended the sandbox's pod: Evicted"),
    ],
)
async def test_what_a_pod_says_that_is_not_ours_any_more_counts_for_nothing(
    cluster: ScriptedCluster, backend: KubernetesBackend, what: str, why: str
) -> None:
    sandbox = await backend.create()
    cluster.silent = True
    if what == "leased":
        await cluster.set_labels(sandbox.name, {"codearena.state": "leased"})
    elif what == "deleted":
        await cluster.remove(sandbox.name)
    else:
        await cluster.set_status(sandbox.name, ended("Error", 137, reason="Evicted", message="The node was low"))

    with pytest.raises(SandboxLost, match=why):
        await sandbox.run(JOB)
    with pytest.raises(SandboxLost, match="could not be leased"):
        await sandbox.run(JOB)
    await sandbox.destroy()


async def test_a_warm_pod_that_is_evicted_is_not_alive(cluster: ScriptedCluster, backend: KubernetesBackend) -> None:
    sandbox = await backend.create()
    await cluster.set_status(sandbox.name, ended("Error", 137, reason="Evicted"))
    await until(lambda: not sandbox.alive)
    await sandbox.destroy()


async def test_a_watch_that_is_too_old_lists_again(cluster: ScriptedCluster) -> None:
    backend = KubernetesBackend(settings_for(cluster, kubernetes_watch_seconds=1))
    await backend.start()
    before = backend.relists
    cluster.oldest = 1 << 40
    await until(lambda: backend.relists > before)
    cluster.oldest = 0

    sandbox = await backend.create()
    assert await sandbox.run(JOB) == b"a job"
    await backend.stop()
    assert cluster.pods == {}


async def test_a_silent_watch_is_noticed_and_replaced(cluster: ScriptedCluster, backend: KubernetesBackend) -> None:
    before = backend.relists
    cluster.silent = True
    cluster.fates = [{"phase": "Pending"}]
    making = asyncio.create_task(backend.create())
    await until(lambda: len(cluster.pods) == 1)
    (name,) = cluster.pods
    await cluster.set_status(name, RUNNING)

    sandbox = await making
    assert await sandbox.run(JOB) == b"a job"
    await until(lambda: backend.relists > before)
    await sandbox.destroy()


async def test_overload_is_waited_for(cluster: ScriptedCluster, backend: KubernetesBackend) -> None:
    cluster.fail("^POST", 429, "TooManyRequests", "slow down", times=1, Retry_After="1")
    began = time.monotonic()
    sandbox = await backend.create()
    assert time.monotonic() - began >= 1.0, "Retry-After counts"
    await sandbox.destroy()


@pytest.mark.parametrize("status", [429, 500])
async def test_a_server_that_goes_on_failing_is_said_and_asked_no_more_than_four_times(
    cluster: ScriptedCluster, backend: KubernetesBackend, status: int
) -> None:
    before = cluster.count("^POST")
    cluster.fail("^POST", status, "Reason", "it is not well")
    with pytest.raises(SandboxLost, match=f"cannot create a pod: {status} Reason: it is not well"):
        await backend.create()
    assert cluster.count("^POST") - before == 4
    cluster.mend()
    await (await backend.create()).destroy()


async def test_passing_failures_are_not_felt(cluster: ScriptedCluster, backend: KubernetesBackend) -> None:
    for call in ("^POST", "^PATCH", "^DELETE", "attach"):
        cluster.fail(call, 500, "InternalError", "etcdserver: leader changed", times=2)
    sandbox = await backend.create()
    assert await sandbox.run(JOB) == b"a job"
    await sandbox.destroy()
    assert cluster.pods == {}
    assert backend.removal_failures == 0


async def test_a_pod_whose_creation_was_answered_with_an_error_is_found_again(
    cluster: ScriptedCluster, backend: KubernetesBackend
) -> None:
    cluster.fail("^POST", 500, "InternalError", "the answer is lost", times=1, done=True)
    sandbox = await backend.create()
    assert list(cluster.pods) == [sandbox.name]
    await sandbox.destroy()


async def test_an_answer_that_makes_no_sense_is_asked_for_again(
    cluster: ScriptedCluster, backend: KubernetesBackend
) -> None:
    for call in ("^POST", "^PATCH", "^DELETE", LIST):
        cluster.garble(call, "[]", times=1)
    sandbox = await backend.create()
    assert await sandbox.run(JOB) == b"a job"
    await sandbox.destroy()
    await backend.ping()
    assert cluster.pods == {}
    assert backend.unreadable == 4


@pytest.mark.parametrize("text", ["<html>", "{}", NO_LIST, "[" * 200_000])
async def test_a_server_that_makes_no_sense_at_all_is_said(
    cluster: ScriptedCluster, backend: KubernetesBackend, text: str
) -> None:
    cluster.garble(LIST, text, times=4)
    with pytest.raises(SandboxLost, match=r"cannot list pods: (Value|JSONDecode|Recursion)Error"):
        await backend.ping()
    await backend.ping()


async def test_leftovers_are_looked_for_again_after_lists_that_make_no_sense(cluster: ScriptedCluster) -> None:
    backend = KubernetesBackend(settings_for(cluster, kubernetes_sweep_seconds=0.1))
    await backend.start()
    cluster.garble(LIST, NO_LIST, times=4)
    await until(lambda: backend.unreadable == 4)

    others = SANDBOX | {"codearena.executor": "other"}
    await cluster.add("forgotten", others, datetime.now(UTC) - timedelta(days=2), RUNNING)
    await until(lambda: not cluster.pods)
    assert backend.orphans_removed == 1
    await backend.stop()


@pytest.mark.parametrize(
    "event",
    [
        '{"type": "MODIFIED", "object": {}}',
        '{"type": "ERROR", "object": null}',
        '{"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": 7}}}',
    ],
)
async def test_a_watch_that_tells_nonsense_is_begun_again(cluster: ScriptedCluster, event: str) -> None:
    backend = KubernetesBackend(settings_for(cluster, kubernetes_watch_seconds=1))
    await backend.start()
    sandbox = await backend.create()
    before = backend.relists
    cluster.garble("watch=1", event + "\n", times=2)
    await until(lambda: backend.relists >= before + 2)

    await cluster.set_status(sandbox.name, ended("Error", 137, reason="Evicted"))
    await until(lambda: not sandbox.alive)
    assert backend.unreadable == 2
    await sandbox.destroy()
    await backend.stop()
    assert cluster.pods == {}


async def test_two_that_count_against_a_quota_at_once_do_not_fail(
    cluster: ScriptedCluster, backend: KubernetesBackend
) -> None:
    said = 'Operation cannot be fulfilled on resourcequotas "pods": the object has been modified'
    cluster.fail("^POST", 409, "Conflict", said, times=1)
    await (await backend.create()).destroy()


REFUSALS = [
    (403, "Forbidden", 'pods "x" is forbidden: exceeded quota: pods, requested: pods=1, used: pods=9', "ResourceQuota"),
    (403, "Forbidden", 'pods is forbidden: User "x" cannot create resource "pods"', "role in k8s/base"),
    (401, "Unauthorized", "Unauthorized", "expired"),
    (404, "NotFound", 'namespaces "codearena-sandboxes" not found', "make the namespace"),
    (422, "Invalid", "Pod is invalid", "see the API server's log"),
]


@pytest.mark.parametrize(("status", "reason", "message", "advice"), REFUSALS)
async def test_a_refusal_says_what_to_do_and_is_not_repeated(
    cluster: ScriptedCluster, backend: KubernetesBackend, status: int, reason: str, message: str, advice: str
) -> None:
    before = cluster.count("^POST")
    cluster.fail("^POST", status, reason, message)
    with pytest.raises(SandboxLost, match=advice):
        await backend.create()
    assert cluster.count("^POST") - before == 1


UNSCHEDULED = {"type": "PodScheduled", "status": "False", "message": "0/3 nodes are available: 3 Insufficient cpu."}
FATES: list[tuple[Json, str]] = [
    (waiting("ErrImagePull", "manifest unknown"), "ErrImagePull: manifest unknown .*CODEARENA_KUBERNETES_IMAGE"),
    (waiting("ErrImageNeverPull", "not present"), "ErrImageNeverPull: not present .*load the image"),
    (waiting("CreateContainerError", "no such runtime"), "CreateContainerError: no such runtime"),
    ({"phase": "Failed", "reason": "Evicted", "message": "Node had condition: [DiskPressure]"}, "Evicted Node had"),
    (ended("StartError", 128), "its container ended at once|Failed"),
]


@pytest.mark.parametrize(("fate", "said"), FATES)
async def test_a_pod_that_cannot_start_is_given_up_at_once(
    cluster: ScriptedCluster, backend: KubernetesBackend, fate: Json, said: str
) -> None:
    cluster.fates = [fate]
    with pytest.raises(SandboxLost, match=said):
        await asyncio.wait_for(backend.create(), 8)
    await until(lambda: not cluster.pods)


async def test_a_pod_that_no_node_takes_is_given_up_in_time(cluster: ScriptedCluster) -> None:
    backend = KubernetesBackend(settings_for(cluster, kubernetes_boot_seconds=1))
    await backend.start()
    cluster.fates = [{"phase": "Pending", "conditions": [UNSCHEDULED]}]
    with pytest.raises(SandboxLost, match=r"Insufficient cpu.*add nodes"):
        await backend.create()
    await backend.stop()
    assert cluster.pods == {}


ENDS: list[tuple[Json, type[Exception], str]] = [
    (ended("OOMKilled", 137), HarnessDied, "ran out of memory"),
    (ended("Error", 70), HarnessDied, "exit code 70.*a word on stderr"),
    (ended("Error", 137), SandboxLost, "somebody outside killed"),
    (ended("Completed", 0), SandboxLost, "connection to the sandbox was lost"),
    (ended("ContainerStatusUnknown", 42), SandboxLost, "could not run the sandbox: ContainerStatusUnknown"),
    (
        ended("Error", 137, reason="Evicted", message="The node was low on resource: memory."),
        SandboxLost,
        "Evicted The node was low",
    ),
    (
        ended("Error", 137, reason="Evicted", message='Usage of EmptyDir volume "tmp" exceeds the limit "16Mi". '),
        HarnessDied,
        "evicted for what it wrote",
    ),
    (ended("Error", 137, reason="DeadlineExceeded"), SandboxLost, "DeadlineExceeded"),
    ({"reason": "NodeLost", "message": "Node n1 is unresponsive"}, SandboxLost, "deleted|NodeLost"),
]


@pytest.mark.parametrize(("end", "kind", "said"), ENDS)
async def test_who_ended_a_program_is_told(
    cluster: ScriptedCluster, backend: KubernetesBackend, end: Json, kind: type[Exception], said: str
) -> None:
    sandbox = await backend.create()
    assert await sandbox.run(JOB) == b"a job"
    cluster.answer = lambda name, payload: None
    running = asyncio.create_task(sandbox.run(JOB))
    await cluster.hang_up(sandbox.name)
    await asyncio.sleep(0)
    if "phase" not in end:
        cluster.pods[sandbox.name]["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    await cluster.set_status(sandbox.name, end)

    with pytest.raises(kind, match=said) as caught:
        await running
    assert getattr(caught.value, "out_of_memory", False) == ("OOMKilled" in str(end))
    await sandbox.destroy()


async def test_a_pod_that_is_deleted_under_its_program_is_lost(
    cluster: ScriptedCluster, backend: KubernetesBackend
) -> None:
    cluster.answer = lambda name, payload: None
    sandbox = await backend.create()
    running = asyncio.create_task(sandbox.run(JOB))
    await until(lambda: cluster.count("^PATCH"))
    await cluster.remove(sandbox.name)
    with pytest.raises(SandboxLost, match="somebody deleted the sandbox's pod"):
        await running
    await sandbox.destroy()


async def test_an_answer_that_never_ends_is_refused_and_not_kept(
    cluster: ScriptedCluster, backend: KubernetesBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.executor.scripted_cluster.frame", lambda payload: b"\xff\xff\xff\xff" + payload)
    with pytest.raises(SandboxLost, match="frame of 4294967295 bytes"):
        await backend.create()


async def test_an_outage_is_survived_and_leaves_nothing(cluster: ScriptedCluster, backend: KubernetesBackend) -> None:
    cluster.answer = lambda name, payload: None
    used, spare = await backend.create(), await backend.create()
    running = asyncio.create_task(used.run(JOB))
    await until(lambda: cluster.count("^PATCH"))

    await cluster.proxy.down()
    with pytest.raises(SandboxLost):
        await running
    with pytest.raises(SandboxLost, match="Cannot connect"):
        await backend.create()
    with pytest.raises(SandboxLost):
        await backend.ping()
    await asyncio.wait_for(asyncio.gather(used.destroy(), spare.destroy()), 20)
    assert len(cluster.pods) == 2, "they could not be deleted"

    await cluster.proxy.up()
    await until(lambda: not cluster.pods)
    assert backend.orphans_removed == 2
    await backend.ping()
    cluster.answer = lambda name, payload: payload
    sandbox = await backend.create()
    assert await sandbox.run(JOB) == b"a job"
    await sandbox.destroy()


async def test_a_server_that_hangs_is_given_up(cluster: ScriptedCluster) -> None:
    backend = KubernetesBackend(settings_for(cluster, kubernetes_timeout_seconds=0.5))
    await backend.start()
    cluster.proxy.hang()
    with pytest.raises(SandboxLost, match="TimeoutError"):
        await asyncio.wait_for(backend.ping(), 10)
    cluster.proxy.go_on()
    await backend.ping()
    await backend.stop()
    assert cluster.pods == {}


async def test_a_creation_that_is_cancelled_leaves_nothing(
    cluster: ScriptedCluster, backend: KubernetesBackend
) -> None:
    cluster.fates = [{"phase": "Pending"}] * 3
    for moment in (0.0, 0.01, 0.1):
        making = asyncio.create_task(backend.create())
        await asyncio.sleep(moment)
        making.cancel()
        await asyncio.wait([making])
    await until(lambda: not cluster.pods)


async def test_what_dead_executors_left_is_deleted_and_nothing_else(cluster: ScriptedCluster) -> None:
    now = datetime.now(UTC)
    others = SANDBOX | {"codearena.executor": "other"}
    await cluster.add("forgotten", others, now - timedelta(days=2), RUNNING)
    await cluster.add("in-use", others, now - timedelta(minutes=5), RUNNING)
    await cluster.add("just-ended", others, now - timedelta(minutes=5), ended("Completed", 0))
    await cluster.add("no-sandbox", {"app": "else"}, now - timedelta(days=2), RUNNING)

    backend = KubernetesBackend(settings_for(cluster))
    await backend.start()
    assert backend.orphans_removed == 1
    assert set(cluster.pods) == {"in-use", "just-ended", "no-sandbox"}
    await backend.stop()
    assert set(cluster.pods) == {"in-use", "just-ended", "no-sandbox"}


async def test_another_image_behind_the_same_name_is_not_used(
    cluster: ScriptedCluster, backend: KubernetesBackend
) -> None:
    status = {"name": "sandbox", "imageID": "docker://sha256:two", "state": {"running": {}}}
    cluster.fates = [RUNNING | {"containerStatuses": [status]}]
    with pytest.raises(SandboxLost, match="name it by its digest"):
        await backend.create()
    await until(lambda: not cluster.pods)


@pytest.mark.parametrize(
    ("changes", "advice"),
    [
        ({"kubernetes_image": ""}, "CODEARENA_KUBERNETES_IMAGE"),
        ({"kubernetes_kubeconfig": Path("/nonexistent")}, "KUBECONFIG"),
        ({"kubernetes_context": "other"}, "KUBECONFIG"),
    ],
)
async def test_what_is_not_set_up_is_said(cluster: ScriptedCluster, changes: dict[str, Any], advice: str) -> None:
    backend = KubernetesBackend(settings_for(cluster, **changes))
    with pytest.raises(SandboxLost, match=advice):
        await backend.start()
    await backend.stop()
