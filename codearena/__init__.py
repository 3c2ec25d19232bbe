"""SDK of CodeArena, a reinforcement-learning environment for iterative code repair.

Open an episode, propose fixes, learn from the rewards::

    from codearena import ArenaClient

    with ArenaClient("127.0.0.1:50051") as arena:
        episode = arena.reset(task_id="hard-1", seed=7)
        result = episode.step("def max_subarray_sum(arr): ...")
        print(result.reward, dict(result.breakdown))

All that is public is in this module; modules with a leading underscore may change.
"""

from codearena._aio import AsyncArenaClient, AsyncEpisode
from codearena._channel import TLSConfig
from codearena._client import ArenaClient, Episode
from codearena._errors import (
    ArenaError,
    CallCancelledError,
    DeadlineExceededError,
    EpisodeDoneError,
    ErrorReason,
    FailedPreconditionError,
    InternalError,
    InvalidArgumentError,
    NotFoundError,
    PermissionDeniedError,
    QueueFullError,
    RetryableError,
    UnauthenticatedError,
    UnavailableError,
    UnimplementedError,
)
from codearena._models import (
    Attempt,
    Complexity,
    Difficulty,
    Efficiency,
    EpisodeState,
    Grade,
    JudgeSource,
    Observation,
    Outcome,
    Proposal,
    ResourceUsage,
    RewardBreakdown,
    RunResult,
    SandboxBackend,
    ServingStatus,
    StepResult,
    Task,
    TestResult,
    Violations,
    VisibleTest,
)

__all__ = [
    "ArenaClient",
    "ArenaError",
    "AsyncArenaClient",
    "AsyncEpisode",
    "Attempt",
    "CallCancelledError",
    "Complexity",
    "DeadlineExceededError",
    "Difficulty",
    "Efficiency",
    "Episode",
    "EpisodeDoneError",
    "EpisodeState",
    "ErrorReason",
    "FailedPreconditionError",
    "Grade",
    "InternalError",
    "InvalidArgumentError",
    "JudgeSource",
    "NotFoundError",
    "Observation",
    "Outcome",
    "PermissionDeniedError",
    "Proposal",
    "QueueFullError",
    "ResourceUsage",
    "RetryableError",
    "RewardBreakdown",
    "RunResult",
    "SandboxBackend",
    "ServingStatus",
    "StepResult",
    "TLSConfig",
    "Task",
    "TestResult",
    "UnauthenticatedError",
    "UnavailableError",
    "UnimplementedError",
    "Violations",
    "VisibleTest",
]
