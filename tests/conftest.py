"""What tests need that not every machine has."""

from __future__ import annotations

import os
from collections.abc import Iterator

import docker
import pytest
import requests


def require(part: str, available: bool, reason: str) -> None:
    """Skips the test where `part` is missing, or fails it where CODEARENA_REQUIRE names that part."""
    if available:
        return
    required = {name.strip() for name in os.environ.get("CODEARENA_REQUIRE", "").split(",")}
    if part in required:
        pytest.fail(f"CODEARENA_REQUIRE names {part}, but {reason}")
    pytest.skip(reason)


@pytest.fixture(scope="session")
def docker_engine() -> Iterator[docker.APIClient]:
    """A client of the Docker engine that the environment names."""
    try:
        client = docker.APIClient(version="auto", timeout=30, **docker.utils.kwargs_from_env())
    except (docker.errors.DockerException, requests.RequestException, OSError) as error:
        require("docker", False, f"no Docker engine answers: {error}")
        raise AssertionError("unreachable") from error
    yield client
    client.close()
