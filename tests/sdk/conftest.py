"""A scriptable peer for the SDK: a real gRPC server that speaks the arena's wire and grades nothing."""

import socket
import threading
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from codearena import ArenaClient
from codearena.v1 import core_pb2, env_service_pb2_grpc
from codearena.v1 import env_service_pb2 as pb


@dataclass
class Received:
    """A call as it arrived."""

    request: Any
    metadata: dict[str, str]
    seconds_left: float


@dataclass
class Failure:
    """How the next call of an RPC is to fail."""

    code: grpc.StatusCode
    message: str = "scripted"
    reason: str = ""
    domain: str = "codearena"
    metadata: dict[str, str] = field(default_factory=dict)
    retry_after_nanos: int | None = None

    def trailer(self) -> bytes:
        status = status_pb2.Status(code=self.code.value[0], message=self.message)
        status.details.add().Pack(error_details_pb2.Help())  # of a type that the SDK does not read
        if self.reason:
            info = error_details_pb2.ErrorInfo(reason=self.reason, domain=self.domain, metadata=self.metadata)
            status.details.add().Pack(info)
        if self.retry_after_nanos is not None:
            retry = error_details_pb2.RetryInfo()
            retry.retry_delay.FromNanoseconds(self.retry_after_nanos)
            status.details.add().Pack(retry)
        return status.SerializeToString()


class FakeArena(env_service_pb2_grpc.EnvServiceServicer):
    """Answers every RPC with a response that can be replaced, or with failures that are queued."""

    def __init__(self) -> None:
        self.received: dict[str, list[Received]] = defaultdict(list)
        self.failures: dict[str, deque[Failure]] = defaultdict(deque)
        self.responses: dict[str, Callable[[Any], Any]] = {}
        self.arrived: dict[str, threading.Event] = defaultdict(threading.Event)
        self.release = threading.Event()
        self.stalled: set[str] = set()
        self.address = ""
        self.health = health.HealthServicer()
        self.health.set("", health_pb2.HealthCheckResponse.SERVING)

    def requests(self, rpc: str) -> list[Any]:
        return [call.request for call in self.received[rpc]]

    def fail(self, rpc: str, code: grpc.StatusCode, *, times: int = 1, **details: Any) -> None:
        self.failures[rpc].extend([Failure(code, **details)] * times)

    def answer(self, rpc: str, request: Any, context: grpc.ServicerContext) -> Any:
        metadata = {key: value for key, value in context.invocation_metadata() if isinstance(value, str)}
        self.received[rpc].append(Received(request, metadata, context.time_remaining()))
        self.arrived[rpc].set()
        if rpc in self.stalled:
            self.release.wait(timeout=30)
        if self.failures[rpc]:
            failure = self.failures[rpc].popleft()
            context.set_trailing_metadata((("grpc-status-details-bin", failure.trailer()),))
            context.abort(failure.code, failure.message)
        return self.responses.get(rpc, DEFAULTS[rpc])(request)


def _streaming(rpc: str) -> Callable[..., Any]:
    def handler(self, request, context):
        yield from self.answer(rpc, request, context)

    return handler


def _unary(rpc: str) -> Callable[..., Any]:
    return lambda self, request, context: self.answer(rpc, request, context)


def a_task(task_id: str = "easy-1", difficulty: str = "DIFFICULTY_EASY") -> pb.Task:
    return pb.Task(
        task_id=task_id,
        title="Count",
        description="Count vowels.",
        category="easy",
        difficulty=difficulty,
        buggy_code="def count(s): return 0\n",
        function_name="count",
        visible_tests=[pb.VisibleTest(name="one", call="count('a')", expected="1")],
        hidden_test_count=4,
        modules={"vowels": "VOWELS = 'aeiou'\n"},
        split="train",
    )


def an_observation(step: int = 0) -> pb.Observation:
    return pb.Observation(
        buggy_code="def count(s): return 0\n",
        error_log="one: expected 1, got 0",
        hint="look at the loop",
        step=step,
        max_steps=5,
        description="Count vowels.",
    )


def a_grade(reward: float = 0.9, outcome: str = "OUTCOME_PASSED") -> pb.Grade:
    passed = outcome == "OUTCOME_PASSED"
    return pb.Grade(
        reward=reward,
        breakdown=core_pb2.RewardBreakdown(
            scores={"compile_score": 1.0, "test_pass_ratio": 1.0, "efficiency_score": 0.8},
            weights={"compile_score": 0.2, "test_pass_ratio": 0.5, "efficiency_score": 0.3},
            penalties={"step_penalty": 0.04, "repeat_penalty": 0.0},
            profile="default",
            reasons={"compile_score": "It loads."},
        ),
        outcome=outcome,
        passed_test_count=5 if passed else 2,
        total_test_count=5,
        error_log="" if passed else "two: expected 2, got 0",
        test_results=[
            core_pb2.TestResult(
                name="one",
                passed=True,
                call="count('a')",
                expected="1",
                actual="1",
                outcome="OUTCOME_PASSED",
                cpu_time=Duration(seconds=1, nanos=500_000_000),
            )
        ],
        judge_source="JUDGE_SOURCE_STATIC",
        violations=core_pb2.Violations(refused_syscalls=["ptrace"], refused_syscall_count=3),
        usage=core_pb2.ResourceUsage(
            cpu_time=Duration(nanos=250_000_000), wall_time=Duration(seconds=2), peak_memory_bytes=4096
        ),
        backend="SANDBOX_BACKEND_PROCESS",
        complexity=core_pb2.ComplexityEstimate(time_complexity="O(n)"),
        efficiency=core_pb2.EfficiencyReport(score=0.8, cpu_ratio=1.5, reason="close") if passed else None,
    )


def a_step(request: pb.StepRequest) -> pb.StepResponse:
    return pb.StepResponse(observation=an_observation(step=1), grade=a_grade(), done=request.proposed_fix == "done")


def a_memory(task_id: str = "easy-1", reward: float = 0.98) -> pb.Memory:
    return pb.Memory(
        task_id=task_id,
        code="def count(s): return len(s)\n",
        reward=reward,
        time_complexity="O(n)",
        episode_id="ep_1",
        create_time=Timestamp(seconds=1_700_000_000),
    )


def a_run(run_id: str = "grpo-12") -> pb.Run:
    return pb.Run(
        run_id=run_id,
        weight=2.5,
        max_open_episodes=500,
        episode_count=9,
        open_episode_count=2,
        step_count=21,
        mean_reward=0.61,
        last_active_time=Timestamp(seconds=1_700_000_000),
    )


def a_record(step: int = 1) -> pb.ExportStepsResponse:
    return pb.ExportStepsResponse(
        episode_id="ep_1",
        run_id="grpo-12",
        task_id="easy-1",
        category="easy",
        difficulty="DIFFICULTY_EASY",
        step=step,
        reward=0.5,
        outcome="OUTCOME_TESTS_FAILED",
        passed_test_count=2,
        repeated=True,
        time_complexity="O(n)",
        method="builtin",
        solved=True,
        create_time=Timestamp(seconds=1_700_000_000, nanos=250_000_000),
        proposed_fix='def count(s):\n    return ","\n',
    )


def a_rescored(step: int = 1, old: float = 0.5, **result: Any) -> pb.RescoreEpisodesResponse:
    return pb.RescoreEpisodesResponse(episode_id="ep_1", step=step, task_id="easy-1", old_reward=old, **result)


def an_answer(step: pb.StepRequest, **result: Any) -> pb.StepStreamResponse:
    result = result or {"response": a_step(step)}
    return pb.StepStreamResponse(episode_id=step.episode_id, request_id=step.request_id, **result)


def some_stats(request: pb.GetStatsRequest) -> pb.GetStatsResponse:
    full = pb.StatsRow(
        key="all",
        episode_count=9,
        step_count=21,
        mean_reward=0.61,
        solve_rate=0.75,
        mean_steps_to_solve=2.25,
        repeat_rate=0.1,
    )
    by_steps = pb.StatsRow(key="O(n)", episode_count=4, step_count=7, mean_reward=0.7, repeat_rate=0.0)
    return pb.GetStatsResponse(
        tables=[
            pb.StatsTable(name="all", rows=[full]),
            pb.StatsTable(name="task", rows=[pb.StatsRow(key="easy-1", episode_count=1, step_count=3)]),
            pb.StatsTable(name="complexity", rows=[by_steps]),
        ]
    )


DEFAULTS: dict[str, Callable[[Any], Any]] = {
    "Reset": lambda request: pb.ResetResponse(
        episode_id="ep_1", task=a_task(request.task_id), observation=an_observation()
    ),
    "Step": a_step,
    "GetState": lambda request: pb.GetStateResponse(
        episode_id=request.episode_id,
        task_id="easy-1",
        difficulty="DIFFICULTY_EASY",
        best_reward=0.5,
        observation=an_observation(step=2),
        create_time=Timestamp(seconds=1_700_000_000),
    ),
    "CloseEpisode": lambda request: pb.CloseEpisodeResponse(),
    "Grade": lambda request: pb.GradeResponse(grade=a_grade()),
    "GradeGroup": lambda request: (
        pb.GradeGroupResponse(index=index, grade=a_grade(reward=index / 10))
        for index in reversed(range(len(request.codes)))
    ),
    "ProposeFix": lambda request: pb.ProposeFixResponse(
        code=request.code + "# fixed\n", method="builtin", explanations=["a loop"]
    ),
    "ReviewFix": lambda request: pb.ReviewFixResponse(
        opinion=core_pb2.Opinion(
            security=0.9,
            quality=0.8,
            security_reason="It is safe.",
            provenance=core_pb2.JudgeProvenance(
                source="JUDGE_SOURCE_LLM",
                model="m",
                prompt_digest="0123456789abcdef",
                answer_count=3,
                spread=0.1,
                usage=core_pb2.ModelUsage(prompt_tokens=90, completion_tokens=10, cost_usd=0.5),
            ),
        )
    ),
    "RunCode": lambda request: pb.RunCodeResponse(outcome="OUTCOME_PASSED", stdout=request.stdin.upper(), exit_code=0),
    "ListTasks": lambda request: pb.ListTasksResponse(tasks=[a_task()], total_count=1),
    "GetTask": lambda request: pb.GetTaskResponse(task=a_task(request.task_id)),
    "StepStream": lambda requests: (an_answer(request.step) for request in requests),
    "GetCurriculum": lambda request: pb.GetCurriculumResponse(
        level="DIFFICULTY_MEDIUM",
        levels=["DIFFICULTY_EASY", "DIFFICULTY_MEDIUM", "DIFFICULTY_HARD"],
        window=[0.5, 0.75],
        mean_reward=0.625,
        episode_count=22,
        moves=[
            pb.CurriculumMove(
                episode=20,
                from_level="DIFFICULTY_EASY",
                to_level="DIFFICULTY_MEDIUM",
                mean_reward=0.85,
                reason="The mean was over 0.80.",
            )
        ],
        explanation="Medium; a mean over 0.80 raises it.",
    ),
    "ListMemories": lambda request: pb.ListMemoriesResponse(memories=[a_memory(request.task_id or "easy-1")]),
    "ImportMemories": lambda request: pb.ImportMemoriesResponse(imported_count=len(request.memories)),
    "GetStats": some_stats,
    "ListRuns": lambda request: pb.ListRunsResponse(runs=[a_run(), pb.Run(run_id="new", weight=1)]),
    "UpdateRun": lambda request: pb.UpdateRunResponse(run=a_run(request.run_id)),
    "RescoreEpisodes": lambda request: [
        a_rescored(1, new_reward=0.5),
        a_rescored(2, new_reward=0.75),
        a_rescored(3, old=0.9, new_reward=0.0),
    ],
    "ExportSteps": lambda request: [a_record(1), a_record(2)],
}
_STREAMING = {"GradeGroup", "StepStream", "RescoreEpisodes", "ExportSteps"}

for _name in DEFAULTS:
    setattr(FakeArena, _name, _streaming(_name) if _name in _STREAMING else _unary(_name))


@pytest.fixture
def fake() -> Iterator[FakeArena]:
    """A fresh peer on a port of its own."""
    arena = FakeArena()
    server = grpc.server(
        ThreadPoolExecutor(max_workers=8), options=[("grpc.max_receive_message_length", 16 * 1024 * 1024)]
    )
    env_service_pb2_grpc.add_EnvServiceServicer_to_server(arena, server)
    health_pb2_grpc.add_HealthServicer_to_server(arena.health, server)
    arena.address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    try:
        yield arena
    finally:
        arena.release.set()
        server.stop(grace=None).wait()


@pytest.fixture
def client(fake: FakeArena) -> Iterator[ArenaClient]:
    """A client of the peer."""
    with ArenaClient(fake.address) as arena:
        yield arena


@pytest.fixture
def unused_address() -> str:
    """An address at which nothing answers."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


@pytest.fixture
def make() -> SimpleNamespace:
    """Builders of wire messages, with plausible content."""
    return SimpleNamespace(
        task=a_task,
        observation=an_observation,
        grade=a_grade,
        memory=a_memory,
        record=a_record,
        rescored=a_rescored,
        answer=an_answer,
    )
