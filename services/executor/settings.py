"""Settings of the executor service, from environment variables."""

from __future__ import annotations

import os
from typing import Annotated, Literal

from pydantic import Field, SecretStr, field_validator, model_validator

from services.common.settings import ServiceSettings
from services.common.shared_store import check_redis_url
from services.executor.kubernetes_settings import KubernetesSettings

BackendChoice = Literal["auto", "docker", "process", "kubernetes"]
_LONGEST_JOB_SECONDS = 300
Weight = Annotated[float, Field(gt=0, le=1000, allow_inf_nan=False)]


def cores() -> int:
    """Returns how many cores this process may use."""
    return len(os.sched_getaffinity(0))


class ExecutorSettings(KubernetesSettings, ServiceSettings):
    """See each field; the variable is CODEARENA_ and its name in capitals unless an alias is given."""

    port: int = Field(default=50052, ge=0, le=65535, validation_alias="CODEARENA_EXECUTOR_PORT")
    metrics_port: int | None = Field(default=9102, ge=0, le=65535, validation_alias="CODEARENA_EXECUTOR_METRICS_PORT")
    sandbox_backend: BackendChoice = Field(
        default="auto", description="auto takes docker where an engine answers, else process."
    )
    slots: int = Field(
        default_factory=cores,
        ge=1,
        le=1024,
        validation_alias="CODEARENA_EXECUTOR_SLOTS",
        description="Programs that run at once; the number of cores by default.",
    )
    queue: int = Field(
        default=256,
        ge=0,
        le=100_000,
        validation_alias="CODEARENA_EXECUTOR_QUEUE",
        description="Requests that may wait for a slot.",
    )
    run_weights: dict[str, Weight] = Field(
        default_factory=dict,
        validation_alias="CODEARENA_EXECUTOR_RUN_WEIGHTS",
        description="JSON object: a training run's share of slots and queue relative to others; 1 if not named.",
    )
    warm: int | None = Field(
        default=None,
        ge=0,
        le=1024,
        validation_alias="CODEARENA_EXECUTOR_WARM",
        description="Sandboxes kept ready when nothing is asked for; as many as slots by default.",
    )
    warm_max: int | None = Field(
        default=None,
        ge=0,
        le=4096,
        validation_alias="CODEARENA_EXECUTOR_WARM_MAX",
        description="Sandboxes kept ready at most, however much is asked for; four times the slots by default.",
    )
    starting: int = Field(
        default_factory=cores,
        ge=1,
        le=1024,
        validation_alias="CODEARENA_EXECUTOR_STARTING",
        description="Sandboxes that are made at once; the number of cores by default.",
    )
    sandbox_age_seconds: float = Field(
        default=300.0,
        ge=1,
        allow_inf_nan=False,
        validation_alias="CODEARENA_EXECUTOR_SANDBOX_AGE_SECONDS",
        description="A ready sandbox is thrown away before it is older than this.",
    )
    canary_seconds: float = Field(
        default=300.0,
        ge=1,
        allow_inf_nan=False,
        validation_alias="CODEARENA_EXECUTOR_CANARY_SECONDS",
        description="Time between two trials of whether sandboxes keep a program in.",
    )
    reference_refresh_seconds: float = Field(
        default=600.0, gt=0, description="Age at which a reference solution is measured anew."
    )
    verdict_cache_entries: int = Field(
        default=4096,
        ge=0,
        le=1_000_000,
        validation_alias="CODEARENA_EXECUTOR_VERDICT_CACHE_ENTRIES",
        description="Verdicts kept for equal programs; 0 grades each program anew.",
    )
    verdict_cache_bytes: int = Field(
        default=64 << 20,
        ge=0,
        validation_alias="CODEARENA_EXECUTOR_VERDICT_CACHE_BYTES",
        description="Bytes of all kept verdicts together.",
    )
    verdict_cache_url: SecretStr | None = Field(
        default=None,
        description="redis:// URL of a store of verdicts that executors share; as trusted as they are.",
    )
    docker_host: str | None = Field(default=None, description="Address of the engine, if not the usual one.")
    docker_timeout_seconds: float = Field(
        default=30.0, ge=1, le=600, allow_inf_nan=False, description="Time for one call to the engine."
    )
    docker_runtime: str | None = Field(default=None, description="OCI runtime, e.g. runc or runsc.")
    sandbox_image: str | None = Field(
        default=None, description="Sandbox image that is on the engine, used as it is; unset makes one."
    )
    sandbox_image_source: Literal["auto", "host", "registry"] = Field(
        default="auto", description="Build the sandbox image from a public Python image or from this interpreter."
    )
    sandbox_base_image: str = Field(default="", description="The public Python image; empty takes ours.")

    @field_validator("verdict_cache_url")
    @classmethod
    def _is_redis(cls, url: SecretStr | None) -> SecretStr | None:
        return check_redis_url(url)

    @model_validator(mode="after")
    def _warm_fits(self) -> ExecutorSettings:
        if self.warm is not None and self.warm_max is not None and self.warm_max < self.warm:
            raise ValueError("CODEARENA_EXECUTOR_WARM_MAX must not be below CODEARENA_EXECUTOR_WARM")
        return self

    @model_validator(mode="after")
    def _pods_live_long_enough(self) -> ExecutorSettings:
        longest = self.sandbox_age_seconds + _LONGEST_JOB_SECONDS
        if self.sandbox_backend == "kubernetes" and self.kubernetes_lifetime_seconds < longest:
            raise ValueError(
                f"CODEARENA_KUBERNETES_LIFETIME_SECONDS must be {_LONGEST_JOB_SECONDS} more than "
                "CODEARENA_EXECUTOR_SANDBOX_AGE_SECONDS, so that no pod ends under its program"
            )
        return self

    @property
    def warm_range(self) -> tuple[int, int]:
        """The least and the most sandboxes that are kept ready."""
        most = 4 * self.slots if self.warm_max is None else self.warm_max
        least = min(self.slots, most) if self.warm is None else self.warm
        return least, max(least, most)
