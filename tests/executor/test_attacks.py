"""No attack passes, none touches the grading after it, none leaves anything behind; on every backend."""

from __future__ import annotations

import os
from pathlib import Path

import docker
import pytest

from codearena.v1 import core_pb2 as core
from tests.executor.attacks import ATTACKS, Attack
from tests.executor.conftest import DOUBLE, Executor, double_suite, outcome_name


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS.keys())
async def test_an_attack_gets_an_honest_outcome(executor: Executor, attack: Attack) -> None:
    response = await executor.grade(attack.code, double_suite(cpu_seconds=0.5, wall_seconds=1.5))

    assert response.outcome != core.OUTCOME_PASSED
    assert outcome_name(response.outcome) in attack.outcomes, [test.actual for test in response.tests]
    assert not all(test.passed for test in response.tests)
    assert not response.HasField("efficiency")
    if attack.refused:
        assert attack.refused & set(response.violations.refused_syscalls)
    if attack.early_exit:
        assert response.violations.early_exit

    honest = await executor.grade(DOUBLE)
    assert honest.outcome == core.OUTCOME_PASSED, "the next grading was touched"
    assert not honest.violations.refused_syscall_count
    assert not honest.violations.early_exit


async def test_nothing_is_left_behind(executor: Executor, backend_name: str) -> None:
    """Runs after the attacks: once the executor has stopped, its sandboxes are gone."""
    await executor.grade(DOUBLE)
    await executor.service.stop()

    if backend_name == "docker":
        client = docker.APIClient(version="auto", **docker.utils.kwargs_from_env())
        mine = executor.service.chosen.backend.instance
        left = client.containers(all=True, filters={"label": f"codearena.executor={mine}"})
        client.close()
        assert left == []
    else:
        assert _descendants(os.getpid(), "harness") == []
    assert "codearena" not in _mounts()


def _descendants(pid: int, word: str) -> list[str]:
    found = []
    for child in _children(pid):
        command = Path(f"/proc/{child}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        found += [command] if word in command else []
        found += _descendants(child, word)
    return found


def _children(pid: int) -> list[int]:
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return [int(child) for task in tasks for child in (task / "children").read_text().split()]


def _mounts() -> str:
    return Path("/proc/self/mounts").read_text()
