"""Tests with random inputs: drawn, and answered by the reference solution, before any submission sees them."""

from __future__ import annotations

import json
from collections.abc import Sequence

from codearena.v1 import core_pb2 as core
from codearena.v1 import executor_service_pb2 as wire
from services.executor import insiders, values
from services.executor.asks import Ask
from services.executor.jobs import Answer, Call
from services.executor.refusals import bad_reference
from services.executor.runs import Overran, Run, Runner
from services.executor.sandbox import HarnessDied
from services.executor.suites import HIDDEN_CHARACTERS, CheckedCase, CheckedSuite
from services.executor.values import Wanted
from services.executor.verdict import describe, load_error

_BUILTINS = "builtins."


async def draw(runner: Runner, suite: CheckedSuite, ask: Ask) -> tuple[CheckedCase, ...]:
    """Draws the tests of a suite in a sandbox that holds its reference solution, and no submission.

    Raises:
        StatusError: INVALID_ARGUMENT if inputs cannot be drawn or the reference cannot answer them, else as `Runner`.
    """
    message = suite.message
    modules = {**message.modules, **insiders.DRAWS}
    try:
        async with runner.program(message.reference_code, suite.limits, modules, trusted=True, ask=ask) as run:
            cases: list[CheckedCase] = []
            for number, wanted in enumerate(message.draws):
                cases += await _drawn(run, wanted, f"{message.draw_seed}/{number}")
            return tuple(cases)
    except (HarnessDied, Overran) as error:
        raise bad_reference(str(error)) from error


async def _drawn(run: Run, draw: wire.Draw, seed: str) -> list[CheckedCase]:
    arguments = f"{draw.inputs!r}, {list(draw.names)!r}, {draw.count}, {seed!r}"
    reply = await run.batch([Call("import codearena_draws", f"codearena_draws.draw({arguments})")], visible=0)
    if reply.load.state != "loaded":
        raise bad_reference(f"it does not load: {load_error(reply.load)}")
    answer = reply.cases[0]
    if answer.state != "value":
        raise bad_reference(f"the inputs of {draw.name!r} cannot be drawn: {describe(answer)}")
    calls = [Call(draw.setup, draw.call, graph=str(graph)) for graph in _graphs(answer)]
    answers = (await run.batch(calls, visible=0)).cases
    return [_case(draw, number, call, answer) for number, (call, answer) in enumerate(_pairs(draw, calls, answers), 1)]


def _graphs(answer: Answer) -> list[object]:
    drawn = values.decode(answer.payload)
    assert isinstance(drawn, list), "codearena_draws returns a list"
    return drawn


def _pairs(draw: wire.Draw, calls: Sequence[Call], answers: Sequence[Answer]) -> zip[tuple[Call, Answer]]:
    if len(answers) != len(calls):
        raise bad_reference(f"it does not answer all of {draw.name!r}")
    return zip(calls, answers, strict=True)


def _case(draw: wire.Draw, number: int, call: Call, answer: Answer) -> CheckedCase:
    name = f"{draw.name} {number}"
    wanted, raises = None, ""
    if answer.state == "value":
        wanted = Wanted.of(values.decode(answer.payload), draw.checker)
    elif answer.state == "raised":
        raises = next((kind for kind in json.loads(answer.payload)["types"] if kind.startswith(_BUILTINS)), "")
        raises = raises.removeprefix(_BUILTINS)
    if wanted is None and not raises:
        raise bad_reference(f"it does not answer {name!r}: {describe(answer)}")
    expected = f"raises {raises}" if wanted is None else wanted.shown
    result = core.TestResult(
        name=name,
        hidden=True,
        call=values.clean(draw.call, HIDDEN_CHARACTERS),
        expected=values.clean(expected, HIDDEN_CHARACTERS),
    )
    return CheckedCase(call, wanted, raises, HIDDEN_CHARACTERS, result)
