"""The calls of the arena as values: request, how to read the response, and the default deadline.

Those about training runs are in `_run_calls`.

Sync and async clients differ only in how they send a `Call`; what is sent and what becomes of it is here.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any, Final, Generic, TypeAlias, TypeVar, cast
from uuid import uuid4

import grpc
from google.protobuf.message import Message

from codearena import _checks, _convert, _wire
from codearena._channel import MAX_MESSAGE_BYTES
from codearena._enums import Difficulty, Feedback, RewardMode, ServingStatus
from codearena._errors import ArenaError, InternalError
from codearena._judge_models import Proposal, Review
from codearena._models import (
    EpisodeState,
    Grade,
    Observation,
    RunResult,
    StepResult,
    Task,
)
from codearena.v1 import core_pb2
from codearena.v1 import env_service_pb2 as pb
from codearena.v1.env_service_pb2_grpc import EnvServiceStub

SHORT_SECONDS: Final = 30.0
GRADE_SECONDS: Final = 120.0
GROUP_SECONDS: Final = 600.0
STREAM_SECONDS: Final = 86_400.0
CLOSE_SECONDS: Final = 5.0
INT32_MAX: Final = 2**31 - 1

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Call(Generic[T_co]):
    """One call.

    Attributes:
        method: Name of the RPC.
        request: What to send.
        decode: Turns the response, or each item of a stream, into a model.
        timeout_seconds: The default deadline.
    """

    method: str
    request: Message
    decode: Callable[[Any], T_co]
    timeout_seconds: float = SHORT_SECONDS

    def __post_init__(self) -> None:
        if self.request.ByteSize() > MAX_MESSAGE_BYTES:
            raise _checks.invalid("request", f"is over {MAX_MESSAGE_BYTES} bytes: send smaller groups")


GroupItem: TypeAlias = tuple[int, Grade | ArenaError]


class MissingItems:
    """Which items of a group have not arrived. A gap must never be read as a reward."""

    def __init__(self, call: Call[GroupItem]) -> None:
        self._indexes = set(range(len(cast("pb.GradeGroupRequest", call.request).codes)))

    def arrived(self, item: GroupItem) -> GroupItem:
        """Notes an item and returns it.

        Raises:
            InternalError: It arrived before, or was not asked for.
        """
        index = item[0]
        if index not in self._indexes:
            raise InternalError(f"item {index} of the group came twice or was not asked for")
        self._indexes.remove(index)
        return item

    def check(self) -> None:
        """Raises an InternalError if the group ended before every item had arrived."""
        if self._indexes:
            raise InternalError(f"the group ended without the items {sorted(self._indexes)}")


@dataclass(frozen=True, slots=True)
class Opened:
    """A freshly opened episode."""

    episode_id: str
    task: Task
    observation: Observation


@dataclass(frozen=True, slots=True)
class Page(Generic[T_co]):
    """One page of a list, and the token of the next one, which is empty on the last."""

    items: tuple[T_co, ...]
    next_token: str


class Stubs:
    """The RPCs of a channel by name, of the env service and of the health service."""

    def __init__(self, channel: grpc.Channel | grpc.aio.Channel) -> None:
        self._env = EnvServiceStub(channel)
        self._health = channel.unary_unary(
            "/grpc.health.v1.Health/Check",
            request_serializer=_wire.encode,
            response_deserializer=lambda data: _wire.decode("HealthCheckResponse", data).status,
        )

    def rpc(self, method: str) -> Callable[..., Any]:
        """Returns what sends the RPC."""
        rpc: Callable[..., Any] = self._health if method == "Check" else getattr(self._env, method)
        return rpc


def episode_options(
    feedback: Feedback | str | None,
    hints: bool,
    reward_mode: RewardMode | str | None,
    reward_profile: str,
    offer_memory: bool,
    memory_namespace: str,
) -> pb.EpisodeOptions:
    """Returns how an episode is to be played; what is None is left to the arena."""
    options = pb.EpisodeOptions(
        no_hints=not _checks.flag("hints", hints),
        reward_profile=_checks.text("reward_profile", reward_profile),
        offer_memory=_checks.flag("offer_memory", offer_memory),
        memory_namespace=_checks.text("memory_namespace", memory_namespace),
    )
    if feedback is not None:
        policy = _checks.member("feedback", Feedback, feedback)
        options.feedback = pb.FeedbackPolicy.Value(f"FEEDBACK_POLICY_{policy.name}")
    if reward_mode is not None:
        mode = _checks.member("reward_mode", RewardMode, reward_mode)
        options.reward_mode = pb.RewardMode.Value(f"REWARD_MODE_{mode.name}")
    return options


def reset(task_id: str, seed: int | None, run_id: str, options: pb.EpisodeOptions, split: str) -> Call[Opened]:
    """Opens an episode."""
    name = task_id.value.lower() if isinstance(task_id, Difficulty) else _checks.text("task_id", task_id)
    request = pb.ResetRequest(
        task_id=name,
        seed=None if seed is None else _checks.integer("seed", seed),
        run_id=_checks.text("run_id", run_id),
        options=options if options.ByteSize() else None,
        split=_checks.text("split", split),
    )
    return Call("Reset", request, _opened)


def step(episode_id: str, fix: str, request_id: str | None, method: str) -> Call[StepResult]:
    """Grades a fix in an episode, under an id of its own unless one is given."""
    request = pb.StepRequest(
        episode_id=_checks.text("episode_id", episode_id),
        proposed_fix=_checks.text("fix", fix),
        request_id=uuid4().hex if request_id is None else _checks.text("request_id", request_id),
        method=_checks.text("method", method),
    )
    return Call("Step", request, _convert.step_result, GRADE_SECONDS)


def get_state(episode_id: str) -> Call[EpisodeState]:
    """Asks for an episode as it stands."""
    request = pb.GetStateRequest(episode_id=_checks.text("episode_id", episode_id))
    return Call("GetState", request, _convert.episode_state)


def close_episode(episode_id: str) -> Call[None]:
    """Ends an episode."""
    request = pb.CloseEpisodeRequest(episode_id=_checks.text("episode_id", episode_id))
    return Call("CloseEpisode", request, _nothing)


def grade(task_id: str, code: str, run_id: str, fresh: bool, reward_profile: str, seed: int) -> Call[Grade]:
    """Grades one fix without an episode."""
    request = pb.GradeRequest(
        task_id=_checks.text("task_id", task_id),
        code=_checks.text("code", code),
        run_id=_checks.text("run_id", run_id),
        fresh=_checks.flag("fresh", fresh),
        reward_profile=_checks.text("reward_profile", reward_profile),
        seed=_checks.integer("seed", seed),
    )
    return Call("Grade", request, _convert.graded, GRADE_SECONDS)


def grade_group(
    task_id: str, codes: object, run_id: str, fresh: bool, reward_profile: str, seed: int
) -> Call[GroupItem]:
    """Grades a group of fixes; the response is a stream."""
    request = pb.GradeGroupRequest(
        task_id=_checks.text("task_id", task_id),
        codes=_checks.texts("codes", codes),
        run_id=_checks.text("run_id", run_id),
        fresh=_checks.flag("fresh", fresh),
        reward_profile=_checks.text("reward_profile", reward_profile),
        seed=_checks.integer("seed", seed),
    )
    return Call("GradeGroup", request, _convert.group_item, GROUP_SECONDS)


def propose_fix(
    code: str | None, error_log: str, episode_id: str | None, description: str, run_id: str
) -> Call[Proposal]:
    """Asks for a repair of some code, or of the last fix of an episode."""
    if (code is None) == (episode_id is None):
        raise TypeError("give either code or episode_id")
    request = pb.ProposeFixRequest(
        error_log=_checks.text("error_log", error_log),
        description=_checks.text("description", description),
        run_id=_checks.text("run_id", run_id),
    )
    if episode_id is not None:
        request.episode_id = _checks.text("episode_id", episode_id)
    else:
        request.code = _checks.text("code", code)
    return Call("ProposeFix", request, _convert.proposal, GRADE_SECONDS)


def review_fix(
    code: str, task_id: str, description: str, buggy_code: str, reference_code: str, run_id: str
) -> Call[Review]:
    """Asks the judge for its opinion of a fix."""
    request = pb.ReviewFixRequest(
        code=_checks.text("code", code),
        task_id=_checks.text("task_id", task_id),
        description=_checks.text("description", description),
        buggy_code=_checks.text("buggy_code", buggy_code),
        reference_code=_checks.text("reference_code", reference_code),
        run_id=_checks.text("run_id", run_id),
    )
    return Call("ReviewFix", request, _convert.review, GRADE_SECONDS)


def run_code(code: str, stdin: str) -> Call[RunResult]:
    """Runs a script."""
    request = pb.RunCodeRequest(code=_checks.text("code", code), stdin=_checks.text("stdin", stdin))
    return Call("RunCode", request, _convert.run_result, GRADE_SECONDS)


def list_tasks(category: str, difficulty: Difficulty | str | None, page_size: int, split: str) -> Call[Page[Task]]:
    """Asks for the first page of the catalogue."""
    request = pb.ListTasksRequest(
        page_size=_checks.integer("page_size", page_size, most=INT32_MAX),
        category=_checks.text("category", category),
        difficulty=core_pb2.Difficulty.Value(f"DIFFICULTY_{_difficulty(difficulty).name}"),
        split=_checks.text("split", split),
    )
    return Call("ListTasks", request, _page)


def next_page(call: Call[Page[T]], page: Page[T]) -> Call[Page[T]] | None:
    """Returns the call for the page after this one; None after the last.

    Raises:
        InternalError: The arena gave out the token of the page itself, which would never end.
    """
    if not page.next_token:
        return None
    request = cast("pb.ListTasksRequest", deepcopy(call.request))  # or another one with a page token
    if page.next_token == request.page_token:
        raise InternalError("the arena's list does not advance")
    request.page_token = page.next_token
    return replace(call, request=request)


def get_task(task_id: str) -> Call[Task]:
    """Asks for one task."""
    return Call("GetTask", pb.GetTaskRequest(task_id=_checks.text("task_id", task_id)), _task)


def health(service: str) -> Call[ServingStatus]:
    """Asks a server how it is."""
    request = _wire.new("HealthCheckRequest", service=_checks.text("service", service))
    return Call("Check", request, _convert.serving_status)


def _difficulty(value: Difficulty | str | None) -> Difficulty:
    if value is None:
        return Difficulty.UNSPECIFIED
    return _checks.member("difficulty", Difficulty, value)


def _opened(response: pb.ResetResponse) -> Opened:
    return Opened(response.episode_id, _convert.task(response.task), _convert.observation(response.observation))


def _page(response: pb.ListTasksResponse) -> Page[Task]:
    return Page(tuple(map(_convert.task, response.tasks)), response.next_page_token)


def _task(response: pb.GetTaskResponse) -> Task:
    return _convert.task(response.task)


def _nothing(_: pb.CloseEpisodeResponse) -> None:
    return None
