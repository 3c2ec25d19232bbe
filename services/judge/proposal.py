"""What a repair is asked for with, and what comes back."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from services.judge.question import NO_USAGE, Usage

BUILTIN = "builtin"
OK = "ok"


class Declined(StrEnum):
    """Why a provider that did not fail has no proposal all the same."""

    NO_CHANGE = "no_change"
    """It proposes the code that it was given."""
    REPEAT = "repeat"
    """It proposes an earlier attempt."""
    NO_TIME = "no_time"
    """It was not asked, as the caller's time was up."""


@dataclass(frozen=True)
class Request:
    """What a proposal is asked for.

    Attributes:
        code: The code to repair: hostile text.
        error_log: What is known of its failure.
        description: What it should do.
        previous_attempts: Earlier attempts, oldest first.
        last_reward: Reward of the last attempt, in [0, 1], if there was one.
        run_id: The training run whose budget it counts for; "" for none.
        best_known_code: The best fix that is known; "" without one, or where no memory was asked for.
        best_known_reward: Its reward, in [0, 1].
    """

    code: str
    error_log: str = ""
    description: str = ""
    previous_attempts: tuple[str, ...] = ()
    last_reward: float | None = None
    run_id: str = ""
    best_known_code: str = ""
    best_known_reward: float = 0.0


@dataclass(frozen=True)
class Draft:
    """A program that a provider gave.

    Attributes:
        code: The program.
        explanations: One sentence for each change.
    """

    code: str
    explanations: tuple[str, ...] = ()


@dataclass(frozen=True)
class Attempt:
    """How a provider fared.

    Attributes:
        provider: Its name in the settings, or "builtin".
        model: Its model; "" for "builtin".
        outcome: "ok", a `FailureReason` or a `Declined`.
        seconds: Elapsed time.
    """

    provider: str
    model: str
    outcome: str
    seconds: float


@dataclass(frozen=True)
class Proposal:
    """A repaired program.

    Attributes:
        code: The program; equal to the request's if nothing was found.
        method: "builtin" or the model's name.
        explanations: One sentence for each change.
        attempts: Who was asked, in that order; the last one answered.
        diff: Unified diff from the request's code; "" if they are equal.
        usage: What it cost, with the answers that were not taken.
    """

    code: str
    method: str
    explanations: tuple[str, ...]
    attempts: tuple[Attempt, ...] = ()
    diff: str = ""
    usage: Usage = NO_USAGE
