"""One OpenAI-compatible chat model, with everything that bounds a call to it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import openai
from openai.types.chat import ChatCompletion, ChatCompletionMessageParam
from openai.types.shared_params import ResponseFormatJSONSchema
from pydantic import BaseModel, Field, ValidationError

from services.judge.breaker import CircuitBreaker
from services.judge.budget import TokenBudget
from services.judge.failure import SERVER_FAULTS, FailureReason, ModelFailed, reason_of
from services.judge.observer import Observer

T = TypeVar("T")

_SEED = 0
_MAX_ANSWER_CHARACTERS = 600_000


@dataclass(frozen=True)
class ModelSettings:
    """How to reach a model and what a call may cost.

    Attributes:
        base_url: Of an OpenAI-compatible API, e.g. "http://127.0.0.1:8000/v1".
        api_key: Its key; servers without keys take any.
        name: Model name.
        deadline_seconds: Elapsed time of a call, retries and waiting included.
        max_retries: Further attempts after 408, 409, 429, 5xx and lost connections, with growing pauses.
        max_concurrent: Calls at a time.
        max_waiting: Calls that may wait for their turn.
        max_answer_tokens: Length of an answer.
        max_prompt_characters: Length of a message; longer ones are not sent.
        tokens_per_hour: Budget; None for none.
        breaker_threshold: Failures in a row after which the model is left alone.
        breaker_pause_seconds: For how long.
    """

    base_url: str
    api_key: str
    name: str
    deadline_seconds: float = 30.0
    max_retries: int = 2
    max_concurrent: int = 8
    max_waiting: int = 64
    max_answer_tokens: int = 2048
    max_prompt_characters: int = 60_000
    tokens_per_hour: int | None = None
    breaker_threshold: int = 5
    breaker_pause_seconds: float = 30.0


class ChatModel:
    """Asks the model questions, one at a time or several at once.

    Args:
        settings: How to reach it.
        observer: Hears of each call.
    """

    def __init__(self, settings: ModelSettings, observer: Observer) -> None:
        self._settings = settings
        self._observer = observer
        self._client = openai.AsyncOpenAI(
            base_url=settings.base_url,
            api_key=settings.api_key,
            timeout=settings.deadline_seconds,
            max_retries=settings.max_retries,
        )
        self._breaker = CircuitBreaker(settings.breaker_threshold, settings.breaker_pause_seconds)
        self._budget = TokenBudget(settings.tokens_per_hour)
        self._turns = asyncio.Semaphore(settings.max_concurrent)
        self._pending = 0
        self._takes_schemas = True

    @property
    def name(self) -> str:
        """The model's name."""
        return self._settings.name

    async def ask(
        self, system: str, message: str, read: Callable[[str], T], schema: Mapping[str, object] | None = None
    ) -> T:
        """Returns the model's answer.

        Args:
            system: The instructions.
            message: The data.
            read: Makes a value of the answer's text, or raises ModelFailed.
            schema: JSON schema of the answer, with a "title". A server that refuses schemas is asked
                without one, so the answer must be checked all the same.

        Raises:
            ModelFailed: There is no answer.
        """
        started = time.perf_counter()
        outcome = "cancelled"
        try:
            answer = read(await self._bounded(system, message, schema))
            outcome = "ok"
            return answer
        except ModelFailed as error:
            outcome = error.reason.value
            raise
        finally:
            self._observer.model_call(self.name, outcome, time.perf_counter() - started)

    async def close(self) -> None:
        """Closes the connections."""
        await self._client.close()

    async def _bounded(self, system: str, message: str, schema: Mapping[str, object] | None) -> str:
        limits = self._settings
        if len(system) + len(message) > limits.max_prompt_characters:
            raise ModelFailed(FailureReason.TOO_LARGE)
        if self._budget.exhausted():
            raise ModelFailed(FailureReason.OVER_BUDGET)
        if self._pending >= limits.max_concurrent + limits.max_waiting:
            raise ModelFailed(FailureReason.OVERLOADED)
        deadline = asyncio.get_running_loop().time() + limits.deadline_seconds
        self._pending += 1
        try:
            async with asyncio.timeout_at(deadline):
                await self._turns.acquire()
        except TimeoutError as error:
            raise ModelFailed(FailureReason.OVERLOADED) from error
        else:
            try:
                return await self._guarded(deadline, system, message, schema)
            finally:
                self._turns.release()
        finally:
            self._pending -= 1

    async def _guarded(self, deadline: float, system: str, message: str, schema: Mapping[str, object] | None) -> str:
        if not self._breaker.admit():
            raise ModelFailed(FailureReason.BREAKER_OPEN)
        try:
            async with asyncio.timeout_at(deadline):
                completion = await self._complete(system, message, schema)
        except (openai.OpenAIError, TimeoutError, ValueError) as error:
            reason = reason_of(error)
            if reason in SERVER_FAULTS:
                self._breaker.failed()
            else:
                self._breaker.succeeded()
            raise ModelFailed(reason) from error
        except asyncio.CancelledError:
            self._breaker.abandoned()
            raise
        self._breaker.succeeded()
        return self._text(completion)

    async def _complete(self, system: str, message: str, schema: Mapping[str, object] | None) -> ChatCompletion:
        messages: list[ChatCompletionMessageParam] = [
            {"role": "system", "content": system},
            {"role": "user", "content": message},
        ]
        if schema is None or not self._takes_schemas:
            return await self._create(messages, openai.omit)
        form: ResponseFormatJSONSchema = {
            "type": "json_schema",
            "json_schema": {"name": str(schema["title"]), "strict": True, "schema": dict(schema)},
        }
        try:
            return await self._create(messages, form)
        except (openai.BadRequestError, openai.UnprocessableEntityError):
            completion = await self._create(messages, openai.omit)
        self._takes_schemas = False
        return completion

    async def _create(
        self, messages: list[ChatCompletionMessageParam], form: ResponseFormatJSONSchema | openai.Omit
    ) -> ChatCompletion:
        return await self._client.chat.completions.create(
            model=self._settings.name,
            messages=messages,
            temperature=0,
            seed=_SEED,
            max_completion_tokens=self._settings.max_answer_tokens,
            response_format=form,
        )

    def _text(self, raw: ChatCompletion) -> str:
        """Returns the text of an answer. openai does not validate answers, so this does."""
        try:
            completion = _Completion.model_validate(raw, from_attributes=True)
        except ValidationError as error:
            raise ModelFailed(FailureReason.PARSE_ERROR) from error
        if completion.usage is not None:
            prompt, answer = completion.usage.prompt_tokens, completion.usage.completion_tokens
            self._budget.spend(prompt + answer)
            self._observer.tokens(self.name, prompt, answer)
        text = completion.choices[0].message.content
        if len(text) > _MAX_ANSWER_CHARACTERS:
            raise ModelFailed(FailureReason.PARSE_ERROR)
        return text


class _Message(BaseModel):
    content: str


class _Choice(BaseModel):
    message: _Message


class _Usage(BaseModel):
    prompt_tokens: int = Field(ge=0)
    completion_tokens: int = Field(ge=0)


class _Completion(BaseModel):
    """What is used of a completion."""

    choices: list[_Choice] = Field(min_length=1)
    usage: _Usage | None = None
