"""All that is known of a graded program, and how it is put together."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TypeAlias

from codearena.v1 import core_pb2 as core
from services.executor.efficiency import Efficiency, FlatCosts, GrowthCosts
from services.executor.jobs import Attempts, Reply, Usage
from services.executor.pool import Lease
from services.executor.references import Reference
from services.executor.runs import Run
from services.executor.sandbox import HarnessDied
from services.executor.settled import is_settled
from services.executor.suites import CheckedSuite
from services.executor.verdict import CaseVerdict, Outcome, load_error, load_outcome

Costs: TypeAlias = GrowthCosts | FlatCosts


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


def lowest(before: Verdict, again: Verdict) -> Verdict:
    """Returns the later verdict, with the lowest costs of both where both passed."""
    ran = before.execute_seconds + again.execute_seconds
    costs: Costs | None = again.costs
    if isinstance(before.costs, GrowthCosts) and isinstance(again.costs, GrowthCosts):
        costs = before.costs.lowest(again.costs)
    if isinstance(before.costs, FlatCosts) and isinstance(again.costs, FlatCosts):
        costs = before.costs.lowest(again.costs)
    return dataclasses.replace(again, costs=costs, execute_seconds=ran)


def not_loaded(suite: CheckedSuite, reference: Reference, reply: Reply, run: Run) -> Verdict:
    """Returns the verdict of a program that did not load."""
    outcome = load_outcome(reply.load)
    verdicts, grown = _all_failed(suite, reference, outcome, "not run: the program did not load")
    return Verdict(
        outcome,
        load_error(reply.load),
        verdicts,
        grown,
        None,
        output(reply),
        reply.usage,
        reply.violations,
        is_settled([reply.load], run.limits),
        run.lease,
        run.ran_seconds,
    )


def death_outcome(death: HarnessDied) -> Outcome:
    """Returns what became of a program whose harness died."""
    return core.OUTCOME_OUT_OF_MEMORY if death.out_of_memory else core.OUTCOME_CRASHED


def dead(suite: CheckedSuite, reference: Reference, death: HarnessDied, run: Run) -> Verdict:
    """Returns the verdict of a program whose harness died."""
    return ended(suite, reference, death_outcome(death), run)


def ended(suite: CheckedSuite, reference: Reference, outcome: Outcome, run: Run) -> Verdict:
    """Returns the verdict of a program whose sandbox gave no answer."""
    verdicts, grown = _all_failed(suite, reference, outcome, "the sandbox ended without an answer")
    return Verdict(outcome, None, verdicts, grown, None, "", None, None, False, run.lease, run.ran_seconds)


def _all_failed(
    suite: CheckedSuite, reference: Reference, outcome: Outcome, why: str
) -> tuple[tuple[CaseVerdict, ...], CaseVerdict | None]:
    failed = CaseVerdict(outcome, why)
    return (failed,) * len(suite.cases), failed if reference.growth is not None else None


def output(reply: Reply) -> str:
    """Returns what a program printed."""
    return reply.stdout + reply.stderr
