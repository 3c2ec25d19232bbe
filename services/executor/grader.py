"""Grades a program against a suite: the whole path from request to verdict."""

from __future__ import annotations

import time
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from codearena.v1 import core_pb2 as core
from services.executor.asks import ANYONE, Ask
from services.executor.efficiency import FlatCosts, GrowthCosts
from services.executor.graded import Costs, Verdict, dead, death_outcome, ended, lowest, not_loaded, output
from services.executor.jobs import Attempts, Reply, Usage, script
from services.executor.limits import Limits
from services.executor.oracle import MAX_ROUNDS, Oracle, TestsDidNotEnd, all_passed, are_right
from services.executor.references import Growth, Reference, References
from services.executor.runs import Overran, Run, Runner
from services.executor.sandbox import HarnessDied
from services.executor.settled import is_settled
from services.executor.suites import CheckedSuite, Recording
from services.executor.verdict import CaseVerdict, Outcome, judge_cases, judge_value, load_outcome, program_outcome

_MORE_MEASUREMENTS = 2


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

    def __init__(self, runner: Runner, references: References, oracle: Oracle) -> None:
        self._runner = runner
        self._references = references
        self._oracle = oracle

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
            verdict = lowest(verdict, await self._once(code, suite, reference, ask))
            started = again
        return verdict

    async def _once(self, code: str, suite: CheckedSuite, reference: Reference, ask: Ask) -> Verdict:
        if suite.recording is not None:
            return await self._heard(code, suite, suite.recording, reference, ask)
        async with self._program(code, suite, ask) as run:
            try:
                return await self._grade(run, suite, reference)
            except HarnessDied as death:
                return dead(suite, reference, death, run)
            except Overran:
                return ended(suite, reference, core.OUTCOME_TIMED_OUT, run)

    def _program(self, code: str, suite: CheckedSuite, ask: Ask) -> AbstractAsyncContextManager[Run]:
        return self._runner.program(code, suite.limits, suite.message.modules, ask=ask)

    async def _grade(self, run: Run, suite: CheckedSuite, reference: Reference) -> Verdict:
        reply = await run.batch(suite.calls, visible=suite.visible)
        loading = load_outcome(reply.load)
        if loading != core.OUTCOME_PASSED:
            return not_loaded(suite, reference, reply, run)
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
            output(reply),
            reply.usage,
            reply.violations,
            is_settled(answers, run.limits),
            run.lease,
            run.ran_seconds,
        )

    async def _heard(
        self, code: str, suite: CheckedSuite, recording: Recording, reference: Reference, ask: Ask
    ) -> Verdict:
        """Grades a program against tests that are code; see `services.executor.oracle`."""
        calls, visible = recording.calls, recording.visible
        for rounds_left in reversed(range(MAX_ROUNDS)):
            async with self._program(code, suite, ask) as run:
                try:
                    reply = await run.batch(calls, visible=visible)
                except HarnessDied as death:
                    return dead(suite, reference, death, run)
                except Overran:
                    return ended(suite, reference, core.OUTCOME_TIMED_OUT, run)
            if load_outcome(reply.load) != core.OUTCOME_PASSED:
                return not_loaded(suite, reference, reply, run)
            if calls == recording.calls and are_right(recording, reply.cases):
                verdicts = all_passed(recording, reply.cases)
                break
            try:
                hearing = await self._oracle.hear(suite, calls, reply.cases, ask)
            except TestsDidNotEnd:
                verdicts = [CaseVerdict(core.OUTCOME_TESTS_FAILED, "the tests do not end")] * len(suite.cases)
                break
            verdicts = list(hearing.verdicts)
            if hearing.complete or not rounds_left:
                break
            calls, visible = hearing.calls, hearing.visible
        outcome = program_outcome([verdict.outcome for verdict in verdicts])
        return Verdict(
            outcome,
            None,
            tuple(verdicts),
            None,
            FlatCosts(_cost(reply, reference), reference.cost) if outcome == core.OUTCOME_PASSED else None,
            output(reply),
            reply.usage,
            reply.violations,
            is_settled([reply.load, *reply.cases], run.limits),
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
                return ScriptResult(death_outcome(death), "", str(death), None, None, None)
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
    """Returns CPU seconds of those calls that the reference was measured on, which come first."""
    costs = zip(reply.cases, reference.setups, strict=False)
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
