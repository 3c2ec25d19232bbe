"""Grades a program against a suite: the whole path from request to verdict."""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass
from typing import TypeAlias

from codearena.v1 import core_pb2 as core
from services.executor.asks import ANYONE, Ask
from services.executor.efficiency import Efficiency, FlatCosts, GrowthCosts
from services.executor.jobs import Attempts, Reply, Usage, script
from services.executor.limits import Limits
from services.executor.pool import Lease
from services.executor.references import Growth, Reference, References
from services.executor.runs import Overran, Run, Runner
from services.executor.sandbox import HarnessDied
from services.executor.settled import is_settled
from services.executor.suites import CheckedSuite
from services.executor.verdict import (
    CaseVerdict,
    Outcome,
    judge_cases,
    judge_value,
    load_error,
    load_outcome,
    program_outcome,
)

Costs: TypeAlias = GrowthCosts | FlatCosts
_MORE_MEASUREMENTS = 2


@dataclass(frozen=True, slots=True)
class Verdict:
    """All that is known of a graded program.

    Attributes:
        outcome: What became of it.
        load_error: Why it did not load; None if it did.
        cases: One verdict for each case, in the order given.
        growth: The verdict of the growing inputs, where the suite has them.
        costs: Its cost and the reference's, if every test passed.
        output: What it printed in visible cases.
        usage: What it used; None if the harness could not say.
        attempts: What it tried; None likewise.
        settled: Whether an equal program would fare the same; see `services.executor.settled`.
        lease: Where and how fast a sandbox was had.
        execute_seconds: Time in the sandbox, from jobs to answers.
    """

    outcome: Outcome
    load_error: str | None
    cases: tuple[CaseVerdict, ...]
    growth: CaseVerdict | None
    costs: Costs | None
    output: str
    usage: Usage | None
    attempts: Attempts | None
    settled: bool
    lease: Lease
    execute_seconds: float

    @property
    def efficiency(self) -> Efficiency | None:
        """Its cost against the reference's, if every test passed."""
        return None if self.costs is None else self.costs.score()


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

    async def grade(self, code: str, suite: CheckedSuite, ask: Ask = ANYONE) -> Verdict:
        """Grades a program; several times where noise could decide its score.

        Args:
            code: The program.
            suite: What it is graded against.
            ask: On whose behalf, and until when.

        Raises:
            StatusError: No sandbox could be had or it was lost; or the suite's reference is unfit.
        """
        started = time.monotonic()
        verdict = await self._once(code, suite, await self._references.get(suite, ask), ask)
        for _ in range(_MORE_MEASUREMENTS):
            again = time.monotonic()
            if not _in_doubt(verdict) or (ask.deadline is not None and again + (again - started) > ask.deadline):
                break
            reference = await self._references.get(suite, ask, older_than=again)
            verdict = _lowest(verdict, await self._once(code, suite, reference, ask))
            started = again
        return verdict

    async def _once(self, code: str, suite: CheckedSuite, reference: Reference, ask: Ask) -> Verdict:
        async with self._runner.program(code, suite.limits, ask=ask) as run:
            try:
                return await self._grade(run, suite, reference)
            except HarnessDied as death:
                return _dead(suite, reference, death, run)
            except Overran:
                return _ended(suite, reference, core.OUTCOME_TIMED_OUT, run)

    async def _grade(self, run: Run, suite: CheckedSuite, reference: Reference) -> Verdict:
        reply = await run.batch(suite.calls, visible=suite.visible)
        loading = load_outcome(reply.load)
        if loading != core.OUTCOME_PASSED:
            return _not_loaded(suite, reference, reply, run)
        verdicts = judge_cases(suite.cases, reply.cases)
        answers = [reply.load, *reply.cases]
        grown: CaseVerdict | None = None
        costs: Costs | None = None
        if reference.growth is not None:
            grown = CaseVerdict(core.OUTCOME_TESTS_FAILED, "not run: the other tests come first")
        if all(verdict.passed for verdict in verdicts):
            if reference.growth is None:
                costs = FlatCosts(_cost(reply, reference), reference.cost)
            else:
                growth = reference.growth
                growing = await run.batch(growth.calls, visible=0, stop_seconds=growth.budget_seconds)
                grown, costs = _judge_growth(growth, growing)
                answers += growing.cases
                reply = growing.model_copy(update={"cases": reply.cases})
        outcome = program_outcome([verdict.outcome for verdict in (*verdicts, *([grown] if grown else []))])
        return Verdict(
            outcome,
            None,
            tuple(verdicts),
            grown,
            costs if outcome == core.OUTCOME_PASSED else None,
            _output(reply),
            reply.usage,
            reply.violations,
            is_settled(answers, run.limits),
            run.lease,
            run.ran_seconds,
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


def _judge_growth(growth: Growth, reply: Reply) -> tuple[CaseVerdict, GrowthCosts | None]:
    """Compares each size's answer with the reference's. A size that overran ends the climb, it is not a failure."""
    costs: dict[int, float] = {}
    for size, answer in zip(growth.sizes, reply.cases, strict=False):
        if answer.state == "timeout" and costs:
            break
        verdict = judge_value(growth.wanted[size], answer)
        if not verdict.passed:
            return CaseVerdict(verdict.outcome, f"with an input of size {size}: {verdict.actual}", answer), None
        costs[size] = max(0.0, answer.cpu / 1e9 - growth.setups[size])
    if not costs:
        return CaseVerdict(core.OUTCOME_CRASHED, "no size was answered"), None
    passed = CaseVerdict(core.OUTCOME_PASSED, f"right up to size {max(costs)}", reply.cases[len(costs) - 1])
    return passed, GrowthCosts(costs, growth.costs, growth.sizes)


def _in_doubt(verdict: Verdict) -> bool:
    efficiency = verdict.efficiency
    return efficiency is not None and efficiency.doubtful


def _lowest(before: Verdict, again: Verdict) -> Verdict:
    """Returns the later verdict, with the lowest costs of both where both passed."""
    ran = before.execute_seconds + again.execute_seconds
    costs: Costs | None = again.costs
    if isinstance(before.costs, GrowthCosts) and isinstance(again.costs, GrowthCosts):
        costs = before.costs.lowest(again.costs)
    if isinstance(before.costs, FlatCosts) and isinstance(again.costs, FlatCosts):
        costs = before.costs.lowest(again.costs)
    return dataclasses.replace(again, costs=costs, execute_seconds=ran)


def _output(reply: Reply) -> str:
    return reply.stdout + reply.stderr


def _not_loaded(suite: CheckedSuite, reference: Reference, reply: Reply, run: Run) -> Verdict:
    outcome = load_outcome(reply.load)
    verdicts, grown = _all_failed(suite, reference, outcome, "not run: the program did not load")
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
        run.ran_seconds,
    )


def _death(death: HarnessDied) -> Outcome:
    return core.OUTCOME_OUT_OF_MEMORY if death.out_of_memory else core.OUTCOME_CRASHED


def _dead(suite: CheckedSuite, reference: Reference, death: HarnessDied, run: Run) -> Verdict:
    return _ended(suite, reference, _death(death), run)


def _ended(suite: CheckedSuite, reference: Reference, outcome: Outcome, run: Run) -> Verdict:
    verdicts, grown = _all_failed(suite, reference, outcome, "the sandbox ended without an answer")
    return Verdict(outcome, None, verdicts, grown, None, "", None, None, False, run.lease, run.ran_seconds)


def _all_failed(
    suite: CheckedSuite, reference: Reference, outcome: Outcome, why: str
) -> tuple[tuple[CaseVerdict, ...], CaseVerdict | None]:
    failed = CaseVerdict(outcome, why)
    return (failed,) * len(suite.cases), failed if reference.growth is not None else None
