"""The store on a real SQLite file."""

import asyncio
import contextlib
import dataclasses
import sqlite3
from datetime import UTC, datetime

import pytest

from services.env.store import Conflict, Episode, Step, StoreDown, UnknownEpisode
from services.env.store_sql import SqlStore

EPISODE = Episode("ep_1", "easy-1", "run", 2**63 - 1, datetime(2024, 2, 29, 12, tzinfo=UTC), done=False)
STEP = Step(1, "first", "def f():\n    return '\N{SNOWMAN}'\n", 0.25, 2, 3, b"\x00\xff")


def url(path):
    return f"sqlite:///{path}"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "deep" / "er" / "arena.sqlite3"


@contextlib.asynccontextmanager
async def opened(path):
    store = SqlStore(url(path))
    try:
        await store.start()
        yield store
    finally:
        await store.stop()


@pytest.fixture
async def store(path):
    async with opened(path) as store:
        await store.create(EPISODE)
        yield store


def another(**changes):
    return dataclasses.replace(STEP, **changes)


async def test_an_episode_comes_back_as_it_was(store):
    assert await store.get("ep_1") == EPISODE


async def test_steps_come_back_in_order(store):
    await store.add_step("ep_1", STEP, done=False)
    second = another(number=2, request_id="second", reward=0.75)
    await store.add_step("ep_1", second, done=False)
    found = await store.get("ep_1")
    assert found.steps == (STEP, second)
    assert found.best_reward == 0.75
    assert found.find("second") == second
    assert found.find("third") is None
    assert not found.done


async def test_an_episode_without_seed_and_steps(store):
    await store.create(dataclasses.replace(EPISODE, episode_id="ep_2", seed=None, run_id=""))
    found = await store.get("ep_2")
    assert (found.seed, found.run_id, found.best_reward) == (None, "", None)


async def test_the_last_step_ends_the_episode(store):
    await store.add_step("ep_1", STEP, done=True)
    assert (await store.get("ep_1")).done


@pytest.mark.parametrize("changes", [{"number": 1, "request_id": "other"}, {"number": 2, "request_id": "first"}])
async def test_a_number_and_a_request_are_taken_once(store, changes):
    await store.add_step("ep_1", STEP, done=False)
    with pytest.raises(Conflict):
        await store.add_step("ep_1", another(**changes), done=True)
    assert await store.get("ep_1") == dataclasses.replace(EPISODE, steps=(STEP,))


async def test_of_many_writers_of_one_step_one_wins(store, path):
    async with opened(path) as replica:
        writes = [
            (store, replica)[index % 2].add_step("ep_1", another(request_id=f"r{index}"), done=False)
            for index in range(10)
        ]
        results = await asyncio.gather(*writes, return_exceptions=True)
    assert results.count(None) == 1
    assert sum(isinstance(result, Conflict) for result in results) == 9
    assert len((await store.get("ep_1")).steps) == 1


async def test_a_closed_episode_takes_no_step(store):
    assert await store.close("ep_1")
    with pytest.raises(Conflict, match="not open"):
        await store.add_step("ep_1", STEP, done=False)
    assert await store.get("ep_1") == dataclasses.replace(EPISODE, done=True)


async def test_closing_twice_is_noticed(store):
    assert await store.close("ep_1")
    assert not await store.close("ep_1")


async def test_what_is_not_there(store):
    with pytest.raises(UnknownEpisode, match="ep_9"):
        await store.get("ep_9")
    with pytest.raises(UnknownEpisode, match="ep_9"):
        await store.close("ep_9")
    with pytest.raises(Conflict):
        await store.add_step("ep_9", STEP, done=False)


async def test_open_episodes_are_counted(store):
    assert await store.count_open() == 1
    await store.create(dataclasses.replace(EPISODE, episode_id="ep_2"))
    await store.close("ep_1")
    assert await store.count_open() == 1


async def test_everything_survives_reopening(path):
    async with opened(path) as store:
        await store.create(EPISODE)
        await store.add_step("ep_1", STEP, done=True)
    async with opened(path) as store:
        assert await store.get("ep_1") == dataclasses.replace(EPISODE, done=True, steps=(STEP,))


async def test_the_file_is_in_wal_mode(store, path):
    with contextlib.closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


async def test_a_cancelled_write_leaves_the_store_usable(store):
    for attempt in range(20):
        write = asyncio.create_task(store.add_step("ep_1", STEP, done=False))
        for _ in range(attempt):
            await asyncio.sleep(0)
        write.cancel()
        await asyncio.gather(write, return_exceptions=True)
        if (await store.get("ep_1")).steps:
            break
    else:
        await store.add_step("ep_1", STEP, done=False)
    assert (await store.get("ep_1")).steps == (STEP,)
    assert await store.close("ep_1")


async def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StoreDown):
        async with opened(tmp_path / "file" / "arena.sqlite3"):
            pass


async def test_a_path_that_is_no_file(tmp_path):
    with pytest.raises(StoreDown):
        async with opened(tmp_path):
            pass


async def test_a_file_that_is_no_database_and_its_recovery(path):
    path.parent.mkdir(parents=True)
    path.write_bytes(b"this is no database " * 1000)
    with pytest.raises(StoreDown):
        async with opened(path):
            pass
    path.unlink()
    async with opened(path) as store:
        await store.create(EPISODE)
        assert await store.get("ep_1") == EPISODE


async def test_a_database_that_breaks_and_heals_while_it_is_open(store, path):
    await store.add_step("ep_1", STEP, done=False)
    files = sorted(path.parent.iterdir())
    good = {file: file.read_bytes() for file in files}
    for file in files:
        overwrite(file, b"\x55" * len(good[file]))
    for read in (lambda: store.get("ep_1"), store.count_open, lambda: store.close("ep_1")):
        with pytest.raises(StoreDown):
            await read()
    with pytest.raises(StoreDown):
        await store.add_step("ep_1", another(number=2, request_id="second"), done=False)
    for file in files:
        overwrite(file, good[file])
    assert (await store.get("ep_1")).steps == (STEP,)
    await store.add_step("ep_1", another(number=2, request_id="second"), done=False)


async def test_a_lock_that_is_held_too_long(store, path):
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        assert await store.get("ep_1") == EPISODE
        with pytest.raises(StoreDown):
            await store.add_step("ep_1", STEP, done=False)
        holder.execute("ROLLBACK")
    await store.add_step("ep_1", STEP, done=False)


@pytest.mark.parametrize("bad", ["", "nonsense", "nosuch+driver://host/db"])
def test_a_url_that_cannot_be_used(bad):
    with pytest.raises(ValueError, match="database URL"):
        SqlStore(bad)


def overwrite(file, content):
    with file.open("r+b") as handle:
        handle.write(content)
