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
from codearena._enums import (
    Difficulty,
    Feedback,
    JudgeSource,
    Outcome,
    RewardMode,
    SandboxBackend,
    ServingStatus,
)
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
    QuotaExceededError,
    RetryableError,
    UnauthenticatedError,
    UnavailableError,
    UnimplementedError,
)
from codearena._judge_models import JudgeProvenance, ModelUsage, Proposal, ProviderAttempt, Review
from codearena._memory_file import MemoryFileError, read_memory_file, write_memory_file
from codearena._models import (
    REWARD_COMPONENTS,
    Attempt,
    Complexity,
    Efficiency,
    EpisodeState,
    Grade,
    Observation,
    ResourceUsage,
    RewardBreakdown,
    RunResult,
    StepResult,
    Task,
    TestResult,
    Violations,
    VisibleTest,
)
from codearena._run_models import (
    Curriculum,
    CurriculumMove,
    Memory,
    RescoredStep,
    Run,
    StatsRow,
    StepCall,
    StepRecord,
)

__all__ = [
    "REWARD_COMPONENTS",
    "ArenaClient",
    "ArenaError",
    "AsyncArenaClient",
    "AsyncEpisode",
    "Attempt",
    "CallCancelledError",
    "Complexity",
    "Curriculum",
    "CurriculumMove",
    "DeadlineExceededError",
    "Difficulty",
    "Efficiency",
    "Episode",
    "EpisodeDoneError",
    "EpisodeState",
    "ErrorReason",
    "FailedPreconditionError",
    "Feedback",
    "Grade",
    "InternalError",
    "InvalidArgumentError",
    "JudgeProvenance",
    "JudgeSource",
    "Memory",
    "MemoryFileError",
    "ModelUsage",
    "NotFoundError",
    "Observation",
    "Outcome",
    "PermissionDeniedError",
    "Proposal",
    "ProviderAttempt",
    "QueueFullError",
    "QuotaExceededError",
    "RescoredStep",
    "ResourceUsage",
    "RetryableError",
    "Review",
    "RewardBreakdown",
    "RewardMode",
    "Run",
    "RunResult",
    "SandboxBackend",
    "ServingStatus",
    "StatsRow",
    "StepCall",
    "StepRecord",
    "StepResult",
    "TLSConfig",
    "Task",
    "TestResult",
    "UnauthenticatedError",
    "UnavailableError",
    "UnimplementedError",
    "Violations",
    "VisibleTest",
    "read_memory_file",
    "write_memory_file",
]
