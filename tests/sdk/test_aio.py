"""The asynchronous client: the same answers as the synchronous one."""

import asyncio

import grpc
import pytest

import codearena
from codearena import ArenaClient, AsyncArenaClient


@pytest.fixture
async def aclient(fake):
    async with AsyncArenaClient(fake.address, token="t") as arena:
        yield arena


@pytest.mark.parametrize(
    ("method", "arguments"),
    [
        ("step", ("ep_1", "x = 1", "same")),
        ("get_state", ("ep_1",)),
        ("close_episode", ("ep_1",)),
        ("grade", ("easy-1", "x = 1")),
        ("propose_fix", ("x = 1",)),
        ("review_fix", ("x = 1",)),
        ("run_code", ("print()",)),
        ("get_task", ("easy-1",)),
        ("health", ()),
    ],
)
async def test_same_answer_and_same_request(fake, aclient, method, arguments):
    answer = await getattr(aclient, method)(*arguments)
    with ArenaClient(fake.address) as arena:
        assert getattr(arena, method)(*arguments) == answer
    for first, second in fake.received.values():
        assert first.request == second.request
        assert first.metadata["authorization"] == "Bearer t"


async def test_episode(fake, aclient):
    async with await aclient.reset(task_id="hard-1", seed=7) as episode:
        assert (episode.episode_id, episode.task_id) == ("ep_1", "hard-1")
        result = await episode.step("a")
        assert episode.observation is result.observation
        assert (await episode.get_state()).episode_id == "ep_1"
        assert (await episode.propose_fix()).method == "builtin"
    assert episode.done
    assert len(fake.requests("CloseEpisode")) == 1


async def test_failure_of_close_does_not_hide_the_error_inside(fake, aclient):
    fake.fail("CloseEpisode", grpc.StatusCode.INTERNAL)
    with pytest.raises(KeyError, match="inside"):
        async with await aclient.reset("easy-1"):
            raise KeyError("inside")


async def test_group_and_list_are_async_iterators(fake, aclient):
    assert [index async for index, _ in aclient.grade_group("easy-1", ["a", "b"], fresh=True)] == [1, 0]
    assert fake.requests("GradeGroup")[0].fresh
    assert [task.task_id async for task in aclient.list_tasks()] == ["easy-1"]


async def test_splits_and_seeds_are_sent(fake, aclient):
    await aclient.reset(split="train")
    [task async for task in aclient.list_tasks(split="test")]
    await aclient.grade("easy-1", "x = 1", seed=7)
    [item async for item in aclient.grade_group("easy-1", ["x = 1", "x = 2"], seed=8)]
    assert fake.requests("Reset")[0].split == "train"
    assert fake.requests("ListTasks")[0].split == "test"
    assert (fake.requests("Grade")[0].seed, fake.requests("GradeGroup")[0].seed) == (7, 8)


async def test_errors_are_the_same(fake, aclient):
    fake.fail("Grade", grpc.StatusCode.RESOURCE_EXHAUSTED, reason="QUEUE_FULL", retry_after_nanos=1_500_000_000)
    with pytest.raises(codearena.QueueFullError) as caught:
        await aclient.grade("easy-1", "x = 1")
    assert (caught.value.reason, caught.value.retry_after_seconds) == ("QUEUE_FULL", 1.5)
    fake.fail("GradeGroup", grpc.StatusCode.NOT_FOUND, reason="TASK_NOT_FOUND")
    with pytest.raises(codearena.NotFoundError):
        [item async for item in aclient.grade_group("none", ["x"])]
    with pytest.raises(codearena.InvalidArgumentError):
        await aclient.grade("easy-1", "\udfff")


async def test_unavailable_step_is_sent_again_with_the_same_request_id(fake, aclient):
    fake.fail("Step", grpc.StatusCode.UNAVAILABLE)
    await aclient.step("ep_1", "x = 1")
    first, second = fake.requests("Step")
    assert first.request_id == second.request_id


async def test_passed_deadline_raises(fake, aclient):
    fake.stalled.add("Grade")
    with pytest.raises(codearena.DeadlineExceededError):
        await aclient.grade("easy-1", "x = 1", timeout_seconds=0.1)


async def test_cancelled_task_cancels_its_call(fake, aclient):
    fake.stalled.add("Grade")
    task = asyncio.create_task(aclient.grade("easy-1", "x = 1"))
    assert await asyncio.to_thread(fake.arrived["Grade"].wait, 30)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_many_calls_at_once(aclient):
    grades = await asyncio.gather(*(aclient.grade("easy-1", "x = 1") for _ in range(50)))
    assert len(grades) == 50


async def test_closed_client_says_so(fake):
    arena = AsyncArenaClient(fake.address)
    await arena.close()
    with pytest.raises(RuntimeError, match="closed"):
        await arena.get_task("easy-1")


def test_client_may_be_made_outside_a_loop(fake):
    arena = AsyncArenaClient(fake.address)

    async def use():
        async with arena:
            return await arena.get_task("easy-1")

    assert asyncio.run(use()).task_id == "easy-1"
