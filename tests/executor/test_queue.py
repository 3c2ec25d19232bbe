"""The queue by a scripted clock: fair among runs, mindful of deadlines, bounded, honest about how fast it drains."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Mapping

import grpc
import pytest

from services.common.errors import StatusError, reason_name
from services.executor.asks import Ask
from services.executor.queue import QueueOptions, SlotQueue
from services.executor.shares import Shares, Ticket
from tests.executor.scripted import Observed, settle


class Line:
    """A queue, and who was granted a slot, in order."""

    def __init__(self, slots: int = 1, places: int = 1000, weights: Mapping[str, float] | None = None) -> None:
        self.now = 1000.0
        self.seen = Observed()
        self.queue = SlotQueue(QueueOptions(slots, places, weights or {}), self.seen, lambda: self.now)
        self.granted: list[str] = []
        self.tickets: list[tuple[str, Ticket]] = []

    def ask(self, run: str, deadline: float | None = None) -> asyncio.Task[None]:
        async def take() -> None:
            ticket = await self.queue.take(Ask(run, deadline))
            self.granted.append(run)
            self.tickets.append((run, ticket))

        return asyncio.create_task(take())

    async def asks(self, **counts: int) -> list[asyncio.Task[None]]:
        """Asks so many times for each run, in the order given."""
        tasks = [self.ask(run) for run, count in counts.items() for _ in range(count)]
        await settle()
        return tasks

    async def serve(self, grants: int, **seconds: float) -> Counter[str]:
        """Gives slots back, each after as long as its run's programs take, and counts who got the next ones."""
        before = len(self.granted)
        for _ in range(grants):
            run, ticket = self.tickets.pop(0)
            self.now += seconds.get(run, 1.0)
            self.queue.give(ticket)
            await settle()
        return Counter(self.granted[before:])

    async def end(self, *tasks: asyncio.Task[None]) -> None:
        """Cancels those who still wait and gives back what was granted."""
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for _, ticket in self.tickets:
            self.queue.give(ticket)
        assert (self.seen.busy, self.seen.waiting) == (0, 0)


async def refusal(task: asyncio.Task[None]) -> StatusError:
    with pytest.raises(StatusError) as caught:
        await task
    return caught.value


async def test_within_a_run_the_first_is_the_first() -> None:
    line = Line()
    tasks = await line.asks(a=5)
    order = [task.done() for task in tasks]
    assert order == [True, False, False, False, False]
    for served in range(2, 6):
        await line.serve(1)
        assert [task.done() for task in tasks] == [True] * served + [False] * (5 - served)
    await line.end()


async def test_a_run_with_a_hundred_requests_does_not_hold_up_one_with_three() -> None:
    line = Line()
    tasks = await line.asks(flood=100, few=3)
    assert (await line.serve(7))["few"] == 3
    await line.end(*tasks)


async def test_equal_runs_take_turns() -> None:
    line = Line()
    tasks = await line.asks(a=20, b=20, c=20)
    assert await line.serve(30) == {"a": 10, "b": 10, "c": 10}
    await line.end(*tasks)


async def test_shares_go_by_weight() -> None:
    line = Line(weights={"heavy": 3.0, "light": 0.5})
    tasks = await line.asks(heavy=100, light=100, plain=100)
    served = await line.serve(90)
    assert served == {"heavy": 60, "light": 10, "plain": 20}
    await line.end(*tasks)


async def test_a_run_of_slow_programs_gets_as_much_time_not_as_many_slots() -> None:
    line = Line()
    tasks = await line.asks(slow=300, fast=300)
    served = await line.serve(220, slow=10.0, fast=1.0)
    assert served["slow"] * 10.0 == pytest.approx(served["fast"], rel=0.1)
    await line.end(*tasks)


async def test_a_program_that_runs_on_counts_while_it_runs() -> None:
    line = Line(slots=3)
    tasks = await line.asks(slow=2, fast=1)
    tasks += await line.asks(slow=50, fast=50)
    endless, line.tickets = line.tickets[:2], line.tickets[2:]
    assert await line.serve(40, fast=0.1, slow=0.1) == {"fast": 40}
    line.tickets += endless
    await line.end(*tasks)


async def test_what_a_run_did_not_use_is_not_saved_up() -> None:
    line = Line()
    tasks = await line.asks(busy=200)
    await line.serve(100)
    tasks += await line.asks(late=50)
    assert await line.serve(20) == {"busy": 10, "late": 10}
    await line.end(*tasks)


async def test_a_run_that_pauses_does_not_get_rid_of_what_it_owes() -> None:
    line = Line()
    tasks = await line.asks(other=100, slow=1)
    assert await line.serve(2, slow=60.0) == {"slow": 1, "other": 1}
    tasks += await line.asks(slow=10)
    assert await line.serve(20) == {"other": 20}
    await line.end(*tasks)


async def test_the_empty_run_is_a_run_like_others() -> None:
    line = Line()
    tasks = [line.ask("") for _ in range(20)] + await line.asks(a=20)
    await settle()
    assert await line.serve(20) == {"": 10, "a": 10}
    await line.end(*tasks)


@pytest.mark.parametrize("places", [4, 5])
async def test_a_full_queue_makes_room_for_a_run_with_fewer_places(places: int) -> None:
    line = Line(places=places)
    flood = await line.asks(flood=1 + places)
    newcomers = await line.asks(few=2)

    for evicted in flood[-2:]:  # the newest, who waited least
        error = await refusal(evicted)
        assert (error.code, reason_name(error.reason)) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "QUEUE_FULL")
        assert "a run with fewer requests" in error.message
        assert error.retry_after_seconds is not None
    assert line.seen.waiting == places
    for refused in (line.ask("few"), line.ask("flood")):
        assert f"{places} requests wait already" in (await refusal(refused)).message
    third = line.ask("third")
    await settle()
    assert (line.seen.waiting, third.done()) == (places, False)
    await line.end(*flood, *newcomers, third)


async def test_places_go_by_weight_too() -> None:
    line = Line(places=8, weights={"heavy": 3.0})
    tasks = await line.asks(plain=9)
    tasks += await line.asks(heavy=8)
    waiting = Counter(run for run, task in zip(["plain"] * 9 + ["heavy"] * 8, tasks, strict=True) if not task.done())
    assert waiting == {"plain": 2, "heavy": 6}
    await line.end(*tasks)


async def test_without_places_nobody_waits() -> None:
    line = Line(places=0)
    tasks = await line.asks(a=1)
    for run in "ab":
        assert "0 requests wait already" in (await refusal(line.ask(run))).message
    await line.end(*tasks)


async def test_one_whose_deadline_has_gone_is_dropped_when_its_turn_comes() -> None:
    line = Line()
    tasks = await line.asks(a=1)
    deadline = time.monotonic() + 0.2
    late = line.ask("a", deadline)
    after = line.ask("a")
    await settle()
    assert line.seen.waiting == 2
    while time.monotonic() < deadline:  # nothing else runs meanwhile: its turn comes before its timer
        pass
    line.queue.give(line.tickets.pop()[1])

    error = await refusal(late)
    assert (error.code, reason_name(error.reason)) == (grpc.StatusCode.DEADLINE_EXCEEDED, "DEADLINE")
    await after
    assert line.granted == ["a", "a"]
    await line.end(*tasks)


async def test_one_whose_deadline_goes_by_leaves_its_place() -> None:
    line = Line(places=1)
    tasks = await line.asks(a=1)
    late = line.ask("a", time.monotonic() + 0.005)
    assert (await refusal(late)).code is grpc.StatusCode.DEADLINE_EXCEEDED
    assert line.seen.waiting == 0
    after = line.ask("a")
    await settle()
    assert line.seen.waiting == 1
    await line.end(*tasks, after)


async def test_one_that_comes_too_late_is_refused_though_there_is_a_slot() -> None:
    line = Line()
    assert (await refusal(line.ask("a", time.monotonic()))).code is grpc.StatusCode.DEADLINE_EXCEEDED
    await line.end()


async def hint(line: Line) -> float:
    error = await refusal(line.ask("a"))
    assert error.retry_after_seconds is not None
    assert f"come back in {error.retry_after_seconds:.1f} s" in error.message
    return error.retry_after_seconds


async def test_the_hint_is_the_time_in_which_what_waits_drains() -> None:
    line = Line(slots=2, places=9)
    tasks = await line.asks(a=11)
    for _ in range(40):
        await line.serve(1, a=3.0)
        tasks += await line.asks(a=1)
    assert await hint(line) == pytest.approx(30.0)
    await line.end(*tasks)


async def test_time_in_which_nothing_waited_says_nothing_of_the_drain() -> None:
    line = Line(places=3)
    for _ in range(3):
        tasks = await line.asks(a=4)
        await line.serve(4, a=2.0)
        line.now += 3600
    tasks = await line.asks(a=4)
    assert await hint(line) == pytest.approx(8.0)
    await line.end(*tasks)


async def test_a_drain_that_slows_down_is_seen_before_the_next_slot() -> None:
    line = Line(places=3)
    tasks = await line.asks(a=4)
    await line.serve(2, a=0.1)
    tasks += await line.asks(a=2)
    assert await hint(line) == pytest.approx(0.4)
    line.now += 5.0
    assert await hint(line) == pytest.approx(20.0)
    line.now += 3600
    assert await hint(line) == 60.0
    await line.end(*tasks)


async def test_a_fast_drain_is_no_reason_to_come_back_at_once() -> None:
    line = Line(places=2)
    tasks = await line.asks(a=3)
    for _ in range(40):
        await line.serve(1, a=0.0001)
        tasks += await line.asks(a=1)
    assert await hint(line) == 0.05
    await line.end(*tasks)


async def test_before_anything_was_measured_the_hint_is_a_sane_guess() -> None:
    line = Line(slots=4, places=3)
    tasks = await line.asks(a=7)
    assert 0.05 <= await hint(line) <= 5.0
    await line.end(*tasks)


async def test_a_closed_queue_refuses_those_who_wait_and_those_who_come() -> None:
    line = Line()
    first, second = await line.asks(a=1, b=1)
    line.queue.close()
    for refused in (second, line.ask("c")):
        error = await refusal(refused)
        assert (error.code, reason_name(error.reason)) == (grpc.StatusCode.UNAVAILABLE, "SHUTTING_DOWN")
    await line.end(first)


async def test_the_wait_of_everyone_who_left_is_told() -> None:
    line = Line(places=2)
    first, second, third = await line.asks(a=3)
    third.cancel()
    await line.serve(1)
    await asyncio.gather(first, second, third, return_exceptions=True)
    assert line.seen.waits == 3
    await line.end()


async def test_whatever_is_cancelled_evicted_or_late_no_slot_is_lost_or_doubled() -> None:
    rng = random.Random(7)
    slots = 3
    line = Line(slots, places=6, weights={"b": 2.0})
    running = 0

    async def use() -> None:
        nonlocal running
        deadline = rng.choice([None, time.monotonic() + rng.choice([0.0, 0.0005, 60.0])])
        ticket = await line.queue.take(Ask(rng.choice("abcd"), deadline))
        running += 1
        try:
            assert running <= slots
            for _ in range(rng.randrange(4)):
                await asyncio.sleep(0)
        finally:
            running -= 1
            line.now += rng.random()
            line.queue.give(ticket)

    codes = set()
    for _ in range(300):
        tasks = [asyncio.create_task(use()) for _ in range(rng.randrange(1, 25))]
        for task in rng.sample(tasks, rng.randrange(len(tasks) + 1)):
            for _ in range(rng.randrange(3)):
                await asyncio.sleep(0)
            task.cancel()
        for found in await asyncio.gather(*tasks, return_exceptions=True):
            assert found is None or isinstance(found, asyncio.CancelledError | StatusError), found
            codes |= {found.code} if isinstance(found, StatusError) else set()
        assert (line.seen.busy, line.seen.free, line.seen.waiting) == (0, slots, 0)
    assert codes == {grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.DEADLINE_EXCEEDED}


def test_few_of_many_runs_are_remembered() -> None:
    shares = Shares({})
    first = shares.charge("first", 0.0)
    for number in range(5000):
        shares.settle(shares.charge(f"run-{number}", float(number)), number + 1.0)
    assert 1 < shares.remembered <= 1025
    shares.settle(first, 5000.0)
    assert shares.remembered == 0
