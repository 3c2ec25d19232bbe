"""`python -m services.standalone.check_tasks`: proves tasks in real sandboxes.

For each task: its bug fails (a test, or full efficiency), its reference passes every test with full efficiency, as
often as asked, and its slow solutions pass every test, where inputs grow without full efficiency.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

from grpc.aio import AioRpcError, insecure_channel
from prometheus_client import CollectorRegistry

from codearena.v1 import core_pb2 as core
from codearena.v1 import executor_service_pb2 as wire
from codearena.v1.executor_service_pb2_grpc import ExecutorServiceStub
from services.common import logs
from services.common.errors import StartError
from services.common.server import serving
from services.env.catalogue import load_catalogue
from services.env.settings import DEFAULT_TASKS
from services.env.task_files import CatalogueError
from services.env.task_schema import Task
from services.executor.service import ExecutorService
from services.executor.settings import ExecutorSettings
from services.standalone.commands import EXIT_INTERRUPTED, EXIT_NO_SANDBOX, EXIT_NO_TASKS, Interrupted, run

if TYPE_CHECKING:
    from codearena.v1.executor_service_pb2_grpc import ExecutorServiceAsyncStub

_TIMEOUT_SECONDS = 120.0


@dataclasses.dataclass(frozen=True, slots=True)
class Proof:
    """What was found of one task; `problems` is empty if it is proven.

    Attributes:
        task_id: Its id.
        bug: What its buggy code achieves.
        reference: What its reference solution achieves.
        slow: What its slow solutions achieve, by name.
        problems: What is wrong with it.
    """

    task_id: str
    bug: str
    reference: str
    slow: dict[str, str]
    problems: tuple[str, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class _Achieved:
    """What a program achieves, in words; whether it passes every test, and with full efficiency."""

    text: str
    passed: bool = False
    solved: bool = False


async def check(tasks: Sequence[Task], repeat: int, settings: ExecutorSettings) -> list[Proof]:
    """Proves tasks one after another, each reference `repeat` times.

    Raises:
        StartError: No sandbox can be had.
    """
    registry = CollectorRegistry()
    service = ExecutorService(settings, registry)
    async with serving(service, settings, registry) as server, insecure_channel(f"127.0.0.1:{server.port}") as channel:
        stub = cast("ExecutorServiceAsyncStub", ExecutorServiceStub(channel))
        _say(f"sandbox: {service.chosen.name} ({service.chosen.reason})")
        proofs = []
        for task in tasks:
            proofs.append(await _prove(stub, task, repeat))
            _say(_line(proofs[-1]))
        return proofs


async def _prove(stub: ExecutorServiceAsyncStub, task: Task, repeat: int) -> Proof:
    problems: list[str] = []
    bug = await _grade(stub, task, task.buggy_code)
    if bug.solved:
        problems.append("the buggy code passes with full efficiency")
    reference = _Achieved("")
    for _ in range(repeat):
        reference = await _grade(stub, task, task.reference)
        if not reference.solved:
            problems.append(f"the reference does not pass with full efficiency: {reference.text}")
            break
    slow = {name: await _grade(stub, task, code) for name, code in task.slow.items()}
    for name, achieved in slow.items():
        if not achieved.passed:
            problems.append(f"the slow solution {name!r} does not pass: {achieved.text}")
        elif achieved.solved and task.growth is not None:
            problems.append(f"the slow solution {name!r} passes with full efficiency")
    texts = {name: achieved.text for name, achieved in slow.items()}
    return Proof(task.id, bug.text, reference.text, texts, tuple(problems))


async def _grade(stub: ExecutorServiceAsyncStub, task: Task, code: str) -> _Achieved:
    request = wire.ExecuteRequest(code=code, suite=task.to_suite(), fresh=True)
    try:
        response = await stub.Execute(request, timeout=_TIMEOUT_SECONDS)
    except AioRpcError as error:
        return _Achieved(f"{error.code().name}: {error.details()}")
    passed = sum(test.passed for test in response.tests)
    outcome = core.Outcome.Name(response.outcome).removeprefix("OUTCOME_").lower().replace("_", " ")
    text = f"{outcome}, {passed}/{len(response.tests)} tests"
    if response.HasField("efficiency"):
        text += f", efficiency {response.efficiency.score:.2f}"
    all_passed = response.outcome == core.OUTCOME_PASSED
    return _Achieved(text, all_passed, all_passed and response.efficiency.score >= 1.0)


def _line(proof: Proof) -> str:
    verdict = "ok  " if not proof.problems else "FAIL"
    problems = "".join(f"\n      {problem}" for problem in proof.problems)
    programs = {"bug": proof.bug, "reference": proof.reference} | proof.slow
    return f"{verdict} {proof.task_id}: {'; '.join(f'{name}: {text}' for name, text in programs.items())}{problems}"


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="codearena tasks check",
        description="Proves tasks in real sandboxes: the bug fails, the reference passes with full efficiency.",
    )
    parser.add_argument("paths", nargs="*", type=Path, metavar="DIR", help="task files or folders (default: ours)")
    parser.add_argument("--repeat", type=int, default=2, help="how often each reference must pass (default 2)")
    parser.add_argument("--json", action="store_true", help="print one JSON document on stdout")
    return parser


def main() -> int:
    """Returns 0 if every task is proven, 1 if not, 2 for no tasks, 3 without a sandbox, 130 interrupted."""
    arguments = _parser().parse_args()
    logs.configure("warning", "text")
    try:
        catalogue = load_catalogue(arguments.paths or [DEFAULT_TASKS])
    except CatalogueError as error:
        _say(str(error))
        return EXIT_NO_TASKS
    with tempfile.TemporaryDirectory(prefix="codearena-check-") as folder:
        settings = ExecutorSettings(port=0, metrics_port=None, data_dir=Path(folder), drain_seconds=0)
        try:
            proofs = run(check(list(catalogue), max(1, arguments.repeat), settings))
        except StartError as error:
            _say(f"no sandbox: {error}")
            return EXIT_NO_SANDBOX
        except Interrupted:
            return EXIT_INTERRUPTED
    if arguments.json:
        sys.stdout.write(json.dumps({"tasks": [dataclasses.asdict(proof) for proof in proofs]}, indent=2) + "\n")
    failed = sum(bool(proof.problems) for proof in proofs)
    _say(f"{len(proofs) - failed} of {len(proofs)} tasks proven")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
