"""Parts that fail: the client is told which, no step is consumed, and all works again when they are back."""

import asyncio
import contextlib

import pytest

from codearena import DeadlineExceededError, EpisodeDoneError, ErrorReason, Outcome, UnavailableError
from tests.env.parts import Parts
from tests.waiting import eventually

WRONG = "def average_list(numbers):\n    return 1\n"
SLEEPY = "import time\ntime.sleep(3)\ndef average_list(numbers):\n    return 1\n"


@pytest.fixture(scope="module")
async def parts(tmp_path_factory, arena_data):
    async with Parts(tmp_path_factory.mktemp("outages"), arena_data) as parts:
        yield parts


@pytest.fixture
async def episode(parts):
    return await parts.client.reset("easy-1")


async def steps_taken(parts, episode):
    return (await parts.client.get_state(episode.episode_id)).observation.step


async def until_it_works(call):
    """Calls again until the channel between the services has noticed that its peer is back."""
    async with asyncio.timeout(20):
        while True:
            try:
                return await call()
            except UnavailableError:
                await asyncio.sleep(0.1)


def infra_errors(parts):
    return parts.env.metric("codearena_steps_total", task_category="easy", outcome="infra_error")


@pytest.mark.parametrize(
    ("name", "reason"),
    [("executor", ErrorReason.EXECUTOR_UNAVAILABLE), ("judge", ErrorReason.JUDGE_UNAVAILABLE)],
)
async def test_a_peer_that_is_down_is_no_reward(parts, episode, name, reason):
    before = infra_errors(parts), parts.env.metric("codearena_rewards_total")
    async with getattr(parts, name).down():
        with pytest.raises(UnavailableError) as caught:
            await episode.step(WRONG, "request")
        assert caught.value.reason == reason
        assert name in caught.value.message
        with pytest.raises(UnavailableError):
            await parts.client.grade("easy-1", WRONG)
        with pytest.raises(UnavailableError):
            await (parts.client.propose_fix(WRONG) if name == "judge" else parts.client.run_code("1"))
        items = [item async for item in parts.client.grade_group("easy-1", [WRONG, WRONG])]
        assert sorted(index for index, _ in items) == [0, 1]
        assert {error.reason for _, error in items} == {reason}
        assert await steps_taken(parts, episode) == 0
        assert (infra_errors(parts), parts.env.metric("codearena_rewards_total")) == (before[0] + 1, before[1])
    result = await until_it_works(lambda: episode.step(WRONG, "request"))
    assert (result.outcome, result.observation.step, result.replayed) == (Outcome.TESTS_FAILED, 1, False)


async def test_what_needs_no_peer_goes_on(parts, episode):
    async with parts.executor.down(), parts.judge.down():
        assert (await parts.client.get_task("easy-1")).task_id == "easy-1"
        assert (await episode.get_state()).observation.step == 0
        assert await parts.client.health() == "SERVING"
        await episode.close()


async def test_a_reset_that_needs_the_executor_says_so(parts):
    async with parts.executor.down():
        with pytest.raises(UnavailableError) as caught:
            await parts.client.reset("medium-1")
        assert caught.value.reason == ErrorReason.EXECUTOR_UNAVAILABLE
    assert (await until_it_works(lambda: parts.client.reset("medium-1"))).observation.error_log


async def test_an_executor_that_goes_away_in_the_middle(parts, episode):
    running = asyncio.create_task(episode.step(SLEEPY, "request"))
    await eventually(lambda: parts.executor.metric("codearena_executor_slots", state="busy") > 0)
    async with parts.executor.down():
        with pytest.raises(UnavailableError):
            await running
        assert await steps_taken(parts, episode) == 0
    result = await until_it_works(lambda: episode.step(WRONG, "request"))
    assert result.observation.step == 1


@contextlib.contextmanager
def broken_database(folder):
    """Overwrites the files of the store while it is open, and puts their content back."""
    files = sorted(folder.glob("codearena.sqlite3*"))
    good = {file: file.read_bytes() for file in files}
    for file in files:
        overwrite(file, b"\x55" * len(good[file]))
    try:
        yield
    finally:
        for file in files:
            overwrite(file, good[file])


def overwrite(file, content):
    with file.open("r+b") as handle:
        handle.write(content)


@pytest.fixture
async def own_parts(tmp_path, arena_data):
    """Parts whose store may be broken."""
    async with Parts(tmp_path, arena_data) as parts:
        yield parts


async def test_a_store_that_is_down(own_parts, tmp_path):
    parts = own_parts
    episode = await parts.client.reset("easy-1")
    await episode.step(WRONG, "first")
    with broken_database(tmp_path):
        for call in (
            lambda: episode.step(WRONG + "# 2", "second"),
            lambda: parts.client.reset("easy-1"),
            episode.get_state,
            lambda: parts.client.close_episode(episode.episode_id),
        ):
            with pytest.raises(UnavailableError) as caught:
                await call()
            assert caught.value.reason == ErrorReason.STORE_UNAVAILABLE
        assert (await parts.client.grade("easy-1", WRONG)).outcome is Outcome.TESTS_FAILED
        await eventually_health(parts, "NOT_SERVING")
        assert await parts.client.health("liveness") == "SERVING"
    await eventually_health(parts, "SERVING")
    result = await episode.step(WRONG + "# 2", "second")
    assert (result.observation.step, result.replayed) == (2, False)


async def test_a_store_that_breaks_while_a_step_is_graded(own_parts, tmp_path):
    parts = own_parts
    episode = await parts.client.reset("easy-1")
    running = asyncio.create_task(episode.step(SLEEPY.replace("3", "1"), "request"))
    await eventually(lambda: parts.executor.metric("codearena_executor_slots", state="busy") > 0)
    with broken_database(tmp_path):
        with pytest.raises(UnavailableError) as caught:
            await running
        assert caught.value.reason == ErrorReason.STORE_UNAVAILABLE
    assert await steps_taken(parts, episode) == 0
    assert infra_errors(parts) == 1
    assert (await episode.step(WRONG, "request")).observation.step == 1


async def eventually_health(parts, status):
    async def reached():
        return await parts.client.health() == status

    await eventually(reached)


async def test_a_deadline_that_passes(parts, episode):
    with pytest.raises(DeadlineExceededError):
        await episode.step(SLEEPY, "request", timeout_seconds=0.7)
    await eventually(lambda: parts.executor.metric("codearena_executor_slots", state="busy") == 0)
    assert await steps_taken(parts, episode) == 0
    codes = {"grpc_method": "Step", "grpc_code": "DEADLINE_EXCEEDED"}
    await eventually(lambda: parts.env.metric("grpc_server_handled_total", **codes) == 1)
    result = await episode.step(WRONG, "request")
    assert (result.observation.step, result.replayed) == (1, False)


async def test_a_client_that_goes_away(parts, episode):
    running = asyncio.create_task(episode.step(SLEEPY, "request"))
    await eventually(lambda: parts.executor.metric("codearena_executor_slots", state="busy") > 0)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    await eventually(lambda: parts.executor.metric("codearena_executor_slots", state="busy") == 0)
    assert await steps_taken(parts, episode) == 0
    assert (await episode.step(WRONG, "request")).observation.step == 1


async def test_a_close_during_a_step_wins(parts, episode):
    running = asyncio.create_task(episode.step(SLEEPY.replace("3", "1")))
    await eventually(lambda: parts.executor.metric("codearena_executor_slots", state="busy") > 0)
    await parts.client.close_episode(episode.episode_id)
    with pytest.raises(EpisodeDoneError):
        await running
    with pytest.raises(EpisodeDoneError):
        await episode.step(WRONG)
    state = await parts.client.get_state(episode.episode_id)
    assert (state.done, state.observation.step) == (True, 0)


async def test_whoever_leaves_a_group_early_frees_the_sandboxes(parts):
    codes = [f"import time\ntime.sleep(0.2)\n# {number}\n{WRONG}" for number in range(60)]

    def ended():
        return parts.executor.metric("codearena_sandbox_exits_total")

    before = ended()
    group = parts.client.grade_group("easy-1", codes)
    async for index, grade in group:
        assert grade.outcome is Outcome.TESTS_FAILED, index
        break
    await group.aclose()
    await eventually(lambda: parts.executor.metric("codearena_executor_slots", state="busy") == 0)
    assert parts.executor.metric("codearena_executor_queue_depth") == 0
    assert ended() - before < 30
