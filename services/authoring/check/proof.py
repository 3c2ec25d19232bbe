"""What is proven of one task, and how."""

from __future__ import annotations

from dataclasses import dataclass, field

from grpc.aio import AioRpcError

from codearena.v1 import core_pb2 as core
from codearena.v1 import executor_service_pb2 as wire
from services.authoring.check.cheats import cheats
from services.authoring.check.strength import DEFAULT_CPU_SECONDS, Strength, dearest_seconds, measure, passes
from services.authoring.sandboxes import Sandboxes
from services.env.task_schema import Task


@dataclass(frozen=True, slots=True)
class Terms:
    """How much is asked of a task.

    Attributes:
        seeds: On how many seeds of its random inputs the reference must pass, or how often it must pass at all.
        mutants: Mutants that are graded at most; 0 leaves out the strength of the tests.
        least: Share of mutants that the tests of each task must notice.
    """

    seeds: int = 20
    mutants: int = 60
    least: float = 0.85


@dataclass(frozen=True, slots=True)
class Proof:
    """What was found of one task; `problems` is empty if it is proven.

    Attributes:
        task_id: Its id.
        category: Its category.
        bug: What its buggy code achieves.
        reference: What its reference solution achieves.
        slow: What its slow solutions achieve, by name.
        strength: What its tests notice; None if that was not asked.
        problems: What is wrong with it.
    """

    task_id: str
    category: str
    bug: str = ""
    reference: str = ""
    slow: dict[str, str] = field(default_factory=dict)
    strength: Strength | None = None
    problems: tuple[str, ...] = ()


async def prove(task: Task, boxes: Sandboxes, terms: Terms) -> Proof:
    """Proves one task. What cannot be graded is a problem of the task, and said."""
    problems: list[str] = []
    try:
        reference, references = await _references(task, boxes, terms, problems)
        bug = await _bug(task, boxes, problems)
        slow = await _slow(task, boxes, problems)
        await _cheats(task, boxes, problems)
        strength = None
        if terms.mutants and task.tests is None and not problems:
            strength = await measure(task, boxes, reference, terms.mutants)
            problems += _weakness(strength, terms)
    except AioRpcError as error:
        problems.append(f"{error.code().name}: {error.details()}")
        return Proof(task.id, task.category, problems=tuple(problems))
    return Proof(task.id, task.category, achieved(bug), references, slow, strength, tuple(problems))


async def _references(
    task: Task, boxes: Sandboxes, terms: Terms, problems: list[str]
) -> tuple[wire.ExecuteResponse, str]:
    """Grades the reference on every seed; returns how it fared on the first one, or on that on which it failed."""
    first: wire.ExecuteResponse | None = None
    dearest = 0.0
    for seed in range(terms.seeds):
        response = await boxes.grade(task.reference, task.to_suite(seed))
        first = first or response
        dearest = max(dearest, dearest_seconds(response))
        if not passes(response):
            failed = next((test for test in response.tests if not test.passed), None)
            where = "" if failed is None else f": {failed.name!r}: {failed.actual[:200]}"
            problems.append(
                f"the reference does not pass with full efficiency (seed {seed}): {achieved(response)}{where}"
            )
            return response, achieved(response)
    assert first is not None, "there is at least one seed"
    limit = task.limits.cpu_seconds if task.limits and task.limits.cpu_seconds else DEFAULT_CPU_SECONDS
    if dearest > limit / 2:
        problems.append(f"the reference takes {dearest:.2f} s of CPU time for a test that may take {limit:g} s")
    return first, achieved(first)


async def _bug(task: Task, boxes: Sandboxes, problems: list[str]) -> wire.ExecuteResponse:
    response = await boxes.grade(task.buggy_code, task.to_suite())
    if passes(response):
        problems.append("the buggy code passes with full efficiency")
    elif response.outcome != core.OUTCOME_PASSED and all(test.passed for test in response.tests if test.hidden):
        problems.append("no hidden test notices the bug")
    return response


async def _slow(task: Task, boxes: Sandboxes, problems: list[str]) -> dict[str, str]:
    texts = {}
    for name, code in task.slow.items():
        response = await boxes.grade(code, task.to_suite())
        texts[name] = achieved(response)
        if response.outcome != core.OUTCOME_PASSED:
            problems.append(f"the slow solution {name!r} does not pass: {texts[name]}")
        elif passes(response) and task.growth is not None:
            problems.append(f"the slow solution {name!r} passes with full efficiency")
    return texts


async def _cheats(task: Task, boxes: Sandboxes, problems: list[str]) -> None:
    for name, code in cheats(task).items():
        response = await boxes.grade(code, task.to_suite())
        if passes(response):
            problems.append(f"a program that knows the {name} passes: draw inputs, or add hidden cases")


def _weakness(strength: Strength, terms: Terms) -> list[str]:
    problems = [f"listed as equivalent, but no mutant, or one that a test notices: {label}" for label in strength.stale]
    if strength.share < terms.least:
        shown = "".join(f"\n        {label}" for label in strength.survivors)
        problems.append(f"its tests notice {strength.share:.0%} of the mutants, at least {terms.least:.0%}:{shown}")
    return problems


def achieved(response: wire.ExecuteResponse) -> str:
    """Returns what a program achieves, in words."""
    passed = sum(test.passed for test in response.tests)
    outcome = core.Outcome.Name(response.outcome).removeprefix("OUTCOME_").lower().replace("_", " ")
    text = f"{outcome}, {passed}/{len(response.tests)} tests"
    return text + (f", efficiency {response.efficiency.score:.2f}" if response.HasField("efficiency") else "")
