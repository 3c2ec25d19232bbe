"""Three executors on machines of their own behind one name: they share the work, and come and go without a loss."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from benchmarks.processes import Running, ServiceProcess
from codearena import ArenaError, AsyncArenaClient, Outcome, StepResult
from tests.e2e.namespaces import Resolver, machines, require_namespaces, resolver
from tests.waiting import eventually

PORT = 50052
PLAYERS = 4
STEPS = 45
WRONG = "def average_list(values):\n    return {}\n"
EXECUTED = 'grpc_server_handled_total{grpc_code="OK",grpc_method="Execute",grpc_service="codearena.v1.ExecutorService"}'
SETTINGS = {
    "CODEARENA_SANDBOX_BACKEND": "process",
    "CODEARENA_EXECUTOR_SLOTS": "1",
    "CODEARENA_MAX_CONNECTION_AGE_SECONDS": "2",  # what lets clients see executors that joined
}


@dataclass
class Load:
    """Steps that are sent all the time by clients that send nothing twice.

    Attributes:
        answers: Of all that came.
        failures: What any call raised.
    """

    answers: list[StepResult] = field(default_factory=list)
    failures: list[ArenaError] = field(default_factory=list)

    async def play(self, address: str, numbers: Iterator[int]) -> None:
        async with AsyncArenaClient(address, max_attempts=1, timeout_seconds=100) as arena:
            while True:
                try:
                    episode = await arena.reset("easy-1")
                    for _ in range(5):
                        self.answers.append(await episode.step(WRONG.format(next(numbers))))
                except ArenaError as error:
                    self.failures.append(error)
                    await asyncio.sleep(0.1)

    async def more(self, count: int) -> None:
        """Returns when so many more steps have been answered."""
        wanted = len(self.answers) + count
        await eventually(lambda: len(self.answers) >= wanted, 100)


@dataclass
class Balanced:
    """An env service that knows its executors by the name `executor` alone.

    Attributes:
        names: What the name stands for.
        addresses: Of the executors.
        executors: Their processes.
        running: Their metrics.
        load: What goes on meanwhile.
    """

    names: Resolver
    addresses: list[str]
    executors: list[ServiceProcess]
    running: list[Running]
    load: Load

    def executed(self) -> list[int]:
        """How many programs each executor has graded."""
        return [int(executor.metric(EXECUTED)) for executor in self.running]

    def executed_by_others(self) -> list[int]:
        """The same without the first one."""
        return [int(executor.metric(EXECUTED)) for executor in self.running[1:]]


@pytest.fixture
async def balanced(tmp_path: Path, arena_data: Path) -> AsyncIterator[Balanced]:
    require_namespaces()
    with contextlib.ExitStack() as stack:
        hosts = stack.enter_context(machines(3))
        addresses = [address for _, address in hosts]
        names = stack.enter_context(resolver("executor", addresses[:2], tmp_path))
        executors = []
        for name, address in hosts:
            own = tmp_path / name
            own.mkdir()
            on_it = ("nsenter", f"--net=/run/netns/{name}")
            variables = SETTINGS | {"CODEARENA_DATA_DIR": str(arena_data)}
            executors.append(ServiceProcess("executor", own, variables, host=address, prefix=on_it, port=PORT))
        judge = ServiceProcess("judge", tmp_path, {})
        settings = {
            "CODEARENA_EXECUTOR_ADDRESS": f"dns:///executor:{PORT}",
            "CODEARENA_JUDGE_ADDRESS": judge.address,
        }
        env = ServiceProcess("env", tmp_path, settings, prefix=names.prefix)
        for process in (*executors, judge, env):
            stack.callback(process.stop)
            process.start()
        running = [await asyncio.to_thread(process.wait_ready) for process in (*executors, judge, env)]
        load, numbers = Load(), itertools.count()
        playing = [asyncio.create_task(load.play(env.address, numbers)) for _ in range(PLAYERS)]
        try:
            yield Balanced(names, addresses, executors, running[:3], load)
        finally:
            for task in playing:
                task.cancel()
            await asyncio.gather(*playing, return_exceptions=True)


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_executors_share_the_work_and_come_and_go(balanced: Balanced) -> None:
    load, names = balanced.load, balanced.names
    await eventually(lambda: min(balanced.executed()[:2]) > 0, 60)
    assert balanced.executed()[2] == 0
    asked = names.asked

    names.addresses = balanced.addresses  # the third one joins
    await eventually(lambda: balanced.executed()[2] > 0, 60)
    assert names.asked > asked

    before = balanced.executed()
    await load.more(STEPS)
    shares = [now - then for now, then in zip(balanced.executed(), before, strict=True)]
    even = sum(shares) / len(shares)
    assert all(0.5 * even <= share <= 1.5 * even for share in shares), shares

    names.addresses = balanced.addresses[1:]  # the first one leaves
    assert await asyncio.to_thread(balanced.executors[0].stop) == 0
    before = balanced.executed_by_others()
    await load.more(STEPS // 3)
    assert all(now > then for now, then in zip(balanced.executed_by_others(), before, strict=True))

    assert load.failures == []
    assert {answer.outcome for answer in load.answers} == {Outcome.TESTS_FAILED}
    assert not any(answer.replayed for answer in load.answers)
