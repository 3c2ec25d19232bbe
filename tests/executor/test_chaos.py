"""An engine that restarts ten times under load: every grading ends in a verdict or a retryable status, none in a
wrong reward.

By default a proxy to the engine is cut and the containers are killed, so that nobody else's are. `CODEARENA_TEST_CHAOS`
gives the number of gradings: 500 for a full run, 77 by default. With `CODEARENA_TEST_RESTART_ENGINE=1`, as root, the
same happens on an engine of the test's own that is really restarted; `.ci/run` does that.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeVar

import pytest

from codearena import ArenaError, AsyncArenaClient, Grade, RetryableError, StepResult
from services.env.catalogue import load_catalogue
from services.env.settings import DEFAULT_TASKS
from services.executor.docker_backend import DockerBackend
from services.standalone.arena import arena
from tests.conftest import PLAIN_SETTINGS
from tests.executor.private_engine import RestartableEngine, cut_engine, private_engine
from tests.waiting import eventually

pytestmark = [pytest.mark.docker, pytest.mark.timeout(300)]
TASK = "easy-1"
RESTARTS = 10
GRADINGS = int(os.environ.get("CODEARENA_TEST_CHAOS", "77"))
PER_STEP, LEAST = 0.01, 0.001
ATTEMPTS, PAUSE_SECONDS = 60, 0.5
REFERENCE = load_catalogue([DEFAULT_TASKS]).get(TASK).reference
PROGRAMS = {
    "right": REFERENCE,
    "right, and slow to load": f"import time\ntime.sleep(0.2)\n{REFERENCE}",
    "quadratic": load_catalogue([DEFAULT_TASKS]).get(TASK).slow["slow"],
    "wrong": "def average_list(numbers):\n    return 1\n",
    "wrong now and then": "def average_list(numbers):\n    return sum(numbers) / len(numbers)\n",
    "crashing": "import os\ndef average_list(numbers):\n    os._exit(3)\n",
    "no program": "def average_list(numbers\n",
}
Job = tuple[str, str]
T = TypeVar("T")


@dataclass
class Tally:
    """What became of gradings.

    Attributes:
        rewards: Of those that ended in a verdict, by program, and how many steps came before in its episode.
        errors: Of those that ended in a status instead, and were begun again.
    """

    rewards: dict[str, list[tuple[float, int]]] = field(default_factory=dict)
    errors: list[RetryableError] = field(default_factory=list)

    def take(self, name: str, answer: Grade | StepResult, steps: int = 0) -> None:
        self.rewards.setdefault(name, []).append((answer.reward, steps))

    @property
    def verdicts(self) -> int:
        return sum(map(len, self.rewards.values()))

    async def insist(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """Tries again as a trainer does, as long as it is told that nothing was consumed."""
        for _ in range(ATTEMPTS - 1):
            try:
                return await attempt()
            except RetryableError as error:
                self.errors.append(error)
                await asyncio.sleep(PAUSE_SECONDS)
        return await attempt()


@pytest.fixture(params=["cut", "restarted"])
async def engine(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[RestartableEngine]:
    if request.param == "cut":
        async with cut_engine(request.getfixturevalue("docker_engine"), tmp_path) as cut:
            yield cut
        return
    if os.environ.get("CODEARENA_TEST_RESTART_ENGINE") != "1":
        pytest.skip("CODEARENA_TEST_RESTART_ENGINE=1 is not set")
    async with private_engine() as private:
        yield private


def jobs(count: int) -> Iterator[Job]:
    """Programs in turn, each another text, so that no verdict of it is known."""
    names = itertools.cycle(PROGRAMS)
    return ((name, f"{PROGRAMS[name]}\n# {number}\n") for number, name in zip(range(count), names, strict=False))


async def grade_one_by_one(client: AsyncArenaClient, work: Iterator[Job], tally: Tally) -> None:
    for name, code in work:
        tally.take(name, await tally.insist(partial(client.grade, TASK, code)))


async def grade_in_groups(client: AsyncArenaClient, work: Iterator[Job], tally: Tally) -> None:
    """An item that failed is graded by itself."""
    while group := list(itertools.islice(work, 5)):
        async for index, answer in client.grade_group(TASK, [code for _, code in group]):
            name, code = group[index]
            if isinstance(answer, ArenaError):
                assert isinstance(answer, RetryableError), answer
                tally.errors.append(answer)
                answer = await tally.insist(partial(client.grade, TASK, code))
            tally.take(name, answer)


async def grade_in_episodes(client: AsyncArenaClient, work: Iterator[Job], tally: Tally) -> None:
    """A step that failed was not consumed: the next one has its number."""
    episode, steps = await tally.insist(partial(client.reset, TASK)), 0
    for name, code in work:
        if episode.done:
            episode, steps = await tally.insist(partial(client.reset, TASK)), 0
        result = await tally.insist(partial(episode.step, code))
        assert result.observation.step == steps + 1
        tally.take(name, result, steps)
        steps += 1


async def restart_again_and_again(engine: RestartableEngine, instance: str, tally: Tally) -> None:
    for number in range(1, RESTARTS + 1):
        await eventually(lambda number=number: tally.verdicts >= number * GRADINGS // (RESTARTS + 1), seconds=90)
        await engine.restart(instance)


async def test_no_restart_of_the_engine_makes_a_wrong_reward(
    engine: RestartableEngine,
    tmp_path: Path,
    data_dir: Path,
) -> None:
    settings = {"sandbox_backend": "docker", "sandbox_image_source": "host", "slots": 2} | PLAIN_SETTINGS
    database = f"sqlite:///{tmp_path / 'arena.sqlite3'}"
    settings |= {"docker_host": engine.address, "data_dir": data_dir, "database_url": database}
    stormy = Tally()
    async with arena(port=0, private=True, **settings) as running, AsyncArenaClient(running.address) as client:
        backend = running.sandbox.backend
        assert isinstance(backend, DockerBackend)
        calm = {name: (await client.grade(TASK, code)).reward for name, code in PROGRAMS.items()}
        work = jobs(GRADINGS)
        callers = [grade_one_by_one] * 4 + [grade_in_groups, grade_in_episodes]

        async with asyncio.TaskGroup() as group:
            group.create_task(restart_again_and_again(engine, backend.instance, stormy))
            for caller in callers:
                group.create_task(caller(client, work, stormy))

        assert {name: len(rewards) for name, rewards in stormy.rewards.items()} == Counter(
            name for name, _ in jobs(GRADINGS)
        )
        for name, rewards in stormy.rewards.items():
            right = [max(LEAST, calm[name] - PER_STEP * steps) for _, steps in rewards]
            assert [reward for reward, _ in rewards] == pytest.approx(right), name
        assert stormy.errors, "no restart was felt"
        reasons = Counter(error.reason for error in stormy.errors)
        logging.getLogger(__name__).info("%d verdicts, and on the way to them %s", stormy.verdicts, dict(reasons))

        after = {name: (await client.grade(TASK, code, fresh=True)).reward for name, code in PROGRAMS.items()}
        assert after == pytest.approx(calm)
    assert await engine.containers() == []
