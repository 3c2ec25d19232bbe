"""The env service's RPC handlers: check, call one function, convert."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import grpc

from codearena.v1 import env_service_pb2 as wire
from codearena.v1 import error_reason_pb2 as reasons
from codearena.v1 import executor_service_pb2 as executor
from codearena.v1 import judge_service_pb2
from services.common import tracing
from services.common.errors import invalid
from services.common.validation import (
    MAX_SOURCE_BYTES,
    MAX_STDIN_BYTES,
    check_id,
    check_source,
    check_task_id,
    check_text,
)
from services.env.catalogue import Catalogue
from services.env.episodes import Asked, Episodes, Opening, store_errors, unknown_tasks
from services.env.grading import Grading, SourceReader, Terms, judge_request
from services.env.groups import Groups
from services.env.options import Options, check_profile, read_options, read_split
from services.env.page_tokens import InvalidPageTokenError
from services.env.peers import Peers
from services.env.quotas import Quotas
from services.env.run_servicer import RunHandlers, RunParts
from services.env.streams import Handle, answer_steps
from services.env.task_schema import Difficulty, Task

Context = grpc.aio.ServicerContext[Any, Any]
_MAX_SEED = 2**63 - 1
_MAX_GROUP = 256
_MAX_LOG_BYTES = 64 * 1024
_MAX_METHOD = 64


class EnvServicer(RunHandlers):
    """Answers `codearena.v1.EnvService`."""

    def __init__(
        self,
        runs: RunParts,
        catalogue: Catalogue,
        episodes: Episodes,
        grading: Grading,
        groups: Groups,
        peers: Peers,
        reader: SourceReader,
        quotas: Quotas,
        options: Options,
        default_timeout: float,
    ) -> None:
        super().__init__(runs)
        self._catalogue = catalogue
        self._episodes = episodes
        self._grading = grading
        self._groups = groups
        self._peers = peers
        self._reader = reader
        self._quotas = quotas
        self._options = options
        self._default_timeout = default_timeout

    async def Reset(self, request: wire.ResetRequest, context: Context) -> wire.ResetResponse:
        """Opens an episode."""
        check_task_id(request.task_id, "task_id")
        check_id(request.run_id, "run_id", required=False)
        _check_seed(request.seed)
        seed = request.seed if request.HasField("seed") else None
        split = read_split(request.split)
        opening = Opening(request.task_id, seed, request.run_id, read_options(request.options, self._options), split)
        episode, task, observation = await self._episodes.reset(opening, self._timeout(context))
        return wire.ResetResponse(episode_id=episode.episode_id, task=task.to_public(), observation=observation)

    async def Step(self, request: wire.StepRequest, context: Context) -> wire.StepResponse:
        """Grades a fix in an episode, once for each request_id."""
        return await self._step(request, self._timeout(context))

    async def StepStream(
        self, request_iterator: AsyncIterator[wire.StepStreamRequest], context: Context
    ) -> AsyncIterator[wire.StepStreamResponse]:
        """Grades fixes of many episodes; each answer is sent as it is ready."""
        async with aclosing(answer_steps(request_iterator, self._step_of(context))) as responses:
            async for response in responses:
                yield response

    def _step_of(self, context: Context) -> Handle:
        return lambda request: self._step(request, self._timeout(context))

    async def _step(self, request: wire.StepRequest, timeout: float) -> wire.StepResponse:
        check_id(request.episode_id, "episode_id")
        check_id(request.request_id, "request_id")
        check_source(request.proposed_fix, "proposed_fix")
        check_id(request.method, "method", required=False, most=_MAX_METHOD)
        asked = Asked(request.episode_id, request.request_id, request.proposed_fix, request.method)
        ids = {"codearena.episode_id": request.episode_id, "codearena.request_id": request.request_id}
        with tracing.span("step", **ids):
            return await self._episodes.step(asked, timeout)

    async def GetState(self, request: wire.GetStateRequest, context: Context) -> wire.GetStateResponse:
        """Returns an episode as it stands."""
        check_id(request.episode_id, "episode_id")
        episode, task, observation = await self._episodes.state(request.episode_id, self._timeout(context))
        response = wire.GetStateResponse(
            episode_id=episode.episode_id,
            task_id=task.id,
            difficulty=task.difficulty.to_proto(),
            run_id=episode.run_id,
            done=episode.done,
            best_reward=episode.best_reward,
            observation=observation,
        )
        response.create_time.FromDatetime(episode.created)
        return response

    async def CloseEpisode(self, request: wire.CloseEpisodeRequest, context: Context) -> wire.CloseEpisodeResponse:
        """Ends an episode."""
        check_id(request.episode_id, "episode_id")
        await self._episodes.close(request.episode_id)
        return wire.CloseEpisodeResponse()

    async def Grade(self, request: wire.GradeRequest, context: Context) -> wire.GradeResponse:
        """Grades one fix without an episode."""
        check_task_id(request.task_id, "task_id")
        check_id(request.run_id, "run_id", required=False)
        check_source(request.code, "code")
        task = self._task(request.task_id)
        terms = await self._terms(request, self._timeout(context))
        graded = await self._grading.grade(task, request.code, terms)
        return wire.GradeResponse(grade=self._grading.grade_alone(task, graded, terms.profile))

    async def GradeGroup(
        self, request: wire.GradeGroupRequest, context: Context
    ) -> AsyncIterator[wire.GradeGroupResponse]:
        """Grades several fixes of one task; each answer is sent as it is ready."""
        check_task_id(request.task_id, "task_id")
        check_id(request.run_id, "run_id", required=False)
        if not 1 <= len(request.codes) <= _MAX_GROUP:
            raise invalid(reasons.ERROR_REASON_INVALID_FIELD, "codes", f"must be 1 to {_MAX_GROUP} sources")
        task = self._task(request.task_id)
        terms = await self._terms(request, self._group_timeout(context, len(request.codes)), len(request.codes))
        async with aclosing(self._groups.grade(task, list(request.codes), terms)) as responses:
            async for response in responses:
                yield response

    async def ProposeFix(self, request: wire.ProposeFixRequest, context: Context) -> wire.ProposeFixResponse:
        """Proposes a repair for an episode or a piece of code."""
        timeout = self._timeout(context)
        if request.WhichOneof("subject") == "episode_id":
            check_id(request.episode_id, "episode_id")
            subject = await self._episodes.subject(request.episode_id, timeout)
        else:
            check_source(request.code, "code")
            check_text(request.error_log, "error_log", _MAX_LOG_BYTES)
            check_text(request.description, "description", _MAX_LOG_BYTES)
            check_id(request.run_id, "run_id", required=False)
            subject = judge_service_pb2.JudgeServiceProposeFixRequest(
                code=request.code,
                error_log=request.error_log,
                description=request.description,
                run_id=request.run_id,
            )
        proposal = await self._peers.propose_fix(subject, timeout)
        return wire.ProposeFixResponse(
            code=proposal.code,
            method=proposal.method,
            explanations=proposal.explanations,
            attempts=proposal.attempts,
            diff=proposal.diff,
            usage=proposal.usage,
        )

    async def ReviewFix(self, request: wire.ReviewFixRequest, context: Context) -> wire.ReviewFixResponse:
        """Asks the judge for its opinion of a fix."""
        response = await self._peers.judge(self._question(request), self._timeout(context))
        return wire.ReviewFixResponse(opinion=response.opinion)

    def _question(self, request: wire.ReviewFixRequest) -> judge_service_pb2.JudgeRequest:
        """Returns what the judge is asked: about a fix of a task, or of what the request describes."""
        check_source(request.code, "code")
        check_id(request.run_id, "run_id", required=False)
        check_text(request.description, "description", _MAX_LOG_BYTES)
        check_text(request.buggy_code, "buggy_code", MAX_SOURCE_BYTES)
        check_text(request.reference_code, "reference_code", MAX_SOURCE_BYTES)
        if not request.task_id:
            return judge_service_pb2.JudgeRequest(
                code=request.code,
                description=request.description,
                buggy_code=request.buggy_code,
                reference_code=request.reference_code,
                run_id=request.run_id,
            )
        check_task_id(request.task_id, "task_id")
        if request.description or request.buggy_code or request.reference_code:
            raise invalid(reasons.ERROR_REASON_INVALID_FIELD, "task_id", "comes with a description of its own")
        return judge_request(self._task(request.task_id), request.code, request.run_id)

    async def RunCode(self, request: wire.RunCodeRequest, context: Context) -> wire.RunCodeResponse:
        """Runs any code in a sandbox and reads its complexity."""
        check_source(request.code, "code")
        check_text(request.stdin, "stdin", MAX_STDIN_BYTES)
        job = executor.ExecutorServiceRunCodeRequest(code=request.code, stdin=request.stdin)
        reading = asyncio.create_task(self._reader.analyse(request.code))
        try:
            result = await self._peers.run_code(job, self._timeout(context))
            analysis = await reading
        finally:
            reading.cancel()
        return wire.RunCodeResponse(
            outcome=result.outcome,
            stdout=result.stdout,
            stderr=result.stderr,
            exit_code=result.exit_code if result.HasField("exit_code") else None,
            usage=result.usage,
            violations=result.violations,
            complexity=analysis.to_proto(),
        )

    async def ListTasks(self, request: wire.ListTasksRequest, context: Context) -> wire.ListTasksResponse:
        """Lists the catalogue."""
        check_text(request.category, "category", 200)
        try:
            difficulty = Difficulty.from_proto(request.difficulty)
        except ValueError as error:
            raise invalid(reasons.ERROR_REASON_INVALID_FIELD, "difficulty", "is none of the enum's values") from error
        split = read_split(request.split)
        try:
            page = self._catalogue.page(request.category, difficulty, request.page_size, request.page_token, split)
        except InvalidPageTokenError as error:
            raise invalid(reasons.ERROR_REASON_INVALID_PAGE_TOKEN, "page_token", str(error)) from error
        except ValueError as error:
            raise invalid(reasons.ERROR_REASON_INVALID_FIELD, "page_size", str(error)) from error
        return wire.ListTasksResponse(
            tasks=[task.to_public() for task in page.tasks], next_page_token=page.next_token, total_count=page.total
        )

    async def GetTask(self, request: wire.GetTaskRequest, context: Context) -> wire.GetTaskResponse:
        """Returns one task."""
        check_task_id(request.task_id, "task_id")
        return wire.GetTaskResponse(task=self._task(request.task_id).to_public())

    async def _terms(
        self, request: wire.GradeRequest | wire.GradeGroupRequest, timeout: float, count: int = 1
    ) -> Terms:
        """Returns on what terms a run has fixes graded, if its quota allows."""
        profile = check_profile(request.reward_profile, "reward_profile")
        _check_seed(request.seed)
        with store_errors():
            run = await self._quotas.grade(request.run_id, count)
        return Terms(timeout, request.run_id, request.fresh, profile, run.weight, request.seed)

    def _task(self, task_id: str) -> Task:
        with unknown_tasks():
            return self._catalogue.get(task_id)

    def _timeout(self, context: Context) -> float:
        """Returns the seconds until the caller's deadline, or until ours if it set none."""
        remaining = context.time_remaining()
        return self._default_timeout if remaining is None else min(remaining, self._default_timeout)

    def _group_timeout(self, context: Context, count: int) -> float:
        """Returns the same for a group: without a deadline, as long as its fixes may take one after the other."""
        longest = self._default_timeout * count
        remaining = context.time_remaining()
        return longest if remaining is None else min(remaining, longest)


def _check_seed(seed: int) -> None:
    """Raises StatusError INVALID_ARGUMENT for a seed that is negative."""
    if not 0 <= seed <= _MAX_SEED:
        raise invalid(reasons.ERROR_REASON_INVALID_FIELD, "seed", "must not be negative")
