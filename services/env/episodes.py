"""Episodes: opened, stepped exactly once for each request, ended."""

from __future__ import annotations

import asyncio
import contextlib
import time
import uuid
import weakref
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import grpc

from codearena.v1 import env_service_pb2 as wire
from codearena.v1 import error_reason_pb2 as reasons
from codearena.v1 import judge_service_pb2 as judge
from services.common import tracing
from services.common.errors import StatusError, invalid, unavailable
from services.env.baselines import Baselines
from services.env.catalogue import AUTO, Catalogue, UnknownTaskError
from services.env.claims import Claim, Claims
from services.env.feedback import Feedback
from services.env.grading import Graded, Grading, Terms, to_grade
from services.env.hints import Situation, hint
from services.env.memories import MemoryStore, memory_of, owner_of_episode, to_wire
from services.env.metrics import EnvMetrics
from services.env.options import DEFAULTS, Options
from services.env.progress import Progress
from services.env.quotas import Quotas
from services.env.regressions import Attempt, regressions
from services.env.rewards import Reward, in_mode
from services.env.store import Conflict, Ending, Episode, Memory, Step, Store, StoreDown, UnknownEpisode
from services.env.task_schema import Difficulty, Split, Task

_ATTEMPTS_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Opening:
    """An episode that a client asks for.

    Attributes:
        selector: A task id, a category, a difficulty, or "auto".
        seed: Chooses among several tasks; None for any.
        run_id: The training run, or "".
        options: How it is played.
        split: Draw from this split only; None for all.
    """

    selector: str
    seed: int | None = None
    run_id: str = ""
    options: Options = DEFAULTS
    split: Split | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """A step that a client asks for.

    Attributes:
        episode_id: Its episode.
        request_id: The client's id of the request.
        fix: What is proposed.
        method: Who or what made it, or "".
    """

    episode_id: str
    request_id: str
    fix: str
    method: str = ""


class Episodes:
    """The episodes of this arena.

    Args:
        catalogue: The tasks.
        store: Where episodes are kept; nothing of them is kept here.
        grading: Grades fixes.
        baselines: What is wrong with each task's buggy code.
        claims: Sees to it that one replica at a time grades a step of an episode.
        progress: Draws for "auto", and moves curricula.
        memories: Best fixes.
        quotas: Holds runs to them.
        metrics: Hears of steps and ends.
        max_steps: Steps an episode may take.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        store: Store,
        grading: Grading,
        baselines: Baselines,
        claims: Claims,
        progress: Progress,
        memories: MemoryStore,
        quotas: Quotas,
        metrics: EnvMetrics,
        max_steps: int,
    ) -> None:
        self._catalogue = catalogue
        self._store = store
        self._grading = grading
        self._baselines = baselines
        self._claims = claims
        self._progress = progress
        self._memories = memories
        self._quotas = quotas
        self._metrics = metrics
        self._max_steps = max_steps
        self._locks: weakref.WeakValueDictionary[str, asyncio.Lock] = weakref.WeakValueDictionary()

    async def reset(self, opening: Opening, timeout: float) -> tuple[Episode, Task, wire.Observation]:
        """Opens an episode.

        Returns:
            The episode, its task, and what an agent sees first.

        Raises:
            StatusError: NOT_FOUND for an unknown task, RESOURCE_EXHAUSTED if the run has as many open episodes as it
                may, UNAVAILABLE where the executor or the store is down.
        """
        drawn = opening.selector == AUTO and opening.run_id != ""
        with store_errors():
            await self._quotas.open_episode(opening.run_id)
            with unknown_tasks():
                if drawn:
                    task = await self._progress.draw(opening.run_id, opening.seed, opening.split)
                else:
                    task = self._catalogue.select(opening.selector, opening.seed, opening.split)
        error_log = await self._baselines.error_log(task, opening.options.feedback, timeout)
        episode = Episode(
            f"ep_{uuid.uuid4().hex}",
            task.id,
            opening.run_id,
            opening.seed,
            datetime.now(UTC),
            done=False,
            category=task.category,
            difficulty=task.difficulty.value,
            drawn=drawn,
            options=opening.options,
        )
        with store_errors():
            await self._store.create(episode)
            return episode, task, await self._observation(episode, task, error_log)

    async def get(self, episode_id: str) -> tuple[Episode, Task]:
        """Returns an episode and its task. Raises StatusError: NOT_FOUND or UNAVAILABLE."""
        with store_errors():
            episode = await self._store.get(episode_id)
        with unknown_tasks():
            return episode, self._catalogue.get(episode.task_id)

    async def step(self, asked: Asked, timeout: float) -> wire.StepResponse:
        """Grades a fix, or returns the stored response if this request was graded before, here or by another replica.

        Raises:
            StatusError: The step is not consumed: NOT_FOUND, FAILED_PRECONDITION after the end, INVALID_ARGUMENT if
                the request_id came with another fix before, UNAVAILABLE and the like for failures of ours.
        """
        deadline = time.monotonic() + timeout
        lock = self._locks.setdefault(asked.episode_id, asyncio.Lock())
        async with lock:
            while True:
                with store_errors():
                    async with self._claims.held(asked.episode_id, deadline) as claim:
                        try:
                            return await self._step(claim, asked, deadline)
                        except Conflict:
                            if time.monotonic() >= deadline:
                                raise
                            # Its claim was taken over, or the episode closed: as if it came now.

    async def close(self, episode_id: str) -> None:
        """Ends an episode; does nothing to one that has ended. Raises StatusError: NOT_FOUND or UNAVAILABLE."""
        with store_errors():
            episode = await self._store.get(episode_id)
            closed = await self._store.close(episode_id, self._ending(episode, datetime.now(UTC), solved=False))
        if closed is not None:
            self._metrics.episode_ended(closed.category, "closed")

    async def subject(self, episode_id: str, timeout: float) -> judge.JudgeServiceProposeFixRequest:
        """Returns what a proposal for an episode's next fix is to build on.

        That is the last fix, or the best known one if it is better and the episode offers memory. Where it does, the
        best known fix and its reward are named, too.
        """
        episode, task = await self.get(episode_id)
        if episode.steps:
            last = episode.steps[-1]
            error_log = wire.StepResponse.FromString(last.response).observation.error_log
            code, reward = last.fix, last.reward
        else:
            code, reward = task.buggy_code, None
            error_log = await self._baselines.error_log(task, episode.options.feedback, timeout)
        with store_errors():
            known = await self._known(episode)
        if known is not None and known.reward > (reward or 0.0):
            code, reward, error_log = known.fix, known.reward, ""
        return judge.JudgeServiceProposeFixRequest(
            code=code,
            error_log=error_log,
            description=task.description,
            previous_attempts=[step.fix for step in episode.steps[-_ATTEMPTS_SHOWN:]],
            last_reward=reward,
            run_id=episode.run_id,
            best_known_code="" if known is None else known.fix,
            best_known_reward=0.0 if known is None else known.reward,
        )

    async def _observation(self, episode: Episode, task: Task, error_log: str) -> wire.Observation:
        """Returns what an agent sees of an episode, apart from the results of its last step. Raises StoreDown."""
        observation = wire.Observation(
            buggy_code=task.buggy_code,
            error_log=error_log,
            previous_attempts=[_attempt(step) for step in episode.steps],
            step=len(episode.steps),
            max_steps=self._max_steps,
            description=task.description,
            modules=task.modules,
        )
        known = await self._known(episode)
        if known is not None:
            observation.best_known.CopyFrom(to_wire(known))
        return observation

    async def _known(self, episode: Episode) -> Memory | None:
        """Returns the best known fix of an episode's task, if the episode offers memory. Raises StoreDown."""
        owner = owner_of_episode(episode)
        if not (episode.options.offer_memory and owner):
            return None
        return await self._memories.get(owner, episode.task_id)

    async def state(self, episode_id: str, timeout: float) -> tuple[Episode, Task, wire.Observation]:
        """Returns an episode as it stands."""
        episode, task = await self.get(episode_id)
        if episode.steps:
            stored = wire.StepResponse.FromString(episode.steps[-1].response)
            return episode, task, stored.observation
        error_log = await self._baselines.error_log(task, episode.options.feedback, timeout)
        with store_errors():
            return episode, task, await self._observation(episode, task, error_log)

    async def _step(self, claim: Claim, asked: Asked, deadline: float) -> wire.StepResponse:
        episode = claim.episode
        known = episode.find(asked.request_id)
        if known is not None:
            return _replay(known, asked.fix)
        if episode.done:
            raise _episode_done(asked.episode_id)
        with unknown_tasks():
            task = self._catalogue.get(episode.task_id)
        run = await self._quotas.grade(episode.run_id)
        terms = Terms(deadline - time.monotonic(), episode.run_id, weight=run.weight, draw_seed=episode.draw_seed)
        try:
            return await self._grade_step(claim, task, asked, terms)
        except Conflict:
            raise  # its claim was taken over, or the episode closed: tried again
        except Exception:
            self._metrics.step_failed(task.category)
            raise

    async def _grade_step(self, claim: Claim, task: Task, asked: Asked, terms: Terms) -> wire.StepResponse:
        started = time.monotonic()
        episode, options = claim.episode, claim.episode.options
        graded = await self._grading.grade(task, asked.fix, terms)
        step, earned = self._graded_step(episode, asked, graded)
        note = regressions(graded.execution.tests, [_passed(step) for step in episode.steps], options.feedback)
        grade = to_grade(graded, earned, options.feedback, note)
        grade.reward = in_mode(options.reward_mode, earned.value, episode.best_reward)
        done = graded.solved or step.number >= self._max_steps
        stepped = replace(episode, steps=(*episode.steps, step), done=done)
        observation = await self._observation(stepped, task, grade.error_log)
        observation.test_results.extend(grade.test_results)
        observation.regression = note
        if options.hints:
            observation.hint = _hint(task, graded, earned.value, options.feedback)
        response = wire.StepResponse(observation=observation, grade=grade, done=done, absolute_reward=earned.value)
        step = replace(step, response=response.SerializeToString())
        await self._keep(claim, step, self._ending(episode, step.created, solved=graded.solved) if done else None)
        self._metrics.step(task.category, graded.execution.outcome, earned)
        if done:
            self._metrics.episode_ended(task.category, "solved" if graded.solved else "exhausted")
        self._metrics.stage("total", claim.seconds + time.monotonic() - started)
        return response

    def _graded_step(self, episode: Episode, asked: Asked, graded: Graded) -> tuple[Step, Reward]:
        """Returns the step as it will be stored, but for its response, and its reward."""
        number, repeated = len(episode.steps) + 1, episode.has_tried(asked.fix)
        earned = self._grading.reward(graded, step=number, repeated=repeated, profile=episode.options.reward_profile)
        step = Step(
            number,
            asked.request_id,
            asked.fix,
            earned.value,
            graded.execution.outcome,
            graded.passed,
            b"",
            created=datetime.now(UTC),
            complexity=graded.review.analysis.time_complexity,
            method=asked.method,
            repeated=repeated,
            tests="".join("01"[test.passed] for test in graded.execution.tests),
        )
        return step, earned

    def _ending(self, episode: Episode, at: datetime | None, *, solved: bool) -> Ending:
        advance = None
        if episode.drawn:
            advance = self._progress.advance(Difficulty(episode.difficulty), self._split(episode.task_id))
        return Ending(at or datetime.now(UTC), solved, advance)

    def _split(self, task_id: str) -> Split | None:
        with contextlib.suppress(UnknownTaskError):
            return self._catalogue.get(task_id).split
        return None

    async def _keep(self, claim: Claim, step: Step, ending: Ending | None) -> None:
        started = time.monotonic()
        memory = memory_of(claim.episode, step)
        with tracing.span("store"):
            await self._store.add_step(claim.episode.episode_id, claim.holder, step, ending, memory)
        claim.spent = True
        self._metrics.stage("store", claim.seconds + time.monotonic() - started)


@contextlib.contextmanager
def unknown_tasks() -> Iterator[None]:
    """Turns what the catalogue raises into the status that a client is to see."""
    try:
        yield
    except UnknownTaskError as error:
        raise StatusError(
            grpc.StatusCode.NOT_FOUND,
            reasons.ERROR_REASON_TASK_NOT_FOUND,
            f"{error}; ListTasks tells what there is",
            metadata={"task_id": error.selector},
        ) from error


@contextlib.contextmanager
def store_errors() -> Iterator[None]:
    """Turns what the store raises into the status that a client is to see."""
    try:
        yield
    except UnknownEpisode as error:
        raise StatusError(
            grpc.StatusCode.NOT_FOUND,
            reasons.ERROR_REASON_EPISODE_NOT_FOUND,
            f"there is no episode {error}; open one with Reset",
            metadata={"episode_id": str(error)},
        ) from error
    except (StoreDown, Conflict) as error:
        raise unavailable(reasons.ERROR_REASON_STORE_UNAVAILABLE, f"{error}; retry") from error


def _replay(step: Step, fix: str) -> wire.StepResponse:
    if step.fix != fix:
        raise invalid(
            reasons.ERROR_REASON_REQUEST_ID_REUSED, "request_id", "was used before in this episode with another fix"
        )
    response = wire.StepResponse.FromString(step.response)
    response.replayed = True
    return response


def _episode_done(episode_id: str) -> StatusError:
    return StatusError(
        grpc.StatusCode.FAILED_PRECONDITION,
        reasons.ERROR_REASON_EPISODE_DONE,
        f"the episode {episode_id} is done; open another one with Reset",
        metadata={"episode_id": episode_id},
    )


def _attempt(step: Step) -> wire.Attempt:
    return wire.Attempt(
        step=step.number,
        proposed_fix=step.fix,
        reward=step.reward,
        outcome=step.outcome,  # type: ignore[arg-type]
        passed_test_count=step.passed,
    )


def _passed(step: Step) -> Attempt:
    return step.number, tuple(mark == "1" for mark in step.tests)


def _hint(task: Task, graded: Graded, reward: float, feedback: Feedback) -> str:
    execution = graded.execution
    return hint(
        Situation(
            function=task.function,
            description=task.description,
            outcome=execution.outcome,
            failing=[test for test in execution.tests if not test.passed and not test.hidden],
            load_error=execution.load_error,
            passed=graded.passed,
            total=len(execution.tests),
            efficiency=execution.efficiency if execution.HasField("efficiency") else None,
            analysis=graded.review.analysis,
            reward=reward,
            feedback=feedback,
        )
    )
