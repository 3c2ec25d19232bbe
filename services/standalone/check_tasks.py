"""`python -m services.standalone.check_tasks`: proves tasks in real sandboxes.

For each task: its bug fails (a test, or full efficiency), and its reference passes every test with full efficiency,
as often as asked.
"""

from __future__ import annotations

import argparse
import asyncio
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

if TYPE_CHECKING:
    from codearena.v1.executor_service_pb2_grpc import ExecutorServiceAsyncStub

_TIMEOUT_SECONDS = 120.0


@dataclasses.dataclass(frozen=True, slots=True)
class Proof:
    """What was found of one task; `problems` is empty if it is proven."""

    task_id: str
    bug: str
    reference: str
    problems: tuple[str, ...]


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
    bug, bug_solved = await _grade(stub, task, task.buggy_code)
    if bug_solved:
        problems.append("the buggy code passes with full efficiency")
    reference = ""
    for _ in range(repeat):
        reference, solved = await _grade(stub, task, task.reference)
        if not solved:
            problems.append(f"the reference does not pass with full efficiency: {reference}")
            break
    return Proof(task.id, bug, reference, tuple(problems))


async def _grade(stub: ExecutorServiceAsyncStub, task: Task, code: str) -> tuple[str, bool]:
    """Returns what a program achieves, for people, and whether that is everything."""
    request = wire.ExecuteRequest(code=code, suite=task.to_suite())
    try:
        response = await stub.Execute(request, timeout=_TIMEOUT_SECONDS)
    except AioRpcError as error:
        return f"{error.code().name}: {error.details()}", False
    passed = sum(test.passed for test in response.tests)
    outcome = core.Outcome.Name(response.outcome).removeprefix("OUTCOME_").lower().replace("_", " ")
    text = f"{outcome}, {passed}/{len(response.tests)} tests"
    if response.HasField("efficiency"):
        text += f", efficiency {response.efficiency.score:.2f}"
    return text, response.outcome == core.OUTCOME_PASSED and response.efficiency.score >= 1.0


def _line(proof: Proof) -> str:
    verdict = "ok  " if not proof.problems else "FAIL"
    problems = "".join(f"\n      {problem}" for problem in proof.problems)
    return f"{verdict} {proof.task_id}: bug: {proof.bug}; reference: {proof.reference}{problems}"


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
    """Returns 0 if every task is proven, 1 if not, 2 for files that are no tasks, 3 without a sandbox."""
    arguments = _parser().parse_args()
    logs.configure("warning", "text")
    try:
        catalogue = load_catalogue(arguments.paths or [DEFAULT_TASKS])
    except CatalogueError as error:
        _say(str(error))
        return 2
    with tempfile.TemporaryDirectory(prefix="codearena-check-") as folder:
        settings = ExecutorSettings(port=0, metrics_port=None, data_dir=Path(folder), drain_seconds=0)
        try:
            proofs = asyncio.run(check(list(catalogue), max(1, arguments.repeat), settings))
        except StartError as error:
            _say(f"no sandbox: {error}")
            return 3
    if arguments.json:
        sys.stdout.write(json.dumps({"tasks": [dataclasses.asdict(proof) for proof in proofs]}, indent=2) + "\n")
    failed = sum(bool(proof.problems) for proof in proofs)
    _say(f"{len(proofs) - failed} of {len(proofs)} tasks proven")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
