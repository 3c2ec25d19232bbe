"""A stack of docker-compose.yml, brought up for tests with names, ports and secrets of its own."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.ops.manifests import ROOT

PROJECT = "codearena-test"
UP_SECONDS = 600


@dataclass(frozen=True)
class Stack:
    """A running stack.

    Attributes:
        env: Address of the arena.
        gateway: URL of the gateway.
        token: What both want to see.
    """

    variables: dict[str, str]
    env: str = ""
    gateway: str = ""
    token: str = ""

    def compose(self, *arguments: str, timeout: float = 120) -> str:
        """Runs `docker compose`; returns what it printed. Raises CalledProcessError, with what it said as a note."""
        command = ["docker", "compose", "--project-name", PROJECT, *arguments]
        ran = subprocess.run(
            command, cwd=ROOT, env=self.variables, capture_output=True, text=True, timeout=timeout, check=False
        )
        if ran.returncode:
            error = subprocess.CalledProcessError(ran.returncode, command)
            error.add_note(ran.stdout + ran.stderr)
            raise error
        return ran.stdout

    def python(self, service: str, code: str) -> str:
        """Runs code in a service's container; returns what it printed."""
        return self.compose("exec", "--no-TTY", service, "python", "-I", "-c", code).strip()

    def containers(self) -> dict[str, dict[str, Any]]:
        """Returns the engine's description of each container, by service; those that ended too."""
        ids = self.compose("ps", "--all", "--quiet").split()
        found = subprocess.run(["docker", "inspect", *ids], capture_output=True, text=True, check=True).stdout
        return {one["Config"]["Labels"]["com.docker.compose.service"]: one for one in json.loads(found)}


@contextmanager
def running(folder: Path, tag: str, socket: Path) -> Iterator[Stack]:
    """Brings a stack up and down again.

    Args:
        folder: Where its secrets are written.
        tag: Of our images; they are not built.
        socket: The engine's.
    """
    secrets = folder / "secrets"
    subprocess.run([ROOT / "tools/secrets.sh", secrets], check=True, capture_output=True)
    variables = {
        **os.environ,
        "CODEARENA_TAG": tag,
        "CODEARENA_SECRETS": str(secrets),
        "CODEARENA_PUBLISHED_PORT": "0",
        "CODEARENA_PUBLISHED_GATEWAY_PORT": "0",
        "DOCKER_SOCKET": str(socket),
        "DOCKER_GID": str(socket.stat().st_gid),
    }
    stack = Stack(variables)
    try:
        try:
            stack.compose("up", "--wait", "--no-build", timeout=UP_SECONDS)
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
            error.add_note(stack.compose("ps", "--all") + stack.compose("logs", "--no-color", "--tail=30"))
            raise
        yield Stack(
            variables,
            env=stack.compose("port", "env", "50051").strip(),
            gateway="http://" + stack.compose("port", "gateway", "7860").strip(),
            token=(secrets / "env/codearena_token").read_text().strip(),
        )
    finally:
        stack.compose("down", "--volumes", "--timeout", "60", timeout=180)
