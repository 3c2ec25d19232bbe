"""What the judge and the fixer answer, as frozen dataclasses."""

from __future__ import annotations

from dataclasses import dataclass

from codearena._enums import JudgeSource


@dataclass(frozen=True, slots=True)
class ModelUsage:
    """What language models were asked and what that cost.

    Attributes:
        prompt_tokens: Tokens of what they were sent.
        completion_tokens: Tokens of what they answered.
        cost_usd: US dollars, by the prices that the judge was given; 0 without prices.
    """

    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost_usd: float = 0.0


@dataclass(frozen=True, slots=True)
class JudgeProvenance:
    """Where a judge's scores come from.

    Attributes:
        source: Who gave them.
        model: Model name, several joined by "+"; "" for the static judge.
        fallback_reason: Why the static judge answered although a model is configured, e.g. "timeout"; else "".
        prompt_digest: First 16 hex digits of the SHA-256 of the prompt with its rubric; "" for the static judge.
        answer_count: How many answers the scores are the median of; 0 for the static judge.
        spread: The largest difference between two answers in any score, in [0, 1].
        usage: What the opinion cost; nothing if an equal one was known or just being formed.
    """

    source: JudgeSource = JudgeSource.UNSPECIFIED
    model: str = ""
    fallback_reason: str = ""
    prompt_digest: str = ""
    answer_count: int = 0
    spread: float = 0.0
    usage: ModelUsage = ModelUsage()


@dataclass(frozen=True, slots=True)
class Review:
    """A judge's opinion of a fix that was not run. Scores in [0, 1], each with one sentence why.

    Attributes:
        correctness: None from the static judge: whether code is correct is then left to the tests.
        security: How little an attacker could do with it.
        quality: How well it is written.
        correctness_reason: Why.
        security_reason: Why.
        quality_reason: Why.
        provenance: Where the scores come from.
    """

    correctness: float | None
    security: float
    quality: float
    correctness_reason: str
    security_reason: str
    quality_reason: str
    provenance: JudgeProvenance


@dataclass(frozen=True, slots=True)
class ProviderAttempt:
    """How one provider of proposals fared.

    Attributes:
        provider: Its name in the arena's configuration, or "builtin".
        model: Its model; "" for "builtin".
        outcome: "ok", or why there is no proposal of it, e.g. "timeout", "no_change".
        seconds: How long it took.
    """

    provider: str
    model: str
    outcome: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Proposal:
    """A proposed repair.

    Attributes:
        code: The repaired code; the same as before if nothing was found.
        method: Who answered: "builtin" or the model's name.
        explanations: What was changed and why, one sentence for each change.
        attempts: The providers that were asked, in that order; the last one answered.
        diff: Unified diff from the code before to this one; "" if they are equal.
        usage: What the proposal cost.
    """

    code: str
    method: str
    explanations: tuple[str, ...]
    attempts: tuple[ProviderAttempt, ...] = ()
    diff: str = ""
    usage: ModelUsage = ModelUsage()
