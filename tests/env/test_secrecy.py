"""Nothing of hidden tests, reference solutions or the bug's explanation is ever on the wire to a client."""

import pytest

from codearena.v1 import env_service_pb2 as wire
from services.env.catalogue import load_catalogue
from tests.task_files import DEMO

TASKS = list(load_catalogue(DEMO))
PUBLIC = b"".join(task.to_public().SerializeToString() for task in TASKS)
LONG_ENOUGH = 8
"""Shorter texts, such as an expected 0, may stand anywhere by chance."""


def secrets_of(task):
    """What a client must not see of a task, as far as it is not in what every client may see, or sends."""
    shown = PUBLIC
    shown += "\n".join(fixes_of(task).values()).encode()
    texts = [*task.reference.splitlines(), *task.bug.splitlines()]
    for case in task.cases:
        if case.hidden:
            texts += [case.name, case.call, case.expectation, *case.setup.splitlines()]
    for draw in task.draws:
        texts += [draw.name, draw.call, *draw.inputs.splitlines(), *draw.setup.splitlines()]
    if task.growth is not None:
        texts += [task.growth.call, *task.growth.setup.splitlines()]
    stripped = {text.strip() for text in texts}
    return {text for text in stripped if len(text) >= LONG_ENOUGH and text.encode() not in shown}


def fixes_of(task):
    """Programs that fail in different ways."""
    name = task.function
    return {
        "buggy": task.buggy_code,
        "wrong": f"def {name}(*args, **named):\n    return 'wrong'\n",
        "raises": f"def {name}(*args, **named):\n    raise ValueError('no')\n",
        "exits": f"import os\ndef {name}(*args, **named):\n    os._exit(3)\n",
        "broken": "def",
    }


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.id)
async def test_no_answer_holds_a_secret(stub, task):
    secrets = secrets_of(task)
    assert len(secrets) > 5
    responses = [
        await stub.ListTasks(wire.ListTasksRequest()),
        await stub.GetTask(wire.GetTaskRequest(task_id=task.id)),
        opened := await stub.Reset(wire.ResetRequest(task_id=task.id)),
        await stub.GetState(wire.GetStateRequest(episode_id=opened.episode_id)),
        await stub.Grade(wire.GradeRequest(task_id=task.id, code=task.reference)),
    ]
    for request_id, fix in fixes_of(task).items():
        request = wire.StepRequest(episode_id=opened.episode_id, proposed_fix=fix, request_id=request_id)
        responses += [await stub.Step(request), await stub.Step(request)]
    responses.append(await stub.GetState(wire.GetStateRequest(episode_id=opened.episode_id)))
    group = wire.GradeGroupRequest(task_id=task.id, codes=list(fixes_of(task).values()))
    responses += [response async for response in stub.GradeGroup(group)]
    for response in responses:
        on_the_wire = response.SerializeToString()
        found = {secret for secret in secrets if secret.encode() in on_the_wire}
        assert not found, type(response).__name__


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.id)
async def test_hidden_results_are_bare(client, task):
    grade = await client.grade(task.id, fixes_of(task)["wrong"])
    hidden = [test for test in grade.test_results if test.hidden]
    assert len(hidden) >= sum(case.hidden for case in task.cases)
    assert {(test.name, test.call, test.expected, test.actual, test.cpu_seconds) for test in hidden} == {
        ("hidden test", "", "", "", 0.0)
    }


SPY = """
import sys
seen = []
def max_subarray_sum(arr):
    seen.append(list(arr[:50]))
    print("SPY", seen)
    print("SPY", seen, file=sys.stderr, flush=True)
    {ending}
"""


@pytest.mark.parametrize("ending", ["return arr", "raise ValueError(seen)", "return 0", "return seen"])
async def test_a_program_cannot_tell_what_it_was_asked_in_hidden_tests(client, ending):
    episode = await client.reset("hard-1")
    result = await episode.step(SPY.format(ending=ending))
    told = repr(result)
    assert "SPY [[-2, 1, -3" in told
    assert "[-3, -1, -2]" in told
    for hidden in ("[-7]", "[1, 2, 3, 4]", "8, 3, -20", "6, -5, 7", "1000000000000000000", "0.25"):
        assert hidden not in told
    assert "SPY" not in repr((result.grade.breakdown, result.grade.violations, result.observation.hint))
