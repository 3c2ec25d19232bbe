"""What the docker sandbox backend can be told."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

ImageSource = Literal["auto", "host", "registry"]

_MIB = 1024 * 1024


def default_base_image() -> str:
    """Returns the public Python image of this interpreter's minor version."""
    return f"python:{sys.version_info.major}.{sys.version_info.minor}-slim-bookworm"


@dataclass(frozen=True, slots=True, kw_only=True)
class DockerOptions:
    """Settings of `DockerBackend`.

    Attributes:
        data_dir: The executor's data directory; the packed interpreter is kept in its folder `sandbox`.
        harness_dir: Folder of the harness's `__main__.py`.
        docker_host: Address of the engine, `unix:///…` or `tcp://…`; None takes `DOCKER_HOST`,
            `DOCKER_TLS_VERIFY` and `DOCKER_CERT_PATH` from the environment, as docker's own tools do.
        image: A sandbox image that is on the engine and used as it is; None has one made.
        image_source: "registry" builds the sandbox image from `base_image`, "host" packs this machine's
            interpreter, "auto" takes the first if the base image can be had and else the second.
        base_image: A Python image; used if it is on the engine or can be pulled.
        memory_bytes: The most that a submission may use: what the most demanding task may allow it. Below that the
            resource limits of its own task hold.
        memory_margin_bytes: Added for the interpreter, the harness and what lies on the tmpfs; together they
            are the container's limit, without swap.
        pids: Processes and threads in a container, the harness included.
        cpus: CPU time per elapsed time.
        tmpfs_bytes: Size of /tmp, the only place that can be written to. Also the longest file.
        open_files: File descriptors of a process.
        runtime: Name of an OCI runtime that the engine knows, e.g. "runsc"; None takes its default.
        boot_timeout_seconds: From a container's start until its harness is ready.
        call_timeout_seconds: For one call to the engine.
        build_timeout_seconds: For making the sandbox image.
        pull_answer_seconds: How long a registry may stay silent while the base image is pulled.
        sweep_seconds: How often leftovers are looked for.
    """

    data_dir: Path
    harness_dir: Path = Path(__file__).parent / "harness"
    docker_host: str | None = None
    image: str | None = None
    image_source: ImageSource = "auto"
    base_image: str = ""
    memory_bytes: int = 1024 * _MIB
    memory_margin_bytes: int = 96 * _MIB
    pids: int = 64
    cpus: float = 1.0
    tmpfs_bytes: int = 16 * _MIB
    open_files: int = 256
    runtime: str | None = None
    boot_timeout_seconds: float = 20.0
    call_timeout_seconds: float = 30.0
    build_timeout_seconds: float = 600.0
    pull_answer_seconds: float = 8.0
    sweep_seconds: float = 60.0

    def __post_init__(self) -> None:
        """Checks the values.

        Raises:
            ValueError: One is out of range; the message names it.
        """
        if not self.base_image:
            object.__setattr__(self, "base_image", default_base_image())
        if self.image_source not in ("auto", "host", "registry"):
            raise ValueError(f"image_source must be auto, host or registry, not {self.image_source!r}")
        for name, low, high in _RANGES:
            value = getattr(self, name)
            if not low <= value <= high:
                raise ValueError(f"{name} must be from {low} to {high}, not {value}")

    @property
    def container_memory_bytes(self) -> int:
        """The memory limit of a container."""
        return self.memory_bytes + self.memory_margin_bytes


_RANGES: tuple[tuple[str, float, float], ...] = (
    ("memory_bytes", 16 * _MIB, 1024 * 1024 * _MIB),
    ("memory_margin_bytes", 32 * _MIB, 1024 * _MIB),
    ("pids", 4, 4096),
    ("cpus", 0.05, 1024),
    ("tmpfs_bytes", 1 * _MIB, 1024 * _MIB),
    ("open_files", 32, 65536),
    ("boot_timeout_seconds", 1, 600),
    ("call_timeout_seconds", 1, 600),
    ("build_timeout_seconds", 10, 3600),
    ("pull_answer_seconds", 1, 600),
    ("sweep_seconds", 0.1, 3600),
)
