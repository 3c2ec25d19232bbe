"""The pool in front of a scripted backend: bounded, ready ahead, and free of leaks whatever is cancelled when."""

from __future__ import annotations

import asyncio
import json
import random
import time

import grpc
import pytest

from services.common.errors import StatusError, reason_name
from services.executor import jobs
from services.executor.asks import ANYONE, Ask
from services.executor.limits import Limits
from services.executor.pool import SandboxPool
from services.executor.queue import QueueOptions
from services.executor.runs import Runner
from services.executor.sandbox import HarnessDied, SandboxLost
from services.executor.stock import StockOptions
from tests.executor.scripted import Observed, ScriptedBackend, settle, until
from tests.executor.test_jobs import REPLY


class Setup:
    """A pool with its backend and observer. Unless told otherwise it makes no more sandboxes than are asked for."""

    def __init__(
        self,
        slots: int = 2,
        warm: int = 0,
        queue: int = 10,
        most: int | None = None,
        starting: int = 10,
        **stock: float,
    ) -> None:
        self.backend = ScriptedBackend()
        self.seen = Observed()
        options = StockOptions(warm, warm if most is None else most, starting, **{"tick_seconds": 0.001} | stock)
        self.pool = SandboxPool(self.backend, QueueOptions(slots, queue), options, self.seen)
        self.pool.start()

    def hold(self, ask: Ask = ANYONE) -> tuple[asyncio.Task[int], asyncio.Event]:
        """Leases in a task until the event is set. The task returns the number of its sandbox."""
        release = asyncio.Event()

        async def lease() -> int:
            async with self.pool.lease(ask) as lease:
                await release.wait()
                return lease.sandbox.number  # type: ignore[attr-defined]

        return asyncio.create_task(lease()), release

    async def assert_all_free(self, slots: int) -> None:
        await until(lambda: self.seen.free == slots)
        assert (self.seen.busy, self.seen.waiting) == (0, 0)
        await until(lambda: self.seen.in_use == 0)
        await until(lambda: len(self.backend.living) == self.seen.idle)


async def test_each_lease_has_a_sandbox_of_its_own_that_is_destroyed() -> None:
    setup = Setup()
    numbers = []
    for _ in range(3):
        async with setup.pool.lease() as lease:
            numbers.append(lease.sandbox.number)  # type: ignore[attr-defined]
            assert setup.backend.living == {numbers[-1]}
            assert (setup.seen.busy, setup.seen.free) == (1, 1)
        await setup.assert_all_free(2)

    assert numbers == setup.backend.destroyed == [1, 2, 3]
    await setup.pool.stop()


async def test_a_sandbox_is_destroyed_whatever_happens_in_the_lease() -> None:
    setup = Setup()
    with pytest.raises(ZeroDivisionError):
        async with setup.pool.lease():
            raise ZeroDivisionError
    await setup.assert_all_free(2)
    assert setup.backend.destroyed == [1]
    await setup.pool.stop()


async def test_a_slot_does_not_wait_for_its_sandbox_to_go_unless_too_many_are_going() -> None:
    setup = Setup(slots=2)
    gone = asyncio.Event()
    setup.backend.destroying = gone.wait  # type: ignore[assignment]
    for _ in range(4):
        async with setup.pool.lease():
            pass
    assert (setup.seen.busy, setup.seen.in_use) == (2, 4), "two go beyond the slots, two keep theirs"
    next_one, release = setup.hold()
    await settle()
    assert (setup.backend.made, setup.seen.waiting) == (4, 1)

    gone.set()
    release.set()
    assert await next_one == 5
    await setup.assert_all_free(2)
    await setup.pool.stop()


async def test_those_who_wait_are_served_in_order() -> None:
    setup = Setup(slots=1, queue=20)
    served: list[int] = []

    async def use(number: int) -> None:
        async with setup.pool.lease() as lease:
            served.append(number)
            assert lease.queue_seconds >= 0
            await asyncio.sleep(0)

    await asyncio.gather(*map(use, range(20)))
    assert served == list(range(20))
    assert setup.seen.waits == 20
    await setup.assert_all_free(1)
    await setup.pool.stop()


async def test_a_full_queue_says_when_to_come_back() -> None:
    setup = Setup(slots=1, queue=2)
    held = [setup.hold() for _ in range(3)]
    await settle()

    with pytest.raises(StatusError, match="2 requests wait already") as caught:
        async with setup.pool.lease():
            pass

    assert caught.value.code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert reason_name(caught.value.reason) == "QUEUE_FULL"
    assert caught.value.retry_after_seconds is not None
    assert 0 < caught.value.retry_after_seconds < 60
    for task, release in held:
        release.set()
        await task
    await setup.assert_all_free(1)
    await setup.pool.stop()


async def test_cancelling_one_that_waits_leaves_its_place_to_the_next() -> None:
    setup = Setup(slots=1, queue=2)
    (first, first_release), (second, _), (third, third_release) = (setup.hold() for _ in range(3))
    await settle()
    second.cancel()
    await asyncio.gather(second, return_exceptions=True)
    assert setup.seen.waiting == 1

    fourth, fourth_release = setup.hold()  # there is room again
    await settle()
    assert setup.seen.waiting == 2
    for release in (first_release, third_release, fourth_release):
        release.set()
    await asyncio.gather(first, third, fourth)
    await setup.assert_all_free(1)
    await setup.pool.stop()


async def test_cancelling_in_the_moment_of_being_served_gives_the_slot_on() -> None:
    setup = Setup(slots=1)
    first, release = setup.hold()
    second, _ = setup.hold()
    third, third_release = setup.hold()
    await settle()
    release.set()
    await first
    await until(lambda: setup.seen.waiting < 2)
    second.cancel()  # its slot was granted; it has not run since
    third_release.set()
    await third
    await setup.assert_all_free(1)
    await setup.pool.stop()


async def test_cancelling_while_a_sandbox_is_made_frees_the_slot() -> None:
    setup = Setup(slots=1)
    setup.backend.creating = asyncio.Event().wait  # type: ignore[assignment]
    task, _ = setup.hold()
    await settle()
    assert setup.seen.busy == 1
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await setup.assert_all_free(1)
    assert setup.backend.living == set()
    await setup.pool.stop()


@pytest.mark.parametrize(("warm", "most", "starting"), [(0, 0, 1), (0, 4, 2), (2, 6, 3)])
async def test_random_cancellations_leak_nothing(warm: int, most: int, starting: int) -> None:
    rng = random.Random(20240229)
    setup = Setup(slots=3, warm=warm, queue=12, most=most, starting=starting, first_pause_seconds=0.0)
    inside = 0

    async def pause() -> None:
        for _ in range(rng.randrange(4)):
            await asyncio.sleep(0)

    async def create() -> None:
        await pause()
        if rng.random() < 0.1:
            raise SandboxLost("no luck")
        if setup.backend.living and rng.random() < 0.1:
            setup.backend.dead.add(rng.choice(sorted(setup.backend.living)))

    setup.backend.creating, setup.backend.destroying = create, pause

    async def use() -> None:
        nonlocal inside
        soon = time.monotonic() + rng.choice([-1.0, 0.0005, 60.0])
        async with setup.pool.lease(Ask(rng.choice(["", "a", "b"]), rng.choice([None, soon]))):
            inside += 1
            try:
                assert inside <= 3
                assert len(setup.backend.living) <= 3 + 3 + most + 2 * starting
                await pause()
                if rng.random() < 0.2:
                    raise ZeroDivisionError
            finally:
                inside -= 1

    seen = set()
    for _ in range(100):
        tasks = [asyncio.create_task(use()) for _ in range(rng.randrange(1, 30))]
        for task in rng.sample(tasks, rng.randrange(len(tasks) + 1)):
            await pause()
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert {type(found) for found in results} <= {
            type(None),
            asyncio.CancelledError,
            ZeroDivisionError,
            StatusError,
        }
        seen |= {found.code for found in results if isinstance(found, StatusError)}
    refusals = {grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.DEADLINE_EXCEEDED}
    assert refusals <= seen <= refusals | {grpc.StatusCode.UNAVAILABLE}
    assert setup.backend.most_under_way == starting
    await setup.assert_all_free(3)

    await setup.pool.stop()
    assert setup.backend.living == set()
    assert len(set(setup.backend.destroyed)) == setup.backend.made


async def test_a_lost_engine_is_unavailable_and_keeps_no_slot() -> None:
    setup = Setup(slots=1)
    setup.backend.well = False
    for _ in range(3):
        with pytest.raises(StatusError, match="the engine is away") as caught:
            async with setup.pool.lease():
                pass
        assert caught.value.code is grpc.StatusCode.UNAVAILABLE
        assert reason_name(caught.value.reason) == "SANDBOX_UNAVAILABLE"
    setup.backend.well = True
    async with setup.pool.lease():
        pass
    await setup.assert_all_free(1)
    await setup.pool.stop()


async def test_warm_sandboxes_are_ready_and_made_up_for() -> None:
    setup = Setup(slots=2, warm=2)
    await until(lambda: setup.seen.idle == 2)

    async with setup.pool.lease(), setup.pool.lease():
        assert setup.seen.starts == [True, True]
        await until(lambda: setup.seen.idle == 2)
        assert setup.backend.made == 4
    await setup.assert_all_free(2)
    await setup.pool.stop()
    assert setup.backend.living == set()


async def test_one_whose_deadline_has_gone_costs_no_sandbox() -> None:
    setup = Setup(slots=1)
    with pytest.raises(StatusError, match="deadline went by") as caught:
        async with setup.pool.lease(Ask(deadline=time.monotonic())):
            pass
    assert caught.value.code is grpc.StatusCode.DEADLINE_EXCEEDED
    assert reason_name(caught.value.reason) == "DEADLINE"
    assert setup.backend.begun == 0

    first, release = setup.hold()
    late, _ = setup.hold(Ask(deadline=time.monotonic() + 0.01))
    with pytest.raises(StatusError, match="deadline went by"):
        await late
    assert setup.seen.waiting == 0
    release.set()
    await first
    await setup.assert_all_free(1)
    assert setup.backend.begun == 1
    await setup.pool.stop()


async def test_a_deadline_ends_the_wait_for_a_sandbox_too() -> None:
    setup = Setup(slots=1, most=1)
    ready = asyncio.Event()
    setup.backend.creating = ready.wait  # type: ignore[assignment]
    late, _ = setup.hold(Ask(deadline=time.monotonic() + 0.01))
    with pytest.raises(StatusError, match="deadline went by"):
        await late
    await setup.assert_all_free(1)

    ready.set()
    await until(lambda: setup.seen.idle == 1)
    async with setup.pool.lease() as lease:
        assert lease.sandbox.number == 1, "what was made for it is the next one's"  # type: ignore[attr-defined]
    await setup.pool.stop()


async def test_stopping_refuses_those_who_wait_and_destroys_what_is_idle() -> None:
    setup = Setup(slots=1, warm=2)
    await until(lambda: setup.seen.idle == 2)
    running, release = setup.hold()
    waiting, _ = setup.hold()
    await settle()

    await setup.pool.stop()

    with pytest.raises(StatusError, match="shutting down") as caught:
        await waiting
    assert caught.value.code is grpc.StatusCode.UNAVAILABLE
    with pytest.raises(StatusError) as caught:
        async with setup.pool.lease():
            pass
    assert reason_name(caught.value.reason) == "SHUTTING_DOWN"
    assert setup.backend.living == {2}, "the one in use belongs to its caller"
    release.set()
    await running
    await until(lambda: setup.backend.living == set())


async def test_stopping_ends_creations_under_way_and_refuses_those_who_wait_for_them() -> None:
    setup = Setup(slots=3, warm=4, starting=2)
    setup.backend.creating = asyncio.Event().wait  # type: ignore[assignment]
    waiting = [setup.hold()[0] for _ in range(3)]
    await settle()
    assert setup.backend.under_way == 2

    await asyncio.wait_for(setup.pool.stop(), 5)

    for result in await asyncio.gather(*waiting, return_exceptions=True):
        assert isinstance(result, StatusError)
        assert reason_name(result.reason) == "SHUTTING_DOWN"
    assert setup.backend.under_way == 0
    assert setup.backend.living == set()
    assert (setup.seen.warming, setup.seen.idle) == (0, 0)


@pytest.mark.parametrize("turns", range(6))
async def test_stopping_in_any_moment_of_a_creation_leaves_nothing(turns: int) -> None:
    setup = Setup(slots=2, warm=2)

    async def create() -> None:
        for _ in range(2):
            await asyncio.sleep(0)

    setup.backend.creating = create
    task, release = setup.hold()
    release.set()
    for _ in range(turns):
        await asyncio.sleep(0)
    await setup.pool.stop()
    await asyncio.gather(task, return_exceptions=True)
    await until(lambda: setup.backend.living == set())
    assert len(setup.backend.destroyed) == setup.backend.made


@pytest.mark.parametrize(
    ("failure", "well", "becomes"),
    [
        (SandboxLost("somebody removed it"), True, StatusError),
        (HarnessDied("it ended"), True, HarnessDied),
        (HarnessDied("it ended"), False, StatusError),
    ],
)
async def test_a_failed_run_is_the_submissions_only_while_the_engine_is_well(
    failure: Exception, well: bool, becomes: type[Exception]
) -> None:
    setup = Setup()
    runner = Runner(setup.pool, setup.backend)

    async def answer(job: bytes) -> bytes:
        setup.backend.well = well
        raise failure

    setup.backend.answer = answer
    with pytest.raises(becomes) as caught:
        async with runner.program("x = 1", Limits()) as run:
            await run.batch([], visible=0)
    if isinstance(caught.value, StatusError):
        assert caught.value.code is grpc.StatusCode.UNAVAILABLE
        assert reason_name(caught.value.reason) == "SANDBOX_UNAVAILABLE"
    await setup.assert_all_free(2)
    await setup.pool.stop()


async def test_a_harness_without_a_filter_is_not_believed() -> None:
    setup = Setup()

    async def answer(job: bytes) -> bytes:
        return json.dumps(REPLY | {"filter": "none"}).encode()

    setup.backend.answer = answer
    runner = Runner(setup.pool, setup.backend)
    with pytest.raises(StatusError, match="no system call filter"):
        async with runner.program("x = 1", Limits()) as run:
            await run.batch([jobs.Call("", "f()")], visible=0)
    await setup.pool.stop()
