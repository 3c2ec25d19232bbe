"""The pool in front of a scripted backend: bounded, fair, and free of leaks whatever is cancelled when."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Awaitable, Callable

import grpc
import pytest

from codearena.v1 import core_pb2 as core
from services.common.errors import StatusError, reason_name
from services.executor import jobs
from services.executor.limits import Limits
from services.executor.pool import PoolOptions, SandboxPool
from services.executor.runs import Runner
from services.executor.sandbox import BackendInfo, HarnessDied, Sandbox, SandboxLost
from tests.executor.test_jobs import REPLY


class ScriptedSandbox:
    """A sandbox in memory; `answer` says what running in it does."""

    def __init__(self, backend: ScriptedBackend, number: int) -> None:
        self.number = number
        self._backend = backend

    async def run(self, job: bytes) -> bytes:
        return await self._backend.answer(job)

    async def destroy(self) -> None:
        self._backend.destroyed.append(self.number)
        await self._backend.destroying()
        self._backend.living.discard(self.number)


async def _nothing() -> None:
    pass


async def _no_answer(job: bytes) -> bytes:
    raise HarnessDied("it ended")


class ScriptedBackend:
    """Makes sandboxes in memory. A cancelled or failed creation makes none, as the protocol demands."""

    def __init__(self) -> None:
        self.made = 0
        self.living: set[int] = set()
        self.destroyed: list[int] = []
        self.creating: Callable[[], Awaitable[None]] = _nothing
        self.destroying: Callable[[], Awaitable[None]] = _nothing
        self.answer: Callable[[bytes], Awaitable[bytes]] = _no_answer
        self.well = True

    async def start(self) -> BackendInfo:
        return BackendInfo(core.SANDBOX_BACKEND_PROCESS, "none: in memory", isolated=False)

    async def create(self) -> Sandbox:
        await self.creating()
        if not self.well:
            raise SandboxLost("the engine is away")
        self.made += 1
        self.living.add(self.made)
        return ScriptedSandbox(self, self.made)

    async def ping(self) -> None:
        if not self.well:
            raise SandboxLost("the engine is away")

    async def stop(self) -> None:
        self.living.clear()


class Observed:
    """Keeps what the pool last told."""

    def __init__(self) -> None:
        self.busy = self.free = self.waiting = self.idle = 0
        self.starts: list[bool] = []
        self.waits = 0

    def slots(self, busy: int, free: int, waiting: int) -> None:
        self.busy, self.free, self.waiting = busy, free, waiting

    def pool(self, warming: int, idle: int, leased: int) -> None:
        self.idle = idle

    def waited(self, seconds: float) -> None:
        self.waits += 1

    def started(self, seconds: float, *, warm: bool) -> None:
        self.starts.append(warm)


class Setup:
    """A pool with its backend and observer."""

    def __init__(self, slots: int = 2, warm: int = 0, queue: int = 10, age: float = 300.0) -> None:
        self.backend = ScriptedBackend()
        self.seen = Observed()
        self.pool = SandboxPool(self.backend, PoolOptions(slots, warm, queue, age), self.seen)
        self.pool.start()

    def hold(self) -> tuple[asyncio.Task[None], asyncio.Event]:
        """Leases in a task until the event is set."""
        release = asyncio.Event()

        async def lease() -> None:
            async with self.pool.lease():
                await release.wait()

        return asyncio.create_task(lease()), release

    async def assert_all_free(self, slots: int) -> None:
        await until(lambda: self.seen.free == slots)
        assert (self.seen.busy, self.seen.waiting) == (0, 0)
        await until(lambda: len(self.backend.living) == self.seen.idle)


async def until(condition: Callable[[], bool]) -> None:
    """Lets the others run until the condition holds; the bound is there for a test that fails."""
    for _ in range(100_000):
        if condition():
            return
        await asyncio.sleep(0)
    pytest.fail("it does not come true")


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


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


async def test_a_slot_is_free_only_when_its_sandbox_is_gone() -> None:
    setup = Setup(slots=1)
    gone = asyncio.Event()
    setup.backend.destroying = gone.wait  # type: ignore[assignment]
    async with setup.pool.lease():
        pass
    next_one, release = setup.hold()
    await settle()
    assert setup.backend.made == 1
    assert setup.seen.waiting == 1

    gone.set()
    await until(lambda: setup.backend.made == 2)
    release.set()
    await next_one
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


@pytest.mark.parametrize("warm", [0, 2])
async def test_random_cancellations_leak_nothing(warm: int) -> None:
    rng = random.Random(20240229)
    setup = Setup(slots=3, warm=warm, queue=30)

    async def pause() -> None:
        for _ in range(rng.randrange(4)):
            await asyncio.sleep(0)

    async def create() -> None:
        await pause()
        if rng.random() < 0.1:
            raise SandboxLost("no luck")

    setup.backend.creating, setup.backend.destroying = create, pause

    async def use() -> None:
        async with setup.pool.lease():
            assert len(setup.backend.living) <= 3 + warm
            await pause()
            if rng.random() < 0.2:
                raise ZeroDivisionError

    for _ in range(100):
        tasks = [asyncio.create_task(use()) for _ in range(rng.randrange(1, 30))]
        for task in rng.sample(tasks, rng.randrange(len(tasks) + 1)):
            await pause()
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        kinds = {type(result) for result in results}
        assert kinds <= {type(None), asyncio.CancelledError, ZeroDivisionError, StatusError}
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


async def test_an_aged_sandbox_is_thrown_away() -> None:
    setup = Setup(slots=1, warm=1, age=0.0)
    await until(lambda: setup.seen.idle == 1)
    await asyncio.sleep(0.001)

    async with setup.pool.lease() as lease:
        assert lease.sandbox.number != 1  # type: ignore[attr-defined]
        await until(lambda: 1 in setup.backend.destroyed)
    await setup.pool.stop()
    assert setup.backend.living == set()


async def test_warming_goes_on_after_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.executor.pool._REFILL_PAUSE_SECONDS", 0.0)
    setup = Setup(slots=1, warm=1)
    setup.backend.well = False
    await settle()
    assert setup.backend.made == 0
    setup.backend.well = True
    await until(lambda: setup.seen.idle == 1)
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
    assert setup.backend.living == {1}, "the one in use belongs to its caller"
    release.set()
    await running
    await until(lambda: setup.backend.living == set())


async def test_stopping_ends_a_creation_under_way() -> None:
    setup = Setup(warm=1)
    setup.backend.creating = asyncio.Event().wait  # type: ignore[assignment]
    await settle()
    await asyncio.wait_for(setup.pool.stop(), 5)
    assert setup.backend.living == set()


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
