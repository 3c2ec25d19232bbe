"""OpenEnv's WebSocket protocol without any socket: what is sent, and what an answer means."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, TypeVar

from codearena._enums import Difficulty, JudgeSource, Outcome
from codearena._errors import (
    ArenaError,
    EpisodeDoneError,
    ErrorReason,
    InternalError,
    InvalidArgumentError,
    NotFoundError,
    QueueFullError,
    UnavailableError,
)
from codearena._models import Attempt, RewardBreakdown, TestResult, VisibleTest

_E = TypeVar("_E", Outcome, Difficulty, JudgeSource)
_REASON = re.compile(r" \[([A-Z_]+)\]$")
_BY_REASON: Mapping[str, type[ArenaError]] = {
    ErrorReason.EPISODE_DONE: EpisodeDoneError,
    ErrorReason.TASK_NOT_FOUND: NotFoundError,
    ErrorReason.EPISODE_NOT_FOUND: NotFoundError,
    ErrorReason.QUEUE_FULL: QueueFullError,
    ErrorReason.QUOTA_EXCEEDED: QueueFullError,
    ErrorReason.SANDBOX_UNAVAILABLE: UnavailableError,
    ErrorReason.EXECUTOR_UNAVAILABLE: UnavailableError,
    ErrorReason.JUDGE_UNAVAILABLE: UnavailableError,
    ErrorReason.STORE_UNAVAILABLE: UnavailableError,
    ErrorReason.SHUTTING_DOWN: UnavailableError,
    "UNAVAILABLE": UnavailableError,
}
_BY_CODE: Mapping[str, type[ArenaError]] = {
    "INVALID_JSON": InvalidArgumentError,
    "UNKNOWN_TYPE": InvalidArgumentError,
    "VALIDATION_ERROR": InvalidArgumentError,
    "CAPACITY_REACHED": QueueFullError,
}


@dataclass(frozen=True, slots=True)
class OpenEnvObservation:
    """What the agent sees.

    Attributes:
        episode_id: The episode.
        task_id: Its task.
        title: One line about it.
        description: What the code should do.
        category: Category of the task.
        difficulty: How hard it is.
        function_name: The function under repair.
        buggy_code: The code to repair.
        modules: Further modules by name, which the code may import.
        error_log: What went wrong: with the buggy code after a reset, with the last fix after a step.
        test_results: Of the last grading; empty after a reset.
        tests_passed: How many tests the last fix passed.
        tests_total: How many tests there are.
        visible_tests: The tests that are shown.
        previous_attempts: Oldest first.
        hint: Advice for the next attempt; may be empty.
        regression: What the last fix broke; empty if nothing.
        step: Steps taken so far.
        max_steps: Steps that the episode may take.
        outcome: What became of the last fix; None before the first one.
        breakdown: How the reward came about; None before the first step.
        judge_source: Who judged; UNSPECIFIED before the first step.
    """

    episode_id: str
    task_id: str
    title: str
    description: str
    category: str
    difficulty: Difficulty
    function_name: str
    buggy_code: str
    modules: Mapping[str, str]
    error_log: str
    test_results: tuple[TestResult, ...]
    tests_passed: int
    tests_total: int
    visible_tests: tuple[VisibleTest, ...]
    previous_attempts: tuple[Attempt, ...]
    hint: str
    regression: str
    step: int
    max_steps: int
    outcome: Outcome | None
    breakdown: RewardBreakdown | None
    judge_source: JudgeSource


@dataclass(frozen=True, slots=True)
class OpenEnvResult:
    """What a reset or a step led to.

    Attributes:
        observation: What the agent sees.
        reward: The reward of the step; None after a reset.
        done: Whether the episode is over.
    """

    observation: OpenEnvObservation
    reward: float | None
    done: bool


def request(kind: str, data: Mapping[str, object] | None = None) -> str:
    """Returns a message; what is None is left out."""
    message: dict[str, object] = {"type": kind}
    if data is not None:
        message["data"] = {name: value for name, value in data.items() if value is not None}
    return json.dumps(message)


def answered(raw: str | bytes) -> dict[str, Any]:
    """Returns the data of an answer.

    Raises:
        ArenaError: It says that something was not done; the class tells what to do about it.
    """
    try:
        message = json.loads(raw)
        kind, data = message["type"], message["data"]
    except (ValueError, KeyError, TypeError) as error:
        raise InternalError("the server answers what OpenEnv does not know") from error
    if kind != "error":
        return dict(data)
    text, code = str(data.get("message", "")), str(data.get("code", ""))
    found = _REASON.search(text)
    reason = found[1] if found else ""
    details = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in data.get("errors", ()))
    kind_of_error = _BY_REASON.get(reason) or _BY_CODE.get(code, ArenaError)
    plain = text[: found.start()] if found else text
    raise kind_of_error(f"{plain}: {details}" if details else plain, reason=reason or code)


def result(data: Mapping[str, Any]) -> OpenEnvResult:
    """Returns what a reset or a step led to.

    Raises:
        InternalError: The answer is not one of CodeArena's.
    """
    try:
        return OpenEnvResult(_observation(data["observation"]), data["reward"], bool(data["done"]))
    except (KeyError, TypeError, ValueError) as error:
        raise InternalError(f"this is no answer of CodeArena's OpenEnv server: {error!r}") from error


def _observation(seen: Mapping[str, Any]) -> OpenEnvObservation:
    breakdown = seen["reward_breakdown"]
    return OpenEnvObservation(
        **{name: seen[name] for name in _PLAIN},
        difficulty=_member(Difficulty, seen["difficulty"]),
        test_results=tuple(
            TestResult(**{**_only(TestResult, each), "outcome": _member(Outcome, each["outcome"])})
            for each in seen["test_results"]
        ),
        visible_tests=tuple(VisibleTest(**_only(VisibleTest, each)) for each in seen["visible_tests"]),
        previous_attempts=tuple(
            Attempt(**{**_only(Attempt, each), "outcome": _member(Outcome, each["outcome"])})
            for each in seen["previous_attempts"]
        ),
        outcome=None if seen["outcome"] is None else _member(Outcome, seen["outcome"]),
        breakdown=None
        if breakdown is None
        else RewardBreakdown(
            breakdown["components"],
            breakdown["weights"],
            breakdown["penalties"],
            breakdown["profile"],
            breakdown["reasons"],
            breakdown["contributions"],
        ),
        judge_source=_member(JudgeSource, seen["judge_source"]),
    )


_PLAIN = (
    *("episode_id", "task_id", "title", "description", "category", "function_name", "buggy_code", "modules"),
    *("error_log", "tests_passed", "tests_total", "hint", "regression", "step", "max_steps"),
)


def _only(kind: Any, data: Mapping[str, Any]) -> dict[str, Any]:  # noqa: ANN401 - a dataclass
    return {name: data[name] for name in (each.name for each in fields(kind))}


def _member(kind: type[_E], value: object) -> _E:
    name = str(value).upper()
    return kind(name) if name in kind.__members__ else kind.UNSPECIFIED
