"""Canaries in everything of a task that is secret, and every output of a whole arena searched for them."""

import json
import urllib.request

import grpc
import pytest

from codearena.v1 import env_service_pb2 as wire
from codearena.v1.env_service_pb2_grpc import EnvServiceStub
from services.env.catalogue import load_catalogue
from tests.e2e.processes import NAMES, processes

CASES = """\
id: canary-cases
title: Prices by key
category: canaries
difficulty: easy
function: price
description: "`price(key)` returns the price of a key."
bug: canary-explanation
buggy_code: |
  def price(key):
      return 1
reference: |
  PRICES = {"a": 1, "canary-hidden-input": "canary-expected"}


  def price(key):
      return PRICES.get(key, "canary-reference" + key)
slow: |
  CANARY = "canary-slow"


  def price(key):
      return {"a": 1, "canary-hidden-input": "canary-expected"}.get(key, "canary-reference" + key)
cases:
  - name: a
    call: price("a")
    expected: 1
  - name: canary-case-name
    hidden: true
    setup: key = "canary-hidden-input"
    call: price(key)
    expected: canary-expected
draws:
  - name: canary-draw-name
    count: 3
    inputs: key = f"canary-drawn-{rng.randint(0, 10**9)}"
    setup: same = key + "canary-draw-setup"
    call: price(same)
equivalent:
  no such mutant: canary-equivalent
"""
CODE = """\
id: canary-code
title: Doubling
category: canaries
difficulty: easy
function: double
description: "`double(x)` returns twice `x`."
bug: canary-explanation
buggy_code: |
  def double(x):
      return x
reference: |
  CANARY = "canary-reference"


  def double(x):
      return x + x
tests:
  visible: assert double("a") == "aa"
  hidden: |
    # canary-test-code
    assert double("canary-test-input") == "canary-test-input" * 2, "canary-test-message"
"""
FIXES = [
    "def {name}(x):\n    return x\n",
    "def {name}(x):\n    return x * 2\n",
    "def {name}(x):\n    print(x)\n    raise ValueError(x)\n",
    "import sys\ndef {name}(x):\n    print(x, file=sys.stderr)\n    return [x, vars()]\n",
    "def {name}(x):\n    assert x == 1, x\n",
    "class E(Exception):\n    pass\ndef {name}(x):\n    raise E(x) from KeyError(x)\n",
    "def {name}(x):\n    raise SystemExit(x)\n",
    "import os\ndef {name}(x):\n    os.write(1, str(x).encode() * 9)\n    os._exit(3)\n",
    "import gc\nM = ''.join(['can', 'ary-'])\ndef {name}(x):\n"
    "    return [str(o) for o in gc.get_objects() if M in str(o)[:999] and o is not globals()]\n",
    "def {name}(x):\n    while True:\n        pass\n",
    "def",
]


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """Everything that an arena says about two tasks: responses, errors, logs and metrics, by where it was said."""
    folder = tmp_path_factory.mktemp("canaries")
    tasks = folder / "tasks"
    tasks.mkdir()
    (tasks / "cases.yaml").write_text(CASES)
    (tasks / "code.yaml").write_text(CODE)
    said: dict[str, bytes] = {}

    def keep(where, message):
        said[f"{where} {len(said)}"] = message if isinstance(message, bytes) else message.SerializeToString()

    with processes(folder, CODEARENA_TASKS=json.dumps([str(tasks)]), CODEARENA_LOG_LEVEL="debug") as services:
        with grpc.insecure_channel(services.address("env")) as channel:
            stub = EnvServiceStub(channel)
            play(stub, keep)
        for name in NAMES:
            with urllib.request.urlopen(services.metrics_url(name)) as answer:
                keep(f"metrics of {name}", answer.read())
        for name in NAMES:
            keep(f"log of {name}", services.log(name).encode())
    catalogue = load_catalogue([tasks])
    return said, [str(task.to_suite(7).draw_seed) for task in catalogue if task.draws]


def play(stub, keep):
    keep("ListTasks", stub.ListTasks(wire.ListTasksRequest()))
    for task_id, name in (("canary-cases", "price"), ("canary-code", "double")):
        fixes = [fix.format(name=name) for fix in FIXES]
        keep("GetTask", stub.GetTask(wire.GetTaskRequest(task_id=task_id)))
        for number, fix in enumerate(fixes):
            opened = stub.Reset(wire.ResetRequest(task_id=task_id, seed=7, run_id="canaries"))
            keep("Reset", opened)
            step = wire.StepRequest(episode_id=opened.episode_id, proposed_fix=fix, request_id=f"r{number}")
            keep("Step", stub.Step(step))
            keep("ProposeFix", stub.ProposeFix(wire.ProposeFixRequest(episode_id=opened.episode_id)))
            keep("GetState", stub.GetState(wire.GetStateRequest(episode_id=opened.episode_id)))
            keep("Grade", stub.Grade(wire.GradeRequest(task_id=task_id, code=fix, seed=7)))
        for item in stub.GradeGroup(wire.GradeGroupRequest(task_id=task_id, codes=fixes, seed=7)):
            keep("GradeGroup", item)
        for request in (
            wire.GradeRequest(task_id=task_id, code=""),
            wire.GradeRequest(task_id=task_id, code="x", seed=-1),
            wire.GradeRequest(task_id=f"{task_id}-not", code="x"),
        ):
            with pytest.raises(grpc.RpcError) as caught:
                stub.Grade(request)
            keep("error", f"{caught.value.details()} {caught.value.trailing_metadata()}".encode())
    keep("GetStats", stub.GetStats(wire.GetStatsRequest()))
    keep("ListMemories", stub.ListMemories(wire.ListMemoriesRequest(run_id="canaries")))
    keep("GetCurriculum", stub.GetCurriculum(wire.GetCurriculumRequest(run_id="canaries")))
    keep("RunCode", stub.RunCode(wire.RunCodeRequest(code="import gc\nprint(len(gc.get_objects()))")))


def test_the_arena_was_really_played(told):
    said, seeds = told
    assert len(said) > 100
    assert seeds
    assert any(b"double" in message for where, message in said.items() if where.startswith("Grade "))


def test_no_canary_is_in_any_output(told):
    """What a fix itself says is not one: it can tell the agent what it likes, as far as it is shown."""
    said, _ = told
    found = {}
    for where, message in said.items():
        rest = message.replace(b"canary-cases", b"").replace(b"canary-code", b"")
        if (place := rest.find(b"canary-")) >= 0:
            found[where] = rest[max(0, place - 200) : place + 100]
    assert not found


def test_no_seed_of_random_inputs_is_in_any_output(told):
    said, seeds = told
    assert not {where for where, message in said.items() for seed in seeds if seed.encode() in message}
