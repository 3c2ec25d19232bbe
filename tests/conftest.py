"""What tests need that not every machine has."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import docker
import pytest
import requests
from redis.asyncio import Redis
from redis.exceptions import RedisError

from services.executor.kubernetes_settings import KubernetesSettings
from services.standalone.arena import Arena
from services.standalone.arena import arena as running_arena
from tests import redis_server
from tests.postgres import PostgreSQL, programs
from tests.postgres import running as running_postgresql
from tests.task_files import DEMO

_WORTH_TELLING_SECONDS, _LONGEST = 60.0, 25
# What a developer's own environment must not change in tests: a static judge, SQLite, no token.
PLAIN_SETTINGS = {
    "tasks": tuple(DEMO),
    "host": "127.0.0.1",
    "drain_seconds": 0,
    "token": None,
    "database_url": None,
    "judge_base_url": "",
    "judge_api_key": None,
    "fixer_providers": None,
    "reward_profile": "default",
    "max_steps": 5,
}


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


KUBERNETES = os.environ.get("CODEARENA_TEST_KUBERNETES") == "1"
"""Whether tests may make pods on the cluster that the environment names; `tools/test_kubernetes.sh` does."""


@pytest.fixture(scope="session")
def kubernetes() -> KubernetesSettings:
    """How the executor reaches the cluster that the environment names."""
    require("kubernetes", KUBERNETES, "CODEARENA_TEST_KUBERNETES=1 is not set: see tools/test_kubernetes.sh")
    return KubernetesSettings()


@pytest.fixture(scope="session")
def postgresql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgreSQL]:
    """A PostgreSQL server."""
    require("postgresql", programs() is not None, "no PostgreSQL server is installed")
    with running_postgresql(tmp_path_factory.mktemp("postgresql")) as server:
        yield server


@pytest.fixture(scope="session")
def arena_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory that all arenas may share, so that the sandboxes' root is built once."""
    return tmp_path_factory.mktemp("arena")


@pytest.fixture
def own_state(arena_data: Path, tmp_path: Path) -> dict[str, str]:
    """Variables for an arena in a process of its own that keeps nothing of another's, and builds no sandbox anew."""
    return {
        "CODEARENA_SANDBOX_BACKEND": "process",
        "CODEARENA_DATA_DIR": str(arena_data),
        "CODEARENA_DATABASE_URL": f"sqlite:///{tmp_path / 'codearena.sqlite3'}",
        "CODEARENA_CERTIFICATES": str(tmp_path / "certificates.json"),
    }


@pytest.fixture(scope="session")
async def arena(arena_data: Path) -> AsyncIterator[Arena]:
    """A whole arena in this process, with the `process` sandbox and the static judge."""
    async with running_arena(
        port=0, private=True, data_dir=arena_data, sandbox_backend="process", slots=2, **PLAIN_SETTINGS
    ) as running:
        yield running


@pytest.fixture
def own_postgresql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgreSQL]:
    """A PostgreSQL server of one's own, which may be stopped and started."""
    require("postgresql", programs() is not None, "no PostgreSQL server is installed")
    with running_postgresql(tmp_path_factory.mktemp("own")) as server:
        yield server


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Redis of the tests' own."""
    require("redis", redis_server.program() is not None, "there is no redis-server on this machine")
    with redis_server.running(tmp_path_factory.mktemp("redis")) as url:
        yield url


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    """A client of it, which is empty and answers."""
    async with Redis.from_url(redis_url) as client:
        async with asyncio.timeout(20):
            while True:
                with contextlib.suppress(RedisError):
                    await client.flushall()
                    break
                await asyncio.sleep(0.05)
        yield client


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Says which files took longest, so that whoever waits for the tests knows where to look."""
    seconds: Counter[str] = Counter()
    for reports in terminalreporter.stats.values():
        for report in reports:
            if isinstance(report, pytest.TestReport):
                seconds[report.nodeid.partition("::")[0]] += report.duration
    if sum(seconds.values()) > _WORTH_TELLING_SECONDS:
        terminalreporter.section("files that took longest")
        for file, taken in seconds.most_common(_LONGEST):
            terminalreporter.write_line(f"{taken:7.1f} s  {file}")
