"""Settings of the kubernetes sandbox backend, from environment variables."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints
from pydantic_settings import BaseSettings, SettingsConfigDict

_MIB = 1 << 20
_NAME = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"

NetworkProbe = Literal["api_server", "metadata", "dns", "peer", "elsewhere"]
Name = Annotated[str, StringConstraints(pattern=_NAME, max_length=253)]
Target = Annotated[str, StringConstraints(pattern=r"^\S+:\d{1,5}$", max_length=260)]


class KubernetesSettings(BaseSettings):
    """See each field; the variable is CODEARENA_ and its name in capitals."""

    model_config = SettingsConfigDict(
        env_prefix="CODEARENA_", frozen=True, extra="ignore", populate_by_name=True, env_ignore_empty=True
    )

    kubernetes_kubeconfig: Path | None = Field(
        default=None,
        description="File of credentials; unset takes the pod's own service account, or else KUBECONFIG.",
    )
    kubernetes_context: str | None = Field(default=None, description="Context of that file, if not its current one.")
    kubernetes_namespace: Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")] = Field(
        default="codearena-sandboxes", max_length=63, description="Namespace of the pods; holds nothing else."
    )
    kubernetes_image: str = Field(
        default="", description="The sandbox image, best by digest; `python -m services.executor.image` makes one."
    )
    kubernetes_image_pull_policy: Literal["Always", "IfNotPresent", "Never"] = "IfNotPresent"
    kubernetes_image_pull_secrets: tuple[Name, ...] = Field(default=(), description="JSON list of secrets' names.")
    kubernetes_warm_pool: Name | None = Field(
        default=None,
        description="SandboxWarmPool of agent-sandbox to claim pods from; unset makes plain pods. What it must be like "
        "`python -m services.executor.kubernetes_template` prints.",
    )
    kubernetes_runtime_class: Name | None = Field(default=None, description="RuntimeClass, e.g. gvisor or kata.")
    kubernetes_service_account: Name | None = Field(
        default=None, description="Account of the pods, whose token they never get; the namespace's default if unset."
    )
    kubernetes_priority_class: Name | None = None
    kubernetes_node_selector: dict[str, str] = Field(
        default_factory=dict,
        description="JSON object: labels of the nodes. Name one machine type, as CPU times are compared.",
    )
    kubernetes_tolerations: tuple[dict[str, Any], ...] = Field(
        default=(), description="JSON list of tolerations, as in a pod."
    )
    kubernetes_seccomp_profile: str | None = Field(
        default=None, description="Profile on the nodes, below the kubelet's seccomp folder; the runtime's if unset."
    )
    kubernetes_user_namespaces: bool = Field(
        default=True, description="hostUsers: false. Older clusters ignore it; nodes that cannot do it need false."
    )
    kubernetes_cpus: float = Field(default=1.0, ge=0.05, le=1024, description="CPU limit of a pod.")
    kubernetes_cpu_request: float | None = Field(
        default=None, gt=0, le=1024, description="CPU that is set aside for a pod; its limit if unset."
    )
    kubernetes_memory_bytes: int = Field(
        default=1120 * _MIB,
        ge=64 * _MIB,
        description="Memory of a pod, request and limit: the most that a task allows, and 96 MiB.",
    )
    kubernetes_tmp_bytes: int = Field(
        default=16 * _MIB, ge=_MIB, le=1024 * _MIB, description="Size of /tmp, in memory."
    )
    kubernetes_boot_seconds: float = Field(
        default=60.0, ge=1, le=600, allow_inf_nan=False, description="From a pod's creation until its harness is ready."
    )
    kubernetes_timeout_seconds: float = Field(
        default=10.0, ge=0.1, le=600, allow_inf_nan=False, description="Time for one call to the API server."
    )
    kubernetes_lifetime_seconds: int = Field(
        default=3600, ge=600, le=86400, description="After that the cluster ends a pod, whoever forgot it."
    )
    kubernetes_sweep_seconds: float = Field(
        default=60.0, ge=0.1, le=3600, allow_inf_nan=False, description="How often leftovers are looked for."
    )
    kubernetes_watch_seconds: int = Field(
        default=60, ge=1, le=600, description="A watch is begun anew after that, and earlier where it is silent."
    )
    kubernetes_calls_per_second: float = Field(
        default=50.0, gt=0, le=10_000, allow_inf_nan=False, description="Calls to the API server in the long run."
    )
    kubernetes_burst: int = Field(default=100, ge=1, le=10_000, description="Calls that may be made at once.")
    kubernetes_canary_targets: tuple[Target, ...] = Field(
        default=(), description='JSON list of "host:port" that no sandbox may reach, tried by the canary.'
    )
    kubernetes_tolerated_probes: tuple[NetworkProbe, ...] = Field(
        default=(),
        description="JSON list of network probes that may succeed. Sandboxes are NOT cut off then: for tests on a "
        "cluster that enforces no NetworkPolicy. The executor then serves loopback only.",
    )

    @property
    def cpu_request(self) -> float:
        """CPU that is set aside for a pod."""
        return self.kubernetes_cpus if self.kubernetes_cpu_request is None else self.kubernetes_cpu_request
