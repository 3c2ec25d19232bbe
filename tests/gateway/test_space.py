"""The image of a hosted Space, built and played."""

import os
import subprocess
import time

import docker
import httpx2
import pytest

from codearena.openenv import OpenEnvClient
from services.gateway.settings import DASHBOARD
from tests.conftest import require
from tests.e2e.processes import ROOT, free_ports
from tests.gateway.conftest import RIGHT, is_healthy

pytestmark = [pytest.mark.docker, pytest.mark.timeout(1200)]
TAG = "codearena-space:test"


@pytest.fixture
def space(docker_engine, tmp_path):
    """The URL of a running Space, and its container."""
    require("dashboard", (DASHBOARD / "index.html").is_file(), "the dashboard is not built: make dashboard")
    base = os.environ.get("PYTHON_IMAGE", "python:3.11-slim-bookworm")
    try:
        docker_engine.inspect_image(base)
    except docker.errors.ImageNotFound:
        require("python-image", False, f"the engine has no {base}; name another one in PYTHON_IMAGE")
    folder = tmp_path / "space"
    subprocess.run([ROOT / "tools" / "space.sh", folder], check=True)
    build = ["docker", "build", "--network", "host", "--build-arg", f"PYTHON_IMAGE={base}", "--tag", TAG, folder]
    subprocess.run(build, check=True, env={**os.environ, "DOCKER_BUILDKIT": "0"})
    options = ["--security-opt", "seccomp=unconfined", "--security-opt", "systempaths=unconfined"]
    # On the host's network, since an engine of a build machine may have no other; with ports of its own.
    gateway, *others = free_ports(7)
    names = [
        "ENV_PORT",
        "EXECUTOR_PORT",
        "JUDGE_PORT",
        "ENV_METRICS_PORT",
        "EXECUTOR_METRICS_PORT",
        "JUDGE_METRICS_PORT",
    ]
    variables = {"GATEWAY_PORT": gateway, "HOST": "127.0.0.1"} | dict(zip(names, others, strict=True))
    options += [word for name, value in variables.items() for word in ("--env", f"CODEARENA_{name}={value}")]
    command = ["docker", "run", "--detach", "--user", "1000", "--network", "host", *options, TAG]
    name = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    try:
        url = f"http://127.0.0.1:{gateway}"
        deadline = time.monotonic() + 120
        while not is_healthy(url):
            assert time.monotonic() < deadline, docker_engine.logs(name).decode()
            time.sleep(0.2)
        yield url, name
    finally:
        docker_engine.remove_container(name, force=True, v=True)
        docker_engine.remove_image(TAG, force=True)


def test_it_plays_an_episode_as_a_user_without_rights(space, docker_engine):
    url, name = space
    with OpenEnvClient(url) as env:
        env.reset("easy-1")
        result = env.step(RIGHT)
        assert (result.done, result.reward > 0.9) == (True, True)
    assert "<title>CodeArena</title>" in httpx2.get(url, trust_env=False).text
    assert docker_engine.inspect_container(name)["Config"]["User"] == "1000"
    assert "sandbox: process (" in docker_engine.logs(name).decode()
