"""What a model is asked, and what an answer costs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")
_MILLION = 1_000_000


@dataclass(frozen=True)
class Price:
    """What a model costs.

    Attributes:
        prompt: US dollars for a million tokens that are sent.
        completion: US dollars for a million tokens that are answered.
    """

    prompt: float = 0.0
    completion: float = 0.0

    def usage(self, prompt_tokens: int, completion_tokens: int) -> Usage:
        """Returns what a call with so many tokens costs."""
        cost = (prompt_tokens * self.prompt + completion_tokens * self.completion) / _MILLION
        return Usage(prompt_tokens, completion_tokens, cost)


FREE = Price()


@dataclass(frozen=True)
class Question(Generic[T]):
    """What a model is asked.

    Attributes:
        system: The instructions.
        message: The data.
        read: Makes a value of the answer's text, or raises ModelFailed.
        schema: JSON schema of the answer, with a "title". A server that refuses schemas is asked without one, so
            the answer must be checked all the same.
        seed: For a server that draws.
    """

    system: str
    message: str
    read: Callable[[str], T]
    schema: Mapping[str, object] | None = None
    seed: int = 0


@dataclass(frozen=True)
class Usage:
    """What answers cost.

    Attributes:
        prompt_tokens: Sent.
        completion_tokens: Received.
        cost_usd: US dollars.
    """

    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost_usd: float = 0.0

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
            self.cost_usd + other.cost_usd,
        )


NO_USAGE = Usage()


@dataclass(frozen=True)
class Answered(Generic[T]):
    """An answer, and what it cost."""

    value: T
    usage: Usage = NO_USAGE
