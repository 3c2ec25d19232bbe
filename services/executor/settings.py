"""Settings of the executor service, from environment variables."""

from __future__ import annotations

import os
from typing import Literal

from pydantic import Field

from services.common.settings import ServiceSettings

BackendChoice = Literal["auto", "docker", "process"]


class ExecutorSettings(ServiceSettings):
    """See each field; the variable is CODEARENA_ and its name in capitals unless an alias is given."""

    port: int = Field(default=50052, ge=0, le=65535, validation_alias="CODEARENA_EXECUTOR_PORT")
    metrics_port: int | None = Field(default=9102, ge=0, le=65535, validation_alias="CODEARENA_EXECUTOR_METRICS_PORT")
    sandbox_backend: BackendChoice = Field(
        default="auto", description="auto takes docker where an engine answers, else process."
    )
    slots: int = Field(
        default_factory=lambda: max(1, os.cpu_count() or 1),
        ge=1,
        le=1024,
        validation_alias="CODEARENA_EXECUTOR_SLOTS",
        description="Sandboxes that run at once; the number of cores by default.",
    )
    warm: int | None = Field(
        default=None,
        ge=0,
        le=1024,
        validation_alias="CODEARENA_EXECUTOR_WARM",
        description="Sandboxes kept ready; as many as slots by default.",
    )
    queue: int = Field(
        default=256,
        ge=0,
        le=100_000,
        validation_alias="CODEARENA_EXECUTOR_QUEUE",
        description="Requests that may wait.",
    )
    reference_refresh_seconds: float = Field(
        default=600.0, gt=0, description="Age at which a reference solution is measured anew."
    )
    docker_host: str | None = Field(default=None, description="Address of the engine, if not the usual one.")
    docker_runtime: str | None = Field(default=None, description="OCI runtime, e.g. runc or runsc.")
    sandbox_image_source: Literal["auto", "host", "registry"] = Field(
        default="auto", description="Build the sandbox image from a public Python image or from this interpreter."
    )
    sandbox_base_image: str = Field(default="", description="The public Python image; empty takes ours.")

    @property
    def warm_count(self) -> int:
        """Sandboxes kept ready."""
        return self.slots if self.warm is None else self.warm
