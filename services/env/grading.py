"""Grades one fix: executor and judge at the same time, then the reward."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Protocol

from codearena.v1 import core_pb2 as core
from codearena.v1 import env_service_pb2 as wire
from codearena.v1 import executor_service_pb2 as executor
from codearena.v1 import judge_service_pb2 as judge
from services.common.errors import StatusError
from services.env.complexity import Analysis
from services.env.feedback import Feedback, error_log, visible_results
from services.env.rewards import PROFILES, Profile, Reward, Score, contributions, reward
from services.env.task_schema import Task


class GradingPeers(Protocol):
    """What grading asks of the other services."""

    async def execute(self, request: executor.ExecuteRequest, timeout: float) -> executor.ExecuteResponse:
        """Grades a program."""
        ...

    def execute_group(
        self, request: executor.ExecuteGroupRequest, timeout: float
    ) -> AsyncGenerator[tuple[int, executor.ExecuteResponse | StatusError], None]:
        """Grades several programs of one suite; yields each one's index with what became of it, or why not."""
        ...

    async def judge(self, request: judge.JudgeRequest, timeout: float) -> judge.JudgeResponse:
        """Scores a fix."""
        ...


class SourceReader(Protocol):
    """Reads the complexity of a program."""

    async def analyse(self, source: str) -> Analysis:
        """Returns what can be read."""
        ...


class GradingObserver(Protocol):
    """Hears how long the stages of a grading took, and of rewards outside episodes."""

    def rewarded(self, category: str, earned: Reward) -> None:
        """A fix of a task of this category got a reward."""
        ...

    def stage(self, name: str, seconds: float) -> None:
        """One stage ended: queue, provision, execute or judge."""
        ...


@dataclass(frozen=True, slots=True)
class Terms:
    """On what terms fixes are graded.

    Attributes:
        timeout: Seconds that it may take.
        run_id: The training run, for fair share. May be empty.
        fresh: Whether the tests are to be run although their results for an equal program may be known.
        profile: Name of the weight profile; "" for the server's.
        weight: The run's share against that of others; 0 for what the executor gives it.
        draw_seed: Chooses the random inputs of a task that has any.
    """

    timeout: float
    run_id: str = ""
    fresh: bool = False
    profile: str = ""
    weight: float = 0.0
    draw_seed: int = 0


@dataclass(frozen=True, slots=True)
class Review:
    """What can be told of a fix without running it.

    Attributes:
        opinion: What the judge found.
        analysis: What its source tells.
    """

    opinion: core.Opinion
    analysis: Analysis


@dataclass(frozen=True, slots=True)
class Graded:
    """A fix after grading.

    Attributes:
        execution: What the executor found, hidden tests included; not for clients.
        review: What the others found.
    """

    execution: executor.ExecuteResponse
    review: Review

    @property
    def passed(self) -> int:
        """How many tests it passed."""
        return sum(test.passed for test in self.execution.tests)

    @property
    def solved(self) -> bool:
        """Whether every test passed with full efficiency."""
        execution = self.execution
        return execution.outcome == core.OUTCOME_PASSED and execution.efficiency.score >= 1.0


class Grading:
    """Grades fixes of tasks."""

    def __init__(self, peers: GradingPeers, reader: SourceReader, profile: Profile, observer: GradingObserver) -> None:
        self._peers = peers
        self._reader = reader
        self._profile = profile
        self._observer = observer

    async def execute(self, task: Task, code: str, terms: Terms) -> executor.ExecuteResponse:
        """Runs a program against a task's tests only."""
        request = executor.ExecuteRequest(
            code=code,
            suite=task.to_suite(terms.draw_seed),
            run_id=terms.run_id,
            fresh=terms.fresh,
            run_weight=terms.weight,
        )
        return await self._peers.execute(request, terms.timeout)

    async def execute_group(
        self, task: Task, codes: Sequence[str], terms: Terms
    ) -> AsyncGenerator[tuple[int, executor.ExecuteResponse | StatusError], None]:
        """Runs several programs against a task's tests; yields each one's index with what became of it, or why not.

        Raises:
            StatusError: The executor failed; what it has not yielded is not graded.
        """
        request = executor.ExecuteGroupRequest(
            codes=codes,
            suite=task.to_suite(terms.draw_seed),
            run_id=terms.run_id,
            fresh=terms.fresh,
            run_weight=terms.weight,
        )
        async with aclosing(self._peers.execute_group(request, terms.timeout)) as items:
            async for index, result in items:
                if not isinstance(result, StatusError):
                    self._observe(result)
                yield index, result

    async def review(self, task: Task, code: str, terms: Terms) -> Review:
        """Asks the judge and reads the source at the same time.

        Raises:
            StatusError: The judge failed.
        """
        try:
            async with asyncio.TaskGroup() as group:
                opinion = group.create_task(self._timed_judge(task, code, terms))
                analysis = group.create_task(self._reader.analyse(code))
        except ExceptionGroup as failures:
            raise _most_telling(failures) from failures
        return Review(opinion.result(), analysis.result())

    async def grade(self, task: Task, code: str, terms: Terms) -> Graded:
        """Asks executor and judge at the same time; the first failure cancels the other.

        Raises:
            StatusError: One of them failed. Nothing was graded.
        """
        try:
            async with asyncio.TaskGroup() as group:
                execution = group.create_task(self.execute(task, code, terms))
                review = group.create_task(self.review(task, code, terms))
        except ExceptionGroup as failures:
            raise _most_telling(failures) from failures
        self._observe(execution.result())
        return Graded(execution.result(), review.result())

    def reward(self, graded: Graded, *, step: int, repeated: bool, profile: str = "") -> Reward:
        """Returns the reward of a graded fix by a weight profile; "" for the server's."""
        weights = PROFILES[profile] if profile else self._profile
        return reward(scores(graded), step=step, repeated=repeated, profile=weights)

    def grade_alone(self, task: Task, graded: Graded, profile: str) -> wire.Grade:
        """Returns the grade of a fix that belongs to no episode: that of a first step."""
        earned = self.reward(graded, step=1, repeated=False, profile=profile)
        self._observer.rewarded(task.category, earned)
        return to_grade(graded, earned)

    def _observe(self, execution: executor.ExecuteResponse) -> None:
        """Counts the stages of an execution, unless there was none."""
        if execution.cached:
            return
        stages = execution.stages
        for name, duration in (("queue", stages.queue), ("provision", stages.provision), ("execute", stages.execute)):
            self._observer.stage(name, duration.ToNanoseconds() / 1e9)

    async def _timed_judge(self, task: Task, code: str, terms: Terms) -> core.Opinion:
        started = time.monotonic()
        response = await self._peers.judge(judge_request(task, code, terms.run_id), terms.timeout)
        self._observer.stage("judge", time.monotonic() - started)
        return response.opinion


def judge_request(task: Task, code: str, run_id: str) -> judge.JudgeRequest:
    """Returns what the judge is asked about a fix of a task."""
    return judge.JudgeRequest(
        code=code,
        description=task.description,
        buggy_code=task.buggy_code,
        reference_code=task.reference,
        run_id=run_id,
    )


def _most_telling(failures: ExceptionGroup[Exception]) -> Exception:
    """Returns a mistake of ours if there is one among the failures, else the first of them."""
    return next((error for error in failures.exceptions if not isinstance(error, StatusError)), failures.exceptions[0])


def scores(graded: Graded) -> dict[str, Score]:
    """Returns the score of each component of the reward."""
    execution, opinion = graded.execution, graded.review.opinion
    total = len(execution.tests)
    ratio = graded.passed / total if total else 0.0
    if execution.efficiency.reason:
        efficiency = Score(execution.efficiency.score, execution.efficiency.reason)
    else:
        efficiency = Score(0.0, "counts once all tests pass")
    if opinion.HasField("correctness"):
        correctness = Score(opinion.correctness, opinion.correctness_reason)
    else:
        correctness = Score(ratio, "no language model judged; the tests are the evidence")
    return {
        "compile_score": Score(float(execution.loaded), "it loads" if execution.loaded else "it does not load"),
        "test_pass_ratio": Score(ratio, f"{graded.passed} of {total} tests pass"),
        "efficiency_score": efficiency,
        "llm_correctness": correctness,
        "llm_security": Score(opinion.security, opinion.security_reason),
        "llm_quality": Score(opinion.quality, opinion.quality_reason),
    }


def to_grade(graded: Graded, earned: Reward, policy: Feedback = Feedback.FULL, note: str = "") -> wire.Grade:
    """Puts a grade on the wire, as a client may see it.

    Args:
        graded: What was found.
        earned: Its reward.
        policy: How much of it is shown.
        note: Stands first in the error log.
    """
    execution = graded.execution
    grade = wire.Grade(
        outcome=execution.outcome,
        passed_test_count=graded.passed,
        total_test_count=len(execution.tests),
        error_log=error_log(execution, policy, note),
        test_results=visible_results(execution.tests, policy),
        judge_source=graded.review.opinion.provenance.source,
        judge=graded.review.opinion.provenance,
        violations=execution.violations,
        usage=execution.usage,
        backend=execution.backend,
        complexity=graded.review.analysis.to_proto(),
        cached=execution.cached,
    )
    set_reward(grade, earned)
    if execution.HasField("efficiency"):
        grade.efficiency.CopyFrom(execution.efficiency)
    return grade


def set_reward(grade: wire.Grade, earned: Reward) -> None:
    """Sets the reward of a grade, and how it came about."""
    grade.reward = earned.value
    grade.breakdown.CopyFrom(
        core.RewardBreakdown(
            scores=dict(earned.scores),
            weights=dict(earned.weights),
            penalties=dict(earned.penalties),
            profile=earned.profile,
            reasons=dict(earned.reasons),
            contributions=contributions(earned),
        )
    )
