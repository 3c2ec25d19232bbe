"""Groups of programs: each graded once, answered as it is ready, and ended with the call."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any

import grpc
import pytest

from codearena.v1 import core_pb2 as core
from codearena.v1 import error_reason_pb2 as reasons
from codearena.v1 import executor_service_pb2 as wire
from services.common.errors import StatusError, unavailable
from services.executor.asks import ANYONE, Ask
from services.executor.groups import Groups
from services.executor.refusals import queue_full
from services.executor.suites import CheckedSuite, Suites
from tests.executor.conftest import DOUBLE, Executor, double_suite, refused, started, until

WRONG = "def double(x):\n    return x\n"
SLEEPY = "import time\ntime.sleep(1)\n" + DOUBLE


@pytest.fixture(scope="module")
async def executor(data_dir: Path) -> AsyncIterator[Executor]:
    """An executor whose verdicts are those of this module's tests."""
    async with started("process", data_dir) as running:
        yield running


def call(executor: Executor, codes: list[str], timeout: float = 60, **fields: Any) -> grpc.aio.UnaryStreamCall:
    request = wire.ExecuteGroupRequest(codes=codes, **{"suite": double_suite()} | fields)
    return executor.stub.ExecuteGroup(request, timeout=timeout)


async def graded(executor: Executor, codes: list[str], **fields: Any) -> dict[int, wire.ExecuteGroupResponse]:
    """Grades a group; each index comes once."""
    responses = [response async for response in call(executor, codes, **fields)]
    assert sorted(response.index for response in responses) == list(range(len(codes)))
    return {response.index: response for response in responses}


def sandboxes(executor: Executor) -> float:
    name = "codearena_sandbox_start_duration_seconds_count"
    return sum(executor.gauge(name, backend="process", path=path) or 0 for path in ("warm", "cold"))


async def test_each_program_has_its_verdict(executor: Executor) -> None:
    items = await graded(executor, [WRONG, DOUBLE, "def double(x) return\n", "import os\nos._exit(0)\n"])

    assert [items[index].response.outcome for index in range(4)] == [
        core.OUTCOME_TESTS_FAILED,
        core.OUTCOME_PASSED,
        core.OUTCOME_COMPILE_ERROR,
        core.OUTCOME_CRASHED,
    ]
    alone = await executor.grade(DOUBLE)
    assert [test.name for test in items[1].response.tests] == [test.name for test in alone.tests]
    assert items[1].response.efficiency.score == alone.efficiency.score


async def test_bad_items_fail_alone(executor: Executor) -> None:
    items = await graded(executor, [DOUBLE, "  ", "x = 1\0", "#" * 262_145, WRONG, "  "])

    assert [items[index].WhichOneof("result") for index in range(6)] == [
        "response", "error", "error", "error", "response", "error",
    ]  # fmt: skip
    assert [items[index].error.reason for index in (1, 2, 3, 5)] == [
        reasons.ERROR_REASON_EMPTY_FIX,
        reasons.ERROR_REASON_INVALID_TEXT,
        reasons.ERROR_REASON_FIX_TOO_LARGE,
        reasons.ERROR_REASON_EMPTY_FIX,
    ]
    assert {items[index].error.code for index in (1, 2, 3, 5)} == {grpc.StatusCode.INVALID_ARGUMENT.value[0]}
    assert "codes[1]" in items[1].error.message


async def test_equal_programs_are_graded_once(executor: Executor) -> None:
    await executor.grade(DOUBLE)
    before = sandboxes(executor)
    code = "# in one group\n" + DOUBLE
    items = await graded(executor, [code] * 12)

    assert {item.response.outcome for item in items.values()} == {core.OUTCOME_PASSED}
    assert sorted(item.response.cached for item in items.values()) == [False] + [True] * 11
    assert sandboxes(executor) == before + 1
    again = await graded(executor, [code, code])
    assert [again[index].response.cached for index in range(2)] == [True, True]
    assert sandboxes(executor) == before + 1


async def test_fresh_ones_are_graded_each(executor: Executor) -> None:
    await executor.grade(DOUBLE)
    before = sandboxes(executor)
    items = await graded(executor, [WRONG] * 3, fresh=True)

    assert [item.response.cached for item in items.values()] == [False] * 3
    assert sandboxes(executor) == before + 3


async def test_equal_ones_are_graded_once_whatever_is_kept(data_dir: Path) -> None:
    async with started("process", data_dir, verdict_cache_entries=0) as executor:
        items = await graded(executor, [WRONG] * 9)
        assert sorted(item.response.cached for item in items.values()) == [False] + [True] * 8
        assert sandboxes(executor) == 3, "the canary's, the reference's and one more"


async def test_what_is_ready_first_comes_first(executor: Executor) -> None:
    await executor.grade(DOUBLE)
    order = [item.index async for item in call(executor, [SLEEPY, WRONG, DOUBLE])]
    assert order[-1] == 0


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"codes": []}, "codes"),
        ({"codes": [DOUBLE] * 257}, "codes"),
        ({"suite": wire.Suite(reference_code=DOUBLE)}, "suite.cases"),
        ({"suite": wire.Suite()}, "suite.reference_code"),
        ({"run_id": "x" * 129}, "run_id"),
        ({"run_id": "two\nlines"}, "run_id"),
    ],
)
async def test_a_malformed_group_is_refused_as_a_whole(executor: Executor, fields: dict[str, Any], field: str) -> None:
    stream = call(executor, **{"codes": [DOUBLE]} | fields)
    error = await refused(stream.read())

    assert error.code is grpc.StatusCode.INVALID_ARGUMENT
    assert error.metadata["field"] == field


async def test_a_reference_that_is_unfit_fails_each_item(executor: Executor) -> None:
    suite = double_suite()
    suite.reference_code = WRONG
    items = await graded(executor, [DOUBLE, WRONG], suite=suite)

    assert {item.error.code for item in items.values()} == {grpc.StatusCode.INVALID_ARGUMENT.value[0]}
    assert all("fails the case" in item.error.message for item in items.values())


async def test_the_largest_group(executor: Executor) -> None:
    items = await graded(executor, [WRONG + f"# {number % 8}\n" for number in range(256)])
    assert {item.response.outcome for item in items.values()} == {core.OUTCOME_TESTS_FAILED}
    assert sum(not item.response.cached for item in items.values()) == 8


def endless(count: int) -> list[str]:
    return [f"import time\ntime.sleep(30)\n# {number}\n" for number in range(count)]


async def test_a_group_that_is_given_up_frees_slots_and_places(executor: Executor) -> None:
    await executor.grade(DOUBLE)
    await until(executor.all_free)
    before = sandboxes(executor)
    stream = call(executor, [DOUBLE, *endless(20)], suite=double_suite(wall_seconds=40))
    first = await stream.read()
    assert first.response.outcome == core.OUTCOME_PASSED
    await until(lambda: executor.gauge("codearena_executor_slots", state="busy") == 2)
    await until(lambda: executor.gauge("codearena_executor_queue_depth") == 2)
    stream.cancel()

    await until(executor.all_free)
    assert executor.gauge("codearena_executor_queue_depth") == 0
    assert sandboxes(executor) <= before + 1 + 3
    assert (await executor.grade(DOUBLE)).outcome == core.OUTCOME_PASSED


async def test_a_deadline_ends_the_rest(executor: Executor) -> None:
    await executor.grade(DOUBLE, double_suite(wall_seconds=40))
    await until(executor.all_free)
    arrived = []

    async def read() -> None:
        stream = call(executor, [DOUBLE, *endless(6)], timeout=4, suite=double_suite(wall_seconds=40))
        async for response in stream:
            arrived.append(response.index)

    error = await refused(read())

    assert error.code is grpc.StatusCode.DEADLINE_EXCEEDED
    assert arrived == [0]
    await until(executor.all_free)
    assert executor.gauge("codearena_executor_queue_depth") == 0


async def test_groups_that_fill_the_queue_wait_for_it(data_dir: Path) -> None:
    async with started("process", data_dir, slots=1, queue=1) as executor:
        await executor.grade(DOUBLE)
        codes = [[WRONG + f"# {group} {number}\n" for number in range(6)] for group in range(3)]
        groups = await asyncio.gather(*(graded(executor, group) for group in codes))

        outcomes = [item.response.outcome for items in groups for item in items.values()]
        assert outcomes == [core.OUTCOME_TESTS_FAILED] * 18


# Groups by themselves, on verdicts that are scripted.


class Scripted:
    """Gives verdicts as a function says, and counts what it is asked."""

    def __init__(self, answer: Callable[[str], Awaitable[None]]) -> None:
        self._answer = answer
        self.asked: list[str] = []
        self.running = self.most = self.ended = 0

    async def of(self, code: str, suite: CheckedSuite, ask: Ask, *, fresh: bool = False) -> wire.ExecuteResponse:
        self.asked.append(code)
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            await self._answer(code)
        finally:
            self.running -= 1
        self.ended += 1
        return wire.ExecuteResponse(outcome=core.OUTCOME_PASSED, load_error=code)


async def _at_once(code: str) -> None:
    await asyncio.sleep(0)


def programs(count: int) -> list[str]:
    return [str(number) for number in range(count)]


SUITE = Suites().check(double_suite())


async def test_no_more_than_its_share_of_the_queue_is_taken() -> None:
    source = Scripted(_at_once)
    items = [item async for item in Groups(source, 4).grade(programs(50), SUITE, ANYONE, fresh=False)]

    assert sorted(int(item.response.load_error) for item in items) == list(range(50))
    assert all(item.response.load_error == str(item.index) for item in items)
    assert (source.most, source.ended) == (4, 50)


async def test_no_more_is_begun_than_is_taken() -> None:
    source = Scripted(_at_once)
    async with aclosing(Groups(source, 4).grade(programs(50), SUITE, ANYONE, fresh=False)) as items:
        await anext(items)
        for _ in range(100):
            await asyncio.sleep(0)
        assert len(source.asked) == 4


async def test_leaving_early_ends_what_runs() -> None:
    never = asyncio.Event()

    async def answer(code: str) -> None:
        if code != "0":
            await never.wait()

    source = Scripted(answer)
    async with aclosing(Groups(source, 4).grade(programs(50), SUITE, ANYONE, fresh=False)) as items:
        assert (await anext(items)).index == 0
        assert source.running == 3
    assert (source.running, source.ended, len(source.asked)) == (0, 1, 4)


async def test_an_item_that_is_lost_is_lost_alone() -> None:
    async def answer(code: str) -> None:
        if code == "3":
            raise unavailable(reasons.ERROR_REASON_SANDBOX_UNAVAILABLE, "the engine is away")

    codes = [*programs(6), "3"]
    items = {item.index: item async for item in Groups(Scripted(answer), 2).grade(codes, SUITE, ANYONE, fresh=False)}

    lost = {index: item.error for index, item in items.items() if item.HasField("error")}
    assert sorted(lost) == [3, 6]
    assert {error.code for error in lost.values()} == {grpc.StatusCode.UNAVAILABLE.value[0]}
    assert {error.reason for error in lost.values()} == {reasons.ERROR_REASON_SANDBOX_UNAVAILABLE}
    assert len(items) == 7


async def test_a_full_queue_is_waited_for() -> None:
    refusals = dict.fromkeys(programs(3), 2)

    async def answer(code: str) -> None:
        if refusals[code]:
            refusals[code] -= 1
            raise queue_full("full", 0.01)

    source = Scripted(answer)
    items = [item async for item in Groups(source, 2).grade(programs(3), SUITE, ANYONE, fresh=False)]

    assert [item.WhichOneof("result") for item in items] == ["response"] * 3
    assert len(source.asked) == 9


async def test_but_not_beyond_the_deadline() -> None:
    async def answer(code: str) -> None:
        raise queue_full("full", 0.1)

    source = Scripted(answer)
    soon = Ask("run", asyncio.get_running_loop().time() + 0.5)
    items = [item async for item in Groups(source, 2).grade(programs(2), SUITE, soon, fresh=False)]

    assert {item.error.code for item in items} == {grpc.StatusCode.RESOURCE_EXHAUSTED.value[0]}
    assert {item.error.reason for item in items} == {reasons.ERROR_REASON_QUEUE_FULL}
    assert 2 < len(source.asked) < 40


async def test_a_mistake_of_ours_is_the_calls() -> None:
    async def answer(code: str) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        async for _ in Groups(Scripted(answer), 2).grade(programs(5), SUITE, ANYONE, fresh=False):
            pass


async def test_a_status_other_than_a_full_queue_is_not_tried_again() -> None:
    async def answer(code: str) -> None:
        raise StatusError(grpc.StatusCode.DEADLINE_EXCEEDED, reasons.ERROR_REASON_DEADLINE, "too late")

    source = Scripted(answer)
    items = [item async for item in Groups(source, 2).grade(["0"], SUITE, ANYONE, fresh=False)]
    assert (len(items), len(source.asked)) == (1, 1)
