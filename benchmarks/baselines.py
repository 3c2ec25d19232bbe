"""What the figures are compared with: a bare subprocess, `docker run`, and the engine's own ceiling."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from docker import APIClient
from docker.utils import kwargs_from_env

from services.executor.docker_container import create_container
from services.executor.docker_options import DockerOptions


def bare(file: Path) -> float:
    """Runs a file with this interpreter in a process of its own. Returns the seconds it took."""
    started = time.perf_counter()
    subprocess.run([sys.executable, str(file)], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def docker_run(image: str, file: Path) -> float:
    """Runs a file by `docker run --rm` without a network. Returns the seconds it took."""
    docker = shutil.which("docker") or "docker"
    started = time.perf_counter()
    with file.open("rb") as source:
        subprocess.run(
            [docker, "run", "--rm", "-i", "--network", "none", image, "/usr/local/bin/python3", "-"],
            check=True,
            stdin=source,
            stdout=subprocess.DEVNULL,
        )
    return time.perf_counter() - started


@contextmanager
def engine_cycle(image: str, data_dir: Path) -> Iterator[Callable[[], None]]:
    """Yields a function that creates, starts and removes one container.

    It is made as a sandbox is, with all that keeps a submission in and the same command, and serves nobody: the least
    that the engine can do for a container that is used once.
    """
    client = APIClient(version="auto", timeout=60, **kwargs_from_env())
    options = DockerOptions(data_dir=data_dir)

    def cycle() -> None:
        name = f"codearena-ceiling-{uuid4().hex}"
        create_container(client, name, image, {"codearena.role": "benchmark"}, options, seccomp=True)
        client.start(name)
        client.remove_container(name, v=True, force=True)

    try:
        yield cycle
    finally:
        client.close()


def rate(action: Callable[[], object], count: int, threads: int) -> float:
    """Returns how many actions a second `threads` threads get done, over `count` of them."""
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(lambda _: action(), range(threads)))
        started = time.perf_counter()
        list(pool.map(lambda _: action(), range(count)))
        return count / (time.perf_counter() - started)
