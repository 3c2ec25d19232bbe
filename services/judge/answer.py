"""What the model answers, checked."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from services.judge.failure import FailureReason, ModelFailed

_MAX_REASON_CHARACTERS = 300
_FENCED = re.compile(r"```(?:json)?\s*\n(.*?)```", re.DOTALL)

Score = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False, strict=True)]


class Answer(BaseModel):
    """The judge's scores. `nonce` is that of the message, which shows that its frame was read as a frame."""

    model_config = ConfigDict(extra="forbid", title="judgement")

    nonce: str
    correctness: Score
    correctness_reason: str
    security: Score
    security_reason: str
    quality: Score
    quality_reason: str


def schema() -> dict[str, object]:
    """Returns the JSON schema of an answer, within what structured outputs support."""
    properties = {
        name: {"type": "string"} if field.annotation is str else {"type": "number"}
        for name, field in Answer.model_fields.items()
    }
    return {
        "title": "judgement",
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def parse(text: str, nonce: str) -> Answer:
    """Returns a model's answer.

    Args:
        text: The answer: a JSON object, bare or as the only fenced block.
        nonce: What it must carry.

    Raises:
        ModelFailed: It is no answer to the message with this nonce.
    """
    try:
        answer = Answer.model_validate_json(_object(text))
    except ValidationError as error:
        raise ModelFailed(FailureReason.PARSE_ERROR) from error
    if answer.nonce != nonce:
        raise ModelFailed(FailureReason.PARSE_ERROR)
    return answer


def sentence(text: str) -> str:
    """Returns a reason as one line of bounded length."""
    line = " ".join(text.split())
    return line if len(line) <= _MAX_REASON_CHARACTERS else line[: _MAX_REASON_CHARACTERS - 1] + "…"


def _object(text: str) -> str:
    blocks = _FENCED.findall(text)
    return blocks[0] if len(blocks) == 1 else text.strip()
