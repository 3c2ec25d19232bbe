"""What a chat completion says. openai does not validate answers, so this does."""

from __future__ import annotations

from pydantic import BaseModel, Field, ValidationError

from services.judge.failure import FailureReason, ModelFailed


class _Message(BaseModel):
    content: str | None = None


class _Choice(BaseModel):
    message: _Message
    finish_reason: str | None = None


class _Usage(BaseModel):
    prompt_tokens: int = Field(ge=0)
    completion_tokens: int = Field(ge=0)


class Completion(BaseModel):
    """What is used of a completion."""

    choices: list[_Choice] = Field(min_length=1)
    usage: _Usage | None = None

    def text(self) -> str:
        """Returns the answer.

        Raises:
            ModelFailed: It has none, or only a part of it.
        """
        choice = self.choices[0]
        if choice.finish_reason == "length":
            raise ModelFailed(FailureReason.TRUNCATED)
        if choice.finish_reason == "content_filter":
            raise ModelFailed(FailureReason.REFUSED)
        if choice.message.content is None:
            raise ModelFailed(FailureReason.PARSE_ERROR)
        return choice.message.content


def read(raw: bytes) -> Completion:
    """Returns a completion from its JSON.

    Raises:
        ModelFailed: It is none.
    """
    try:
        return Completion.model_validate_json(raw)
    except ValidationError as error:
        raise ModelFailed(FailureReason.PARSE_ERROR) from error
