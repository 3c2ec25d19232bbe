"""Tasks proven in real sandboxes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from services.env.catalogue import load_catalogue
from services.executor.settings import ExecutorSettings
from services.standalone.check_tasks import check

ROOT = Path(__file__).parents[2]
SLOW = "return sum(x for _ in range(2))"


@pytest.fixture
def proof(write_task, arena_data):
    """Proves one task."""

    async def prove(*replacements, growth=False):
        settings = ExecutorSettings(
            port=0, metrics_port=None, data_dir=arena_data, drain_seconds=0, sandbox_backend="process", slots=1
        )
        (found,) = await check(list(load_catalogue([write_task(*replacements, growth=growth)])), 1, settings)
        return found

    return prove


async def test_a_good_task_is_proven(proof):
    found = await proof()
    assert found.problems == ()
    assert found.bug == "tests failed, 0/1 tests"
    assert found.reference == "passed, 1/1 tests, efficiency 1.00"
    assert found.slow == {"slow": "passed, 1/1 tests, efficiency 1.00"}


@pytest.mark.parametrize(
    ("replacement", "problem"),
    [
        (("return x + 1", "return x + x"), "the buggy code passes with full efficiency"),
        (("return 2 * x", "return 3 * x"), "the reference does not pass with full efficiency: INVALID_ARGUMENT"),
        ((SLOW, "return x"), "the slow solution 'slow' does not pass: tests failed, 0/1 tests"),
    ],
    ids=["bug", "reference", "slow"],
)
async def test_what_is_wrong_with_a_task_is_told(proof, replacement, problem):
    found = await proof(replacement)
    assert found.problems
    assert any(said.startswith(problem) for said in found.problems), found.problems


async def test_where_inputs_grow_a_slow_solution_must_be_slow(proof):
    found = await proof((SLOW, "return x + x"), growth=True)
    assert found.problems == ("the slow solution 'slow' passes with full efficiency",)
    # takes 400 steps of the interpreter for one: more than the six times that still earn everything
    found = await proof((SLOW, "return max(x + x for _ in range(400))"), growth=True)
    assert found.problems == ()
    assert found.slow["slow"].startswith("passed, 2/2 tests, efficiency 0.")


def test_the_command_ends_with_a_status_and_one_document(write_task):
    command = [sys.executable, "-m", "services.standalone.check_tasks", "--json"]
    env = os.environ | {"CODEARENA_SANDBOX_BACKEND": "process"}
    done = subprocess.run([*command, str(write_task())], cwd=ROOT, env=env, capture_output=True, text=True)
    assert done.returncode == 0
    (proven,) = json.loads(done.stdout)["tasks"]
    assert (proven["task_id"], proven["problems"]) == ("double-1", [])
    assert "ok   double-1: bug: tests failed" in done.stderr
    broken = write_task(("function: double", "function: triple"))
    done = subprocess.run([*command, str(broken)], cwd=ROOT, env=env, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert "does not define 'triple'" in done.stderr
