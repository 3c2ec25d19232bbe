"""How a sandbox's pod is made: everything that keeps a submission in."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from services.executor.kubernetes_settings import KubernetesSettings
from services.executor.kubernetes_status import CONTAINER
from services.executor.protocol import ENVIRONMENT
from services.executor.rootfs import COMMAND

_NOBODY = 65534
_NOWHERE = "127.0.0.1"
# What the API server and its plug-ins add to every pod, and an operator may choose: nothing that opens a sandbox.
_MAY_ADD = frozenset(
    {
        *("nodeName", "schedulerName", "serviceAccount", "serviceAccountName", "priority", "priorityClassName"),
        *("preemptionPolicy", "nodeSelector", "affinity", "topologySpreadConstraints", "overhead"),
        *("imagePullSecrets", "terminationMessagePath", "terminationMessagePolicy", "subdomain"),
        "activeDeadlineSeconds",
    }
)
_QUANTITY = re.compile(r"(\d+)(m|k|M|G|Ki|Mi|Gi|)")
_UNITS = {"m": Decimal("0.001"), "": Decimal(1)} | {
    f"{unit.upper() if i else unit}{i}": Decimal(1024 if i else 1000) ** power
    for power, unit in enumerate(("k", "M", "G"), 1)
    for i in ("", "i")
}


def pod_manifest(
    name: str,
    labels: Mapping[str, str],
    command: Sequence[str],
    settings: KubernetesSettings,
    *,
    resolver: bool = False,
) -> dict[str, Any]:
    """Returns a pod that meets the `restricted` Pod Security Standard and can do nothing but compute.

    Args:
        name: Name of the pod.
        labels: Its labels.
        command: Its only program; ends when its stdin does, which is when the one who attached lets go.
        settings: Image, limits and where it may run.
        resolver: Let it know the cluster's name servers; no sandbox does.
    """
    spec: dict[str, Any] = {
        "restartPolicy": "Never",
        "activeDeadlineSeconds": settings.kubernetes_lifetime_seconds,
        "terminationGracePeriodSeconds": 0,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "dnsPolicy": "ClusterFirst" if resolver else "None",
        "hostname": "sandbox",
        "securityContext": _pod_security(settings),
        "containers": [_container(command, settings)],
        "volumes": [
            {"name": "tmp", "emptyDir": {"medium": "Memory", "sizeLimit": str(settings.kubernetes_tmp_bytes)}},
            {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": "4Ki"}},
        ],
    }
    if not resolver:
        spec["dnsConfig"] = {"nameservers": [_NOWHERE]}
    if settings.kubernetes_user_namespaces:
        spec["hostUsers"] = False
    spec |= _placement(settings)
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": settings.kubernetes_namespace, "labels": dict(labels)},
        "spec": spec,
    }


def pooled_spec(settings: KubernetesSettings) -> dict[str, Any]:
    """Returns what a pod of a warm pool is made of: a sandbox that waits, without an end, until somebody greets it."""
    spec: dict[str, Any] = pod_manifest("", {}, (*COMMAND, "greeted", "for-ever"), settings)["spec"]
    del spec["activeDeadlineSeconds"]  # its claim has an end
    return spec


def differences(expected: Mapping[str, Any], found: Mapping[str, Any]) -> list[str]:
    """Returns in what a pod differs from one that would have been made here; empty if in nothing that counts.

    Args:
        expected: The spec of a pod as `pod_manifest` makes it.
        found: A spec as the API server has it.
    """
    said = list(_differ("", {**expected, "tolerations": []}, {**found, "tolerations": []}))
    have = found.get("tolerations") or []
    return said + [f"no toleration {wanted}" for wanted in expected.get("tolerations") or () if wanted not in have]


def _differ(where: str, expected: object, found: object) -> Iterator[str]:
    if isinstance(expected, Mapping) and isinstance(found, Mapping):
        for key in expected.keys() - found.keys():
            yield f"{where}{key} is missing"
        for key in found.keys() - expected.keys() - _MAY_ADD:
            yield f"{where}{key} is {found[key]!r:.100}"
        for key in expected.keys() & found.keys():
            yield from _differ(f"{where}{key}.", expected[key], found[key])
    elif isinstance(expected, list) and isinstance(found, list) and len(expected) == len(found):
        for number, (one, other) in enumerate(zip(expected, found, strict=True)):
            yield from _differ(f"{where}{number}.", one, other)
    elif expected != found and _quantity(expected) != _quantity(found):
        yield f"{where.rstrip('.')} is {found!r:.100}, not {expected!r:.100}"


def _quantity(value: object) -> object:
    """Returns a quantity as a number, since 1000m and 1 are the same; anything else as it is."""
    parts = _QUANTITY.fullmatch(value) if isinstance(value, str) else None
    return Decimal(parts[1]) * _UNITS[parts[2]] if parts else value


def _pod_security(settings: KubernetesSettings) -> dict[str, Any]:
    profile = settings.kubernetes_seccomp_profile
    seccomp = {"type": "Localhost", "localhostProfile": profile} if profile else {"type": "RuntimeDefault"}
    return {
        "runAsNonRoot": True,
        "runAsUser": _NOBODY,
        "runAsGroup": _NOBODY,
        "seccompProfile": seccomp,
    }


def _container(command: Sequence[str], settings: KubernetesSettings) -> dict[str, Any]:
    kept = {"memory": str(settings.kubernetes_memory_bytes), "ephemeral-storage": "64Mi"}
    return {
        "name": CONTAINER,
        "image": settings.kubernetes_image,
        "imagePullPolicy": settings.kubernetes_image_pull_policy,
        "command": list(command),
        "env": [{"name": name, "value": value} for name, value in ENVIRONMENT.items()],
        "workingDir": "/tmp",  # noqa: S108 - inside the pod, on its tmpfs
        "stdin": True,
        "stdinOnce": True,
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "privileged": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "resources": {
            "limits": kept | {"cpu": _cpu(settings.kubernetes_cpus)},
            "requests": kept | {"cpu": _cpu(settings.cpu_request)},
        },
        "volumeMounts": [
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108
            # In the place of the runtime's own one, which anybody may write to.
            {"name": "shm", "mountPath": "/dev/shm", "readOnly": True},  # noqa: S108
        ],
    }


def _placement(settings: KubernetesSettings) -> dict[str, Any]:
    chosen = {
        "runtimeClassName": settings.kubernetes_runtime_class,
        "serviceAccountName": settings.kubernetes_service_account,
        "priorityClassName": settings.kubernetes_priority_class,
        "nodeSelector": settings.kubernetes_node_selector,
        "tolerations": list(settings.kubernetes_tolerations),
        "imagePullSecrets": [{"name": name} for name in settings.kubernetes_image_pull_secrets],
    }
    return {key: value for key, value in chosen.items() if value}


def _cpu(cores: float) -> str:
    return f"{max(1, round(cores * 1000))}m"
