"""No attack passes, none touches the grading after it, none leaves anything behind; on every backend."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import docker
import pytest

from codearena.v1 import core_pb2 as core
from codearena.v1 import executor_service_pb2 as wire
from tests.executor.attacks import ATTACKS
from tests.executor.conftest import (
    DOUBLE,
    Ahead,
    Executor,
    chosen_names,
    descendants,
    double_suite,
    launchers,
    outcome_name,
    pods_of,
    started,
    until,
)


@pytest.fixture(scope="module")
async def graded(executor: Executor, backend_name: str, request: pytest.FixtureRequest) -> AsyncIterator[Ahead]:
    """What became of each attack and of an honest program after it. Two run beside each other.

    Containers are made anew for each program and are slow to make, so there one honest program follows four attacks.
    """
    names = chosen_names(request, "name", backend_name)
    followed = set(names) if backend_name == "process" else {*names[3::4], *names[-1:]}

    async def grade(name: str) -> tuple[wire.ExecuteResponse, wire.ExecuteResponse | None]:
        response = await executor.grade(ATTACKS[name].code, double_suite(cpu_seconds=0.4, wall_seconds=1.0))
        return response, await executor.grade(DOUBLE) if name in followed else None

    ahead = Ahead()
    ahead.begin(names, grade)
    yield ahead
    await ahead.end()


@pytest.mark.parametrize("name", ATTACKS)
async def test_an_attack_gets_an_honest_outcome(graded: Ahead, name: str) -> None:
    attack = ATTACKS[name]
    response, honest = await graded.result(name)

    assert response.outcome != core.OUTCOME_PASSED
    assert outcome_name(response.outcome) in attack.outcomes, [test.actual for test in response.tests]
    assert not all(test.passed for test in response.tests)
    assert not response.HasField("efficiency")
    if attack.refused:
        assert attack.refused & set(response.violations.refused_syscalls)
    if attack.early_exit:
        assert response.violations.early_exit

    if honest is not None:
        assert honest.outcome == core.OUTCOME_PASSED, "the next grading was touched"
        assert honest.violations == core.Violations()


LASTING = ("a daemon left behind", "a fork bomb", "a thread bomb", "everybody killed", "a mount", "files held open")


async def test_nothing_is_left_behind(backend_name: str, data_dir: Path) -> None:
    others = launchers()
    async with started(backend_name, data_dir) as executor:
        suite = double_suite(cpu_seconds=0.4, wall_seconds=1.0)
        await asyncio.gather(*(executor.grade(ATTACKS[name].code, suite) for name in LASTING))
        ours = launchers() - others
        ours |= {pid for launcher in ours for pid, _ in descendants(launcher)}
        assert bool(ours) == (backend_name == "process")

    if backend_name == "docker":
        client = docker.APIClient(version="auto", **docker.utils.kwargs_from_env())
        mine = executor.service.chosen.backend.instance
        left = client.containers(all=True, filters={"label": f"codearena.executor={mine}"})
        client.close()
        assert left == []
    if backend_name == "kubernetes":
        assert await pods_of(executor) == []
    await until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in ours))
    assert "codearena" not in _mounts()


def _mounts() -> str:
    return Path("/proc/self/mounts").read_text()
