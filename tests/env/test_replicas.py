"""Two env services on one database: any of them serves any step, and each step is graded once."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from codearena import AsyncArenaClient, EpisodeDoneError, ErrorReason, InvalidArgumentError, UnavailableError
from services.env.service import EnvService
from services.env.settings import EnvSettings
from tests.env.parts import Part, Parts, free_port
from tests.env.test_outages import SLEEPY, WRONG, until_it_works
from tests.waiting import eventually

LEASE_SECONDS = 1.0


class Replicas:
    """Executor, judge, and two env services that share a database.

    Attributes:
        parts: The first env service with its peers.
        clients: One for each env service.
    """

    def __init__(self, url: str, data_dir: Path, sandbox_dir: Path) -> None:
        shared = {"database_url": SecretStr(url), "claim_seconds": LEASE_SECONDS}
        self.parts = Parts(data_dir, sandbox_dir, **shared)
        self.url = url
        self.other = Part(EnvService, EnvSettings, data_dir=data_dir, **self.peers, **shared)
        self.clients = (self.parts.client, AsyncArenaClient(self.other.address, max_attempts=1))

    @property
    def peers(self) -> dict[str, str]:
        return {"executor_address": self.parts.executor.address, "judge_address": self.parts.judge.address}

    async def __aenter__(self) -> Replicas:
        await self.parts.__aenter__()
        await self.other.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.clients[1].close()
        await self.other.stop()
        await self.parts.__aexit__()

    def gradings(self) -> float:
        """Programs that ended in a sandbox."""
        return self.parts.executor.metric("codearena_sandbox_exits_total")

    def busy(self) -> bool:
        return self.parts.executor.metric("codearena_executor_slots", state="busy") > 0


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
async def replicas(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, arena_data: Path
) -> AsyncIterator[Replicas]:
    folder = tmp_path_factory.mktemp("replicas")
    if request.param == "postgresql":
        url = request.getfixturevalue("postgresql").new_database()
    else:
        url = f"sqlite:///{folder / 'shared.sqlite3'}"
    async with Replicas(url, folder, arena_data) as replicas:
        yield replicas


@pytest.fixture
async def episode_id(replicas: Replicas) -> str:
    return (await replicas.clients[0].reset("easy-1")).episode_id


def numbered(number: int) -> str:
    return f"{WRONG}# {number}\n"


async def test_steps_of_an_episode_in_turn(replicas: Replicas, episode_id: str) -> None:
    for number in range(5):
        result = await replicas.clients[number % 2].step(episode_id, numbered(number), f"r{number}")
        assert (result.observation.step, result.replayed) == (number + 1, False)
    assert result.done
    for client in replicas.clients:
        state = await client.get_state(episode_id)
        assert [attempt.proposed_fix for attempt in state.observation.previous_attempts] == list(
            map(numbered, range(5))
        )
        assert state.done
        with pytest.raises(EpisodeDoneError):
            await client.step(episode_id, WRONG, "one more")


async def test_one_request_to_both_at_once_is_graded_once(replicas: Replicas, episode_id: str) -> None:
    fix = SLEEPY.replace("3", "0.5")
    await replicas.clients[0].grade("easy-1", WRONG)  # so that nothing else is run
    before = replicas.gradings()
    results = await asyncio.gather(*(client.step(episode_id, fix, "same") for client in replicas.clients * 2))
    assert sorted(result.replayed for result in results) == [False, True, True, True]
    assert len({(result.reward, result.observation.step) for result in results}) == 1
    assert replicas.gradings() == before + 1
    assert (await replicas.clients[1].get_state(episode_id)).observation.step == 1


async def test_several_requests_at_once_take_turns(replicas: Replicas, episode_id: str) -> None:
    steps = [
        replicas.clients[number % 2].step(episode_id, numbered(number), f"r{number}", timeout_seconds=60)
        for number in range(5)
    ]
    results = await asyncio.gather(*steps)
    assert sorted(result.observation.step for result in results) == [1, 2, 3, 4, 5]
    assert not any(result.replayed for result in results)


async def test_a_request_id_with_another_fix_is_refused_by_both(replicas: Replicas, episode_id: str) -> None:
    await replicas.clients[0].step(episode_id, WRONG, "same")
    for client in replicas.clients:
        with pytest.raises(InvalidArgumentError) as caught:
            await client.step(episode_id, numbered(1), "same")
        assert caught.value.reason == ErrorReason.REQUEST_ID_REUSED


async def test_a_step_that_failed_is_free_for_the_other(replicas: Replicas, episode_id: str) -> None:
    async with replicas.parts.judge.down():
        with pytest.raises(UnavailableError):
            await replicas.clients[0].step(episode_id, WRONG, "r")
    result = await until_it_works(lambda: replicas.clients[1].step(episode_id, WRONG, "r"))
    assert (result.observation.step, result.replayed) == (1, False)


@contextlib.asynccontextmanager
async def process_of_its_own(replicas: Replicas, folder: Path) -> AsyncIterator[tuple[Any, AsyncArenaClient]]:
    """A third env service, as a process that can be killed."""
    port = free_port()
    settings = {
        "CODEARENA_ENV_PORT": str(port),
        "CODEARENA_ENV_METRICS_PORT": "0",
        "CODEARENA_DATABASE_URL": replicas.url,
        "CODEARENA_DATA_DIR": str(folder),
        "CODEARENA_CLAIM_SECONDS": str(LEASE_SECONDS),
        **{f"CODEARENA_{name.upper()}": address for name, address in replicas.peers.items()},
    }
    plain = {name: value for name, value in os.environ.items() if not name.startswith("CODEARENA_")}
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "services.env", env=plain | settings)
    try:
        async with AsyncArenaClient(f"127.0.0.1:{port}", max_attempts=1) as client:
            await until_it_works(client.health)
            yield process, client
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def test_what_a_killed_replica_was_grading_is_taken_over(
    replicas: Replicas, episode_id: str, tmp_path: Path
) -> None:
    fix = SLEEPY.replace("3", "2")
    async with process_of_its_own(replicas, tmp_path) as (process, client):
        await client.grade("easy-1", WRONG)
        await eventually(lambda: not replicas.busy())
        dying = asyncio.create_task(client.step(episode_id, fix, "r"))
        await eventually(replicas.busy)
        process.send_signal(signal.SIGKILL)
        with pytest.raises(UnavailableError):
            await dying

    result = await replicas.clients[0].step(episode_id, fix, "r")

    assert (result.observation.step, result.replayed) == (1, False)
    again = await replicas.clients[1].step(episode_id, fix, "r")
    assert (again.reward, again.replayed) == (result.reward, True)
    assert (await replicas.clients[1].get_state(episode_id)).observation.step == 1


async def test_a_replica_that_only_seemed_dead_answers_with_what_is_stored(
    replicas: Replicas, episode_id: str, tmp_path: Path
) -> None:
    fix = SLEEPY.replace("3", "1.5")
    async with process_of_its_own(replicas, tmp_path) as (process, client):
        await client.grade("easy-1", WRONG)
        await eventually(lambda: not replicas.busy())
        stopped = asyncio.create_task(client.step(episode_id, fix, "r"))
        await eventually(replicas.busy)
        process.send_signal(signal.SIGSTOP)
        result = await replicas.clients[0].step(episode_id, fix, "r")
        process.send_signal(signal.SIGCONT)
        late = await stopped

    assert (result.replayed, late.replayed) == (False, True)
    assert late.reward == result.reward
    assert (await replicas.clients[1].get_state(episode_id)).observation.step == 1


async def test_postgresql_gone_and_back(tmp_path: Path, arena_data: Path, own_postgresql: Any) -> None:
    async with Replicas(own_postgresql.new_database(), tmp_path, arena_data) as replicas:
        episode = await replicas.clients[0].reset("easy-1")
        await episode.step(WRONG, "r1")
        own_postgresql.stop()
        for client in replicas.clients:
            for call in (
                lambda c=client: c.step(episode.episode_id, numbered(1), "r2"),
                lambda c=client: c.get_state(episode.episode_id),
                lambda c=client: c.reset("easy-1"),
                lambda c=client: c.close_episode(episode.episode_id),
            ):
                with pytest.raises(UnavailableError) as caught:
                    await call()
                assert caught.value.reason == ErrorReason.STORE_UNAVAILABLE
        own_postgresql.start()
        result = await until_it_works(lambda: replicas.clients[1].step(episode.episode_id, numbered(1), "r2"))
        assert (result.observation.step, result.replayed) == (2, False)
        replay = await until_it_works(lambda: replicas.clients[0].step(episode.episode_id, WRONG, "r1"))
        assert replay.replayed
