"""The pod of a sandbox: what the cluster is told, and what it would say to it."""

from __future__ import annotations

from typing import Any

import kubernetes_validate
import pytest
from pydantic import ValidationError

from services.executor.kubernetes_pod import pod_manifest
from services.executor.kubernetes_settings import KubernetesSettings
from services.executor.settings import ExecutorSettings

OLDEST, NEWEST = "1.29", "1.37"
EVERYTHING = KubernetesSettings(
    kubernetes_image="registry.example/codearena-sandbox@sha256:" + "0" * 64,
    kubernetes_runtime_class="gvisor",
    kubernetes_service_account="codearena-sandbox",
    kubernetes_priority_class="codearena-sandbox",
    kubernetes_node_selector={"node.example/type": "sandbox"},
    kubernetes_tolerations=({"key": "sandbox", "operator": "Exists", "effect": "NoSchedule"},),
    kubernetes_image_pull_secrets=("registry",),
    kubernetes_seccomp_profile="codearena/sandbox.json",
)


def manifest(settings: KubernetesSettings, **how: Any) -> dict[str, Any]:
    return pod_manifest("codearena-sandbox-1", {"codearena.role": "sandbox"}, ("python3", "x"), settings, **how)


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
@pytest.mark.parametrize("resolver", [False, True])
def test_the_schemas_of_kubernetes_know_every_field(version: str, resolver: bool) -> None:
    kubernetes_validate.validate(manifest(EVERYTHING, resolver=resolver), version, strict=True)
    kubernetes_validate.validate(manifest(KubernetesSettings(kubernetes_image="x")), version, strict=True)


def test_the_pod_can_do_nothing_but_compute() -> None:
    spec = manifest(KubernetesSettings(kubernetes_image="x"))["spec"]
    (container,) = spec["containers"]

    assert spec["automountServiceAccountToken"] is spec["enableServiceLinks"] is spec["hostUsers"] is False
    assert (spec["dnsPolicy"], spec["dnsConfig"]) == ("None", {"nameservers": ["127.0.0.1"]})
    assert spec["restartPolicy"] == "Never"
    assert spec["activeDeadlineSeconds"] == 3600
    assert not {"hostNetwork", "hostPID", "hostIPC", "shareProcessNamespace", "initContainers"} & set(spec)
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "privileged": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert container["resources"]["limits"] == container["resources"]["requests"]
    assert all(volume["emptyDir"]["medium"] == "Memory" for volume in spec["volumes"])
    assert [mount["mountPath"] for mount in container["volumeMounts"] if not mount.get("readOnly")] == ["/tmp"]
    assert (container["stdin"], container["stdinOnce"]) == (True, True), "it ends with the one who attached"


def test_less_cpu_may_be_set_aside_than_allowed() -> None:
    settings = KubernetesSettings(kubernetes_image="x", kubernetes_cpus=2, kubernetes_cpu_request=0.25)
    resources = manifest(settings)["spec"]["containers"][0]["resources"]
    assert (resources["limits"]["cpu"], resources["requests"]["cpu"]) == ("2000m", "250m")


@pytest.mark.parametrize(
    "wrong",
    [
        {"kubernetes_namespace": "Not A Name"},
        {"kubernetes_cpus": 0},
        {"kubernetes_canary_targets": ("no port",)},
        {"kubernetes_tolerated_probes": ("everything",)},
        {"kubernetes_calls_per_second": 0},
        {"sandbox_backend": "kubernetes", "kubernetes_lifetime_seconds": 600, "sandbox_age_seconds": 500},
    ],
)
def test_wrong_settings_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ExecutorSettings(**wrong)


@pytest.mark.parametrize("backend", ["auto", "docker", "process"])
def test_the_life_of_pods_bounds_no_sandbox_of_another_kind(backend: str) -> None:
    assert ExecutorSettings(sandbox_backend=backend, sandbox_age_seconds=86_400).sandbox_age_seconds == 86_400
