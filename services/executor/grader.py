"""Grades a program against a suite: the whole path from request to verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from codearena.v1 import core_pb2 as core
from codearena.v1 import executor_service_pb2 as wire
from services.executor import efficiency, values
from services.executor.asks import ANYONE, Ask
from services.executor.efficiency import Efficiency
from services.executor.jobs import Answer, Attempts, Reply, Usage, script
from services.executor.limits import Limits
from services.executor.pool import Lease
from services.executor.references import Growth, Reference, References, calls_of
from services.executor.runs import Overran, Run, Runner
from services.executor.sandbox import HarnessDied
from services.executor.settled import is_settled
from services.executor.verdict import (
    CaseVerdict,
    Outcome,
    judge_case,
    judge_cases,
    load_error,
    load_outcome,
    program_outcome,
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """All that is known of a graded program.

    Attributes:
        outcome: What became of it.
        load_error: Why it did not load; None if it did.
        cases: One verdict for each case, in the order given.
        growth: The verdict of the growing inputs, where the suite has them.
        efficiency: Its cost against the reference's, if every test passed.
        output: What it printed in visible cases.
        usage: What it used; None if the harness could not say.
        attempts: What it tried; None likewise.
        settled: Whether an equal program would fare the same; see `services.executor.settled`.
        lease: Where and how fast a sandbox was had.
    """

    outcome: Outcome
    load_error: str | None
    cases: tuple[CaseVerdict, ...]
    growth: CaseVerdict | None
    efficiency: Efficiency | None
    output: str
    usage: Usage | None
    attempts: Attempts | None
    settled: bool
    lease: Lease


@dataclass(frozen=True, slots=True)
class ScriptResult:
    """What became of a script. `exit_code` is None if it was stopped or ended by a signal."""

    outcome: Outcome
    stdout: str
    stderr: str
    exit_code: int | None
    usage: Usage | None
    attempts: Attempts | None


class Grader:
    """Grades programs in sandboxes of a runner, against references measured on the same node."""

    def __init__(self, runner: Runner, references: References) -> None:
        self._runner = runner
        self._references = references

    async def grade(
        self, code: str, suite: wire.Suite, cases: Sequence[wire.Case], limits: Limits, ask: Ask = ANYONE
    ) -> Verdict:
        """Grades a program.

        Args:
            code: The program.
            suite: What it is graded against.
            cases: The suite's cases, visible ones first.
            limits: The suite's limits, resolved.
            ask: On whose behalf, and until when.

        Raises:
            StatusError: No sandbox could be had or it was lost; or the suite's reference is unfit.
        """
        reference = await self._references.get(suite, cases, limits, ask)
        async with self._runner.program(code, limits, ask=ask) as run:
            try:
                return await self._grade(run, cases, reference)
            except HarnessDied as death:
                return _dead(cases, reference, death, run.lease)
            except Overran:
                return _ended(cases, reference, core.OUTCOME_TIMED_OUT, run.lease)

    async def _grade(self, run: Run, cases: Sequence[wire.Case], reference: Reference) -> Verdict:
        visible = sum(not case.hidden for case in cases)
        reply = await run.batch(calls_of(cases), visible=visible)
        loading = load_outcome(reply.load)
        if loading != core.OUTCOME_PASSED:
            return _not_loaded(cases, reference, reply, run)
        verdicts = judge_cases(cases, reply.cases)
        answers = [reply.load, *reply.cases]
        grown, score = None, None
        if reference.growth is not None:
            grown = CaseVerdict(core.OUTCOME_TESTS_FAILED, "not run: the other tests come first")
        if all(verdict.passed for verdict in verdicts):
            if reference.growth is None:
                score = efficiency.flat(_cost(reply, reference), reference.cost)
            else:
                growing = await run.batch(
                    reference.growth.calls, visible=0, stop_seconds=reference.growth.budget_seconds
                )
                grown, score = _judge_growth(reference.growth, growing)
                answers += growing.cases
                reply = growing.model_copy(update={"cases": reply.cases})
        outcomes = [verdict.outcome for verdict in verdicts] + ([grown.outcome] if grown else [])
        outcome = program_outcome(outcomes)
        return Verdict(
            outcome,
            None,
            tuple(verdicts),
            grown,
            score if outcome == core.OUTCOME_PASSED else None,
            _output(reply),
            reply.usage,
            reply.violations,
            is_settled(answers, run.limits),
            run.lease,
        )

    async def run_script(self, code: str, stdin: str, limits: Limits, ask: Ask = ANYONE) -> ScriptResult:
        """Runs a program as a script.

        Raises:
            StatusError: No sandbox could be had, or it was lost.
        """
        async with self._runner.program(code, limits, ask=ask) as run:
            try:
                return _script_result(await run.script(script(code, stdin, limits)))
            except HarnessDied as death:
                return ScriptResult(_death(death), "", str(death), None, None, None)
            except Overran as overrun:
                return ScriptResult(core.OUTCOME_TIMED_OUT, "", str(overrun), None, None, None)


def _script_result(reply: Reply) -> ScriptResult:
    ended = reply.load.state == "ended"
    status = reply.load.number & 0xFF if ended else None
    outcome = load_outcome(reply.load)
    if ended and status == 0:
        outcome = core.OUTCOME_PASSED
    elif outcome == core.OUTCOME_PASSED:
        outcome = core.OUTCOME_CRASHED  # a script ends, it does not load: this was forged
    return ScriptResult(outcome, reply.stdout, reply.stderr, status, reply.usage, reply.violations)


def _cost(reply: Reply, reference: Reference) -> float:
    costs = zip(reply.cases, reference.setups, strict=True)
    return sum(max(0.0, answer.cpu / 1e9 - setup) for answer, setup in costs)


def _judge_growth(growth: Growth, reply: Reply) -> tuple[CaseVerdict, Efficiency | None]:
    """Compares each size's answer with the reference's. A size that overran ends the climb, it is not a failure."""
    costs: dict[int, float] = {}
    for size, answer in zip(growth.sizes, reply.cases, strict=False):
        if answer.state == "timeout" and costs:
            break
        if not _is_right(growth.answers[size], answer):
            verdict = judge_case(wire.Case(), answer)
            return CaseVerdict(verdict.outcome, f"with an input of size {size}: {verdict.actual}", answer), None
        costs[size] = max(0.0, answer.cpu / 1e9 - growth.setups[size])
    if not costs:
        return CaseVerdict(core.OUTCOME_CRASHED, "no size was answered"), None
    largest = max(costs)
    passed = CaseVerdict(core.OUTCOME_PASSED, f"right up to size {largest}", reply.cases[len(costs) - 1])
    return passed, efficiency.of_growth(costs, growth.costs, growth.sizes)


def _is_right(expected: object, answer: Answer) -> bool:
    try:
        return answer.state == "value" and values.same(expected, values.decode(answer.payload))
    except values.BadValue:
        return False


def _output(reply: Reply) -> str:
    return reply.stdout + reply.stderr


def _not_loaded(cases: Sequence[wire.Case], reference: Reference, reply: Reply, run: Run) -> Verdict:
    outcome = load_outcome(reply.load)
    verdicts, grown = _all_failed(cases, reference, outcome, "not run: the program did not load")
    return Verdict(
        outcome,
        load_error(reply.load),
        verdicts,
        grown,
        None,
        _output(reply),
        reply.usage,
        reply.violations,
        is_settled([reply.load], run.limits),
        run.lease,
    )


def _death(death: HarnessDied) -> Outcome:
    return core.OUTCOME_OUT_OF_MEMORY if death.out_of_memory else core.OUTCOME_CRASHED


def _dead(cases: Sequence[wire.Case], reference: Reference, death: HarnessDied, lease: Lease) -> Verdict:
    return _ended(cases, reference, _death(death), lease)


def _ended(cases: Sequence[wire.Case], reference: Reference, outcome: Outcome, lease: Lease) -> Verdict:
    verdicts, grown = _all_failed(cases, reference, outcome, "the sandbox ended without an answer")
    return Verdict(outcome, None, verdicts, grown, None, "", None, None, settled=False, lease=lease)


def _all_failed(
    cases: Sequence[wire.Case], reference: Reference, outcome: Outcome, why: str
) -> tuple[tuple[CaseVerdict, ...], CaseVerdict | None]:
    failed = CaseVerdict(outcome, why)
    return (failed,) * len(cases), failed if reference.growth is not None else None
