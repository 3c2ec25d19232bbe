"""Clients of the arena that all tests here share."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest

from codearena import AsyncArenaClient
from codearena.v1.env_service_pb2_grpc import EnvServiceStub
from services.env.catalogue import Catalogue, load_catalogue
from services.standalone.arena import Arena
from tests.task_files import DEMO


@pytest.fixture(scope="session")
def shipped() -> Catalogue:
    """The tasks of the demo, which the arena here has, with reference solutions."""
    return load_catalogue(DEMO)


@pytest.fixture(scope="session")
async def client(arena: Arena) -> AsyncIterator[AsyncArenaClient]:
    """A client that does not retry, so that a test sees each failure."""
    async with AsyncArenaClient(arena.address, max_attempts=1) as client:
        yield client


@pytest.fixture(scope="session")
async def channel(arena: Arena) -> AsyncIterator[grpc.aio.Channel]:
    """A bare channel, for what the SDK refuses to send."""
    async with grpc.aio.insecure_channel(arena.address) as channel:
        yield channel


@pytest.fixture(scope="session")
def stub(channel: grpc.aio.Channel) -> Any:
    """The generated stub."""
    return EnvServiceStub(channel)
