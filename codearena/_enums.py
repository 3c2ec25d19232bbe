"""The closed vocabularies of an arena.

A member `UNSPECIFIED` stands for a value that was not sent, or one that a newer arena sent and this SDK does not
know.
"""

from __future__ import annotations

from enum import StrEnum


class Outcome(StrEnum):
    """What became of a graded program. A failure of the arena itself is never an outcome: it is raised."""

    UNSPECIFIED = "UNSPECIFIED"
    PASSED = "PASSED"
    TESTS_FAILED = "TESTS_FAILED"
    COMPILE_ERROR = "COMPILE_ERROR"
    TIMED_OUT = "TIMED_OUT"
    OUT_OF_MEMORY = "OUT_OF_MEMORY"
    OUTPUT_LIMIT_EXCEEDED = "OUTPUT_LIMIT_EXCEEDED"
    CRASHED = "CRASHED"


class Difficulty(StrEnum):
    """How hard a task is."""

    UNSPECIFIED = "UNSPECIFIED"
    EASY = "EASY"
    MEDIUM = "MEDIUM"
    HARD = "HARD"
    EXPERT = "EXPERT"


class JudgeSource(StrEnum):
    """Who gave the judge's scores: a language model, or static analysis alone."""

    UNSPECIFIED = "UNSPECIFIED"
    LLM = "LLM"
    STATIC = "STATIC"


class SandboxBackend(StrEnum):
    """The kind of sandbox in which a program ran."""

    UNSPECIFIED = "UNSPECIFIED"
    DOCKER = "DOCKER"
    PROCESS = "PROCESS"
    KUBERNETES = "KUBERNETES"


class ServingStatus(StrEnum):
    """What a server says of its own health (`grpc.health.v1`)."""

    UNKNOWN = "UNKNOWN"
    SERVING = "SERVING"
    NOT_SERVING = "NOT_SERVING"
    SERVICE_UNKNOWN = "SERVICE_UNKNOWN"


class Feedback(StrEnum):
    """What a failing test reveals. A hidden test's input, expectation and answer are never shown.

    `FULL` shows visible tests in full and hidden ones each as passed or failed, `VISIBLE` of hidden ones only how
    many failed, and `COUNTS` nothing but how many tests passed.
    """

    FULL = "FULL"
    VISIBLE = "VISIBLE"
    COUNTS = "COUNTS"


class RewardMode(StrEnum):
    """What the reward of a step is.

    `ABSOLUTE` is that of the fix by itself. `IMPROVEMENT` is what it gains over the best one of the episode so far,
    at least 0; the sum over an episode is then the reward of its best fix, for trainers that sum the rewards of
    steps.
    """

    ABSOLUTE = "ABSOLUTE"
    IMPROVEMENT = "IMPROVEMENT"
