"""What is judged, and what the judge says."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from services.judge.question import NO_USAGE, Usage


class Source(enum.Enum):
    """Who gave the scores."""

    LLM = "llm"
    STATIC = "static"


@dataclass(frozen=True)
class Subject:
    """A fix and what it should do.

    Attributes:
        code: The fix: hostile text.
        description: What the code should do, from the task.
        buggy_code: What the agent was given.
        reference_code: A good solution; "" for none.
        run_id: The training run whose budget the question counts for; "" for none.
    """

    code: str
    description: str = ""
    buggy_code: str = ""
    reference_code: str = ""
    run_id: str = ""


@dataclass(frozen=True)
class Opinion:
    """Scores in [0, 1], each with one sentence why.

    Attributes:
        correctness: None where the source is static: the tests tell.
        security: See `security` for the static formula.
        quality: See `quality` for the static formula.
        correctness_reason: One sentence.
        security_reason: One sentence.
        quality_reason: One sentence.
        source: Who answered.
        model: The model's name; "" for the static judge.
        fallback_reason: Why the static judge answered although a model is configured, else "".
        prompt_digest: First 16 hex digits of the prompt's SHA-256; "" for the static judge.
        answer_count: How many answers the scores are the median of; 0 for the static judge.
        spread: The largest difference between two answers in any score.
        usage: What the opinion cost; nothing if it was known.
    """

    correctness: float | None
    security: float
    quality: float
    correctness_reason: str
    security_reason: str
    quality_reason: str
    source: Source
    model: str = ""
    fallback_reason: str = ""
    prompt_digest: str = ""
    answer_count: int = 0
    spread: float = 0.0
    usage: Usage = NO_USAGE
