"""How a sandbox container is made: everything that keeps a submission in."""

from __future__ import annotations

from collections.abc import Mapping

from docker import APIClient
from docker.types import ContainerConfig, HostConfig, LogConfig, Ulimit

from services.executor.docker_options import DockerOptions
from services.executor.protocol import ENVIRONMENT
from services.executor.rootfs import COMMAND
from services.executor.seccomp_profile import profile

_NOBODY = "65534:65534"


def create_container(
    client: APIClient,
    name: str,
    image: str,
    labels: Mapping[str, str],
    options: DockerOptions,
    *,
    seccomp: bool,
) -> None:
    """Makes a container, not yet started, whose first process is the harness.

    Args:
        client: The engine.
        name: Name of the container.
        image: Tag of the sandbox image.
        labels: Labels of the container.
        options: Its limits.
        seccomp: Whether the engine can apply a seccomp profile.

    Raises:
        docker.errors.DockerException, requests.RequestException: The engine refuses or is away.
    """
    config = container_config(client, image, labels, options, seccomp=seccomp)
    client.create_container_from_config(config, name)  # type: ignore[no-untyped-call]


def container_config(
    client: APIClient, image: str, labels: Mapping[str, str], options: DockerOptions, *, seccomp: bool
) -> ContainerConfig:
    """Returns the body of the request that makes such a container; asks the engine nothing."""
    return client.create_container_config(
        image,
        command=[],
        entrypoint=list(COMMAND),
        environment=ENVIRONMENT,
        user=_NOBODY,
        hostname="sandbox",
        working_dir="/tmp",  # noqa: S108 - inside the container, on its tmpfs
        stdin_open=True,
        tty=False,
        network_disabled=True,
        labels=dict(labels),
        host_config=_host_config(client, options, seccomp=seccomp),
    )


def _host_config(client: APIClient, options: DockerOptions, *, seccomp: bool) -> HostConfig:
    security = ["no-new-privileges:true"]
    if seccomp:
        security.append(f"seccomp={profile()}")
    return client.create_host_config(
        network_mode="none",
        ipc_mode="none",
        cap_drop=["ALL"],
        security_opt=security,
        read_only=True,
        tmpfs={"/tmp": f"rw,noexec,nosuid,nodev,size={options.tmpfs_bytes},mode=1777"},  # noqa: S108
        mem_limit=options.container_memory_bytes,
        memswap_limit=options.container_memory_bytes,
        pids_limit=options.pids,
        nano_cpus=round(options.cpus * 1e9),
        ulimits=[
            Ulimit(name="nofile", soft=options.open_files, hard=options.open_files),
            Ulimit(name="core", soft=0, hard=0),
            Ulimit(name="fsize", soft=options.tmpfs_bytes, hard=options.tmpfs_bytes),
        ],
        log_config=LogConfig(type="none"),
        restart_policy={"Name": "no"},
        init=False,
        runtime=options.runtime,
    )
