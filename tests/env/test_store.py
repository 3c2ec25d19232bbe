"""The store on a real SQLite file and a real PostgreSQL server."""

import asyncio
import contextlib
import dataclasses
import sqlite3
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from services.env.curricula_sql import SqlCurricula
from services.env.memories_sql import SqlMemories
from services.env.migrate import NewerSchema
from services.env.options import Options
from services.env.schema import METADATA
from services.env.store import Claimed, Conflict, Ending, Episode, Memory, Step, StoreDown, UnknownEpisode
from services.env.store_sql import SqlStore
from services.env.transactions import open_database

NOW = datetime(2024, 2, 29, 12, tzinfo=UTC)
EPISODE = Episode(
    "ep_1",
    "easy-1",
    "run",
    2**63 - 1,
    NOW,
    False,
    "logic",
    "easy",
    True,
    Options(hints=False, reward_mode="improvement"),
)
STEP = Step(
    1, "first", "def f():\n    return '\N{SNOWMAN}'\n", 0.25, 2, 3, b"\x00\xff", NOW, "O(n)", "model", True, "101"
)
ENDING = Ending(NOW + timedelta(minutes=5), solved=True)
BOTH = ("sqlite", "postgresql")


@pytest.fixture(params=BOTH)
def url(request, tmp_path):
    """An empty database of each kind."""
    if request.param == "postgresql":
        return request.getfixturevalue("postgresql").new_database()
    return f"sqlite:///{tmp_path / 'deep' / 'er' / 'arena.sqlite3'}"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "deep" / "er" / "arena.sqlite3"


@contextlib.asynccontextmanager
async def opened(url):
    store = SqlStore(open_database(url))
    try:
        await store.start()
        yield store
    finally:
        await store.stop()


@pytest.fixture
async def store(url):
    async with opened(url) as store:
        await store.create(EPISODE)
        yield store


@pytest.fixture
async def on_sqlite(path):
    async with opened(f"sqlite:///{path}") as store:
        await store.create(EPISODE)
        yield store


async def add(store, step, ending=None, memory=None, episode_id="ep_1", holder="me"):
    """Adds a step as a replica does: under a claim."""
    await store.claim(episode_id, holder, 60)
    await store.add_step(episode_id, holder, step, ending, memory)


def another(**changes):
    return dataclasses.replace(STEP, **changes)


async def test_an_episode_comes_back_as_it_was(store):
    assert await store.get("ep_1") == EPISODE


async def test_steps_come_back_in_order(store):
    await add(store, STEP)
    second = another(number=2, request_id="second", reward=0.75)
    await add(store, second)
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
    await add(store, STEP, ENDING)
    assert (await store.get("ep_1")).done


@pytest.mark.parametrize("changes", [{"number": 1, "request_id": "other"}, {"number": 2, "request_id": "first"}])
async def test_a_number_and_a_request_are_taken_once(store, changes):
    await add(store, STEP)
    with pytest.raises(Conflict):
        await add(store, another(**changes), ENDING)
    assert await store.get("ep_1") == dataclasses.replace(EPISODE, steps=(STEP,))


async def test_of_many_who_claim_an_episode_one_holds_it(store, url):
    async with opened(url) as replica:
        claims = [(store, replica)[index % 2].claim("ep_1", f"holder {index}", 60) for index in range(10)]
        results = await asyncio.gather(*claims, return_exceptions=True)
    assert results.count(EPISODE) == 1
    refused = [result for result in results if isinstance(result, Claimed)]
    assert len(refused) == 9
    assert all(0 < claimed.seconds < 70 for claimed in refused)


async def test_of_many_writers_of_one_step_the_holder_wins(store, url):
    await store.claim("ep_1", "holder 3", 60)
    async with opened(url) as replica:
        writes = [
            (store, replica)[index % 2].add_step("ep_1", f"holder {index}", another(request_id=f"r{index}"))
            for index in range(10)
        ]
        results = await asyncio.gather(*writes, return_exceptions=True)
    assert [index for index, result in enumerate(results) if result is None] == [3]
    assert sum(isinstance(result, Conflict) for result in results) == 9
    assert [step.request_id for step in (await store.get("ep_1")).steps] == ["r3"]


async def test_a_claim_goes_round(store):
    assert await store.claim("ep_1", "a", 60) == EPISODE
    assert await store.claim("ep_1", "a", 60) == EPISODE, "one's own"
    await store.release("ep_1", "b")
    with pytest.raises(Claimed):
        await store.claim("ep_1", "b", 60)
    await store.release("ep_1", "a")
    assert await store.claim("ep_1", "b", 60) == EPISODE
    assert not await store.renew("ep_1", "a", 60)
    await store.add_step("ep_1", "b", STEP)
    assert (await store.claim("ep_1", "c", 60)).steps == (STEP,), "a step gives the claim back"


async def test_a_claim_of_which_nothing_is_heard_is_taken_over(store):
    await store.claim("ep_1", "dead", 0.05)
    assert await store.renew("ep_1", "dead", 0.3)
    with pytest.raises(Claimed):
        await store.claim("ep_1", "heir", 60)
    await asyncio.sleep(0.35)
    assert await store.claim("ep_1", "heir", 60) == EPISODE
    with pytest.raises(Conflict, match="lost"):
        await store.add_step("ep_1", "dead", STEP)
    await store.add_step("ep_1", "heir", STEP)
    assert (await store.get("ep_1")).steps == (STEP,)


async def test_a_closed_episode_takes_no_step(store):
    assert await store.close("ep_1", ENDING) == dataclasses.replace(EPISODE, done=True)
    with pytest.raises(Conflict, match="not open"):
        await add(store, STEP)
    assert await store.get("ep_1") == dataclasses.replace(EPISODE, done=True)


async def test_closing_twice_is_noticed(store):
    assert await store.close("ep_1", ENDING) is not None
    assert await store.close("ep_1", ENDING) is None


async def test_what_is_not_there(store):
    with pytest.raises(UnknownEpisode, match="ep_9"):
        await store.get("ep_9")
    with pytest.raises(UnknownEpisode, match="ep_9"):
        await store.close("ep_9", ENDING)
    with pytest.raises(UnknownEpisode, match="ep_9"):
        await store.claim("ep_9", "me", 60)
    with pytest.raises(Conflict):
        await store.add_step("ep_9", "me", STEP)


async def test_open_episodes_are_counted(store):
    assert await store.count_open() == 1
    await store.create(dataclasses.replace(EPISODE, episode_id="ep_2"))
    await store.close("ep_1", ENDING)
    assert await store.count_open() == 1


async def test_everything_survives_reopening(url):
    async with opened(url) as store:
        await store.create(EPISODE)
        await add(store, STEP, ENDING)
    async with opened(url) as store:
        assert await store.get("ep_1") == dataclasses.replace(EPISODE, done=True, steps=(STEP,))


async def test_an_ending_moves_the_curriculum_once(store, url):
    seen = []

    def advance(state, reward):
        seen.append((state, reward))
        return "hard", f"{state or 0}+"

    await add(store, STEP)
    await add(store, another(number=2, request_id="second", reward=0.9), dataclasses.replace(ENDING, advance=advance))
    assert await store.close("ep_1", dataclasses.replace(ENDING, advance=advance)) is None
    await store.create(dataclasses.replace(EPISODE, episode_id="ep_2"))
    await store.close("ep_2", dataclasses.replace(ENDING, advance=advance))
    await store.create(dataclasses.replace(EPISODE, episode_id="ep_3"))
    await add(store, another(reward=0.1), dataclasses.replace(ENDING, solved=False, advance=advance), episode_id="ep_3")

    assert seen == [(None, 0.9), ("0+", 0.1)], "by its best reward, and not without a step"
    database = open_database(url)
    curricula = SqlCurricula(database)
    assert await curricula.state("run") == "0++"
    assert await curricula.state("other") is None
    assert await curricula.count_levels() == {"hard": 1}
    assert await curricula.played("run", ["easy-1", "easy-2"]) == {"easy-1": (1, 2)}
    assert await curricula.played("other", ["easy-1"]) == {}
    await database.stop()


async def test_two_endings_at_once_both_count(store, url):
    for number in range(10):
        await store.create(dataclasses.replace(EPISODE, episode_id=f"e{number}"))
    ending = dataclasses.replace(ENDING, advance=lambda state, _: ("easy", f"{state or ''}x"))
    async with opened(url) as replica:
        stores = (store, replica)
        adds = [add(stores[number % 2], STEP, ending, episode_id=f"e{number}") for number in range(10)]
        await asyncio.gather(*adds)
    database = open_database(url)
    assert await SqlCurricula(database).state("run") == "x" * 10
    await database.stop()


async def test_a_memory_is_kept_if_it_is_better(store, url):
    found = Memory("run:a", "easy-1", "fix", 0.5, "O(n)", "ep_1", NOW)
    better = dataclasses.replace(found, fix="better", reward=0.6)
    await add(store, STEP, memory=found)
    await add(store, another(number=2, request_id="b"), memory=better)
    await add(store, another(number=3, request_id="c"), memory=dataclasses.replace(found, fix="worse"))
    await add(store, another(number=4, request_id="d"), memory=dataclasses.replace(better, fix="equal"))

    database = open_database(url)
    memories = SqlMemories(database)
    assert await memories.get("run:a", "easy-1") == better
    assert await memories.get("run:b", "easy-1") is None
    many = [dataclasses.replace(found, task_id=f"t{number}") for number in range(3)]
    assert await memories.remember([*many, dataclasses.replace(many[0], reward=0.4)]) == 3
    assert [memory.task_id for memory in await memories.page("run:a", "", "easy-1", 2)] == ["t0", "t1"]
    assert await memories.page("run:a", "t1", "", 9) == [many[1]]
    await database.stop()


async def test_old_episodes_are_pruned_in_batches(store):
    await add(store, STEP, ENDING)
    for number in range(10):
        created = NOW + timedelta(days=number)
        await store.create(dataclasses.replace(EPISODE, episode_id=f"e{number}", created=created))
    await store.claim("e0", "me", 60)
    cutoff = NOW + timedelta(days=3)
    assert [await store.prune(cutoff, 100, 3) for _ in range(3)] == [3, 1, 0]
    assert [await store.prune(NOW, 4, 2) for _ in range(3)] == [2, 1, 0]
    for gone in ("ep_1", "e0", "e5"):
        with pytest.raises(UnknownEpisode):
            await store.get(gone)
    assert await store.count_open() == 4


async def test_a_database_of_a_newer_version_is_left_alone(url):
    async with opened(url) as store:
        await store.create(EPISODE)
    database = open_database(url)
    await database.write(lambda c: c.execute(sqlalchemy.text("UPDATE alembic_version SET version_num = '9999'")))
    await database.stop()
    with pytest.raises(NewerSchema, match="9999"):
        async with opened(url):
            pass


async def test_a_database_from_before_there_were_migrations_is_adopted(url):
    database = open_database(url)
    await database.write(old_schema)
    await database.stop()
    async with opened(url) as store:
        found = await store.get("ep_old")
        assert [step.reward for step in found.steps] == [0.5]
        assert found.options == Options()
        await add(store, another(number=2, reward=0.4), episode_id="ep_old")
    async with opened(url) as store:
        assert len((await store.get("ep_old")).steps) == 2


async def test_replicas_that_start_at_once_migrate_once(url):
    async with contextlib.AsyncExitStack() as stack:
        stores = [SqlStore(open_database(url)) for _ in range(4)]
        for store in stores:
            stack.push_async_callback(store.stop)
        await asyncio.gather(*(store.start() for store in stores))
        await stores[0].create(EPISODE)
        assert await stores[3].get("ep_1") == EPISODE


async def test_the_migrations_make_the_tables_that_the_code_knows(url):
    async with opened(url):
        pass
    database = open_database(url)
    differences = await database.write(
        lambda connection: compare_metadata(MigrationContext.configure(connection), METADATA)
    )
    await database.stop()
    assert differences == []


def old_schema(connection):
    """What the first version made."""
    for statement in (
        "CREATE TABLE episodes (episode_id VARCHAR(64) NOT NULL PRIMARY KEY, task_id VARCHAR(128) NOT NULL,"
        " run_id VARCHAR(128) NOT NULL, seed BIGINT, created TIMESTAMP NOT NULL, done BOOLEAN NOT NULL)",
        "CREATE INDEX ix_episodes_run_id ON episodes (run_id)",
        "CREATE INDEX ix_episodes_done ON episodes (done)",
        "CREATE TABLE steps (episode_id VARCHAR(64) NOT NULL REFERENCES episodes (episode_id), number INTEGER NOT NULL,"
        " request_id VARCHAR(128) NOT NULL, fix TEXT NOT NULL, reward FLOAT NOT NULL, outcome INTEGER NOT NULL,"
        f" passed INTEGER NOT NULL, response {'BYTEA' if connection.dialect.name == 'postgresql' else 'BLOB'} NOT NULL,"
        " PRIMARY KEY (episode_id, number), UNIQUE (episode_id, request_id))",
        "INSERT INTO episodes VALUES ('ep_old', 'easy-1', '', NULL, '2024-02-29 12:00:00', FALSE)",
    ):
        connection.execute(sqlalchemy.text(statement))
    step = sqlalchemy.text("INSERT INTO steps VALUES ('ep_old', 1, 'r', 'fix', 0.5, 2, 3, :response)")
    connection.execute(step, {"response": b""})


async def test_the_file_is_in_wal_mode(on_sqlite, path):
    with contextlib.closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


async def test_a_cancelled_write_leaves_the_store_usable(store):
    for attempt in range(20):
        await store.claim("ep_1", "me", 60)
        write = asyncio.create_task(store.add_step("ep_1", "me", STEP))
        for _ in range(attempt):
            await asyncio.sleep(0)
        write.cancel()
        await asyncio.gather(write, return_exceptions=True)
        if (await store.get("ep_1")).steps:
            break
    else:
        await add(store, STEP)
    assert (await store.get("ep_1")).steps == (STEP,)
    assert await store.close("ep_1", ENDING) is not None


async def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StoreDown):
        async with opened(f"sqlite:///{tmp_path / 'file' / 'arena.sqlite3'}"):
            pass


async def test_a_path_that_is_no_file(tmp_path):
    with pytest.raises(StoreDown):
        async with opened(f"sqlite:///{tmp_path}"):
            pass


async def test_a_file_that_is_no_database_and_its_recovery(path):
    path.parent.mkdir(parents=True)
    path.write_bytes(b"this is no database " * 1000)
    with pytest.raises(StoreDown):
        async with opened(f"sqlite:///{path}"):
            pass
    path.unlink()
    async with opened(f"sqlite:///{path}") as store:
        await store.create(EPISODE)
        assert await store.get("ep_1") == EPISODE


async def test_a_database_that_breaks_and_heals_while_it_is_open(on_sqlite, path):
    store = on_sqlite
    await add(store, STEP)
    files = sorted(path.parent.iterdir())
    good = {file: file.read_bytes() for file in files}
    for file in files:
        overwrite(file, b"\x55" * len(good[file]))
    for read in (lambda: store.get("ep_1"), store.count_open, lambda: store.close("ep_1", ENDING)):
        with pytest.raises(StoreDown):
            await read()
    with pytest.raises(StoreDown):
        await add(store, another(number=2, request_id="second"))
    for file in files:
        overwrite(file, good[file])
    assert (await store.get("ep_1")).steps == (STEP,)
    await add(store, another(number=2, request_id="second"))


async def test_a_lock_that_is_held_too_long(on_sqlite, path):
    store = on_sqlite
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        assert await store.get("ep_1") == EPISODE
        with pytest.raises(StoreDown):
            await add(store, STEP)
        holder.execute("ROLLBACK")
    await add(store, STEP)


@pytest.mark.parametrize("bad", ["", "nonsense", "nosuch+driver://host/db"])
def test_a_url_that_cannot_be_used(bad):
    with pytest.raises(ValueError, match="database URL"):
        open_database(bad)


def overwrite(file, content):
    with file.open("r+b") as handle:
        handle.write(content)
