"""One OpenAI-compatible chat model, with everything that bounds a call to it."""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import dataclass, field
from typing import Any, TypeVar

import openai
from openai.types.chat import ChatCompletionMessageParam

from services.common import tracing
from services.judge import completion
from services.judge.breaker import CircuitBreaker
from services.judge.budget import Account, Spending
from services.judge.failure import (
    RETRYABLE,
    SERVER_FAULTS,
    FailureReason,
    ModelFailed,
    reason_of,
    retry_after_seconds,
)
from services.judge.limiter import AdaptiveLimiter, Full
from services.judge.observer import Observer
from services.judge.question import FREE, NO_USAGE, Answered, Price, Question, Usage
from services.judge.transport import bounded_client

T = TypeVar("T")

_FIRST_PAUSE, _LONGEST_PAUSE = 0.25, 8.0
_CHARACTERS_PER_TOKEN = 3.0
_FREE_OF_CHARGE = (SERVER_FAULTS - {FailureReason.CONNECTION, FailureReason.TIMEOUT}) | {
    FailureReason.REFUSED,
    FailureReason.BREAKER_OPEN,
}


@dataclass(frozen=True)
class ModelSettings:
    """How to reach a model and what a call may cost.

    Attributes:
        base_url: Of an OpenAI-compatible API, e.g. "http://127.0.0.1:8000/v1".
        api_key: Its key; servers without keys take any.
        name: Model name.
        price: What it costs.
        temperature: Of its draws; 0 takes the likeliest token.
        deadline_seconds: Elapsed time of a call, retries and waiting included.
        max_retries: Further attempts after 408, 409, 429, 5xx and lost connections, with growing pauses.
        max_concurrent: Calls at a time, at most; fewer when the server answers 429.
        max_waiting: Calls that may wait for their turn.
        max_answer_tokens: Length of an answer.
        max_prompt_characters: Length of a message; longer ones are not sent.
        breaker_threshold: Failures in a row after which the model is left alone.
        breaker_pause_seconds: For how long.
    """

    base_url: str
    api_key: str = field(repr=False)
    name: str
    price: Price = FREE
    temperature: float = 0.0
    deadline_seconds: float = 30.0
    max_retries: int = 3
    max_concurrent: int = 64
    max_waiting: int = 512
    max_answer_tokens: int = 2048
    max_prompt_characters: int = 60_000
    breaker_threshold: int = 8
    breaker_pause_seconds: float = 30.0


class ChatModel:
    """Asks the model questions, one at a time or several at once.

    Args:
        settings: How to reach it.
        observer: Hears of each call.
        account: What may be spent; that of several models may be one.
    """

    def __init__(self, settings: ModelSettings, observer: Observer, account: Account | None = None) -> None:
        self._settings = settings
        self._observer = observer
        self._account = account or Account()
        self._client = openai.AsyncOpenAI(
            base_url=settings.base_url,
            api_key=settings.api_key,
            max_retries=0,  # a retry waits for its turn, and is paid for, like any call
            http_client=bounded_client(settings.deadline_seconds),
        )
        self._breaker = CircuitBreaker(settings.breaker_threshold, settings.breaker_pause_seconds)
        self._limiter = AdaptiveLimiter(settings.max_concurrent, settings.max_waiting)
        self._is_plain = False

    @property
    def name(self) -> str:
        """The model's name."""
        return self._settings.name

    @property
    def identity(self) -> str:
        """What its answers depend on, apart from the question."""
        return f"{self._settings.name}@{self._settings.temperature:g}"

    async def ask(self, question: Question[T], run_id: str = "", timeout_seconds: float | None = None) -> Answered[T]:
        """Returns the model's answer.

        Args:
            question: What is asked.
            run_id: The training run whose budget it counts for; "" for none.
            timeout_seconds: How long it may take, where that is less than the settings allow.

        Raises:
            ModelFailed: There is no answer.
        """
        seconds = self._settings.deadline_seconds
        deadline = asyncio.get_running_loop().time() + min(
            seconds, seconds if timeout_seconds is None else timeout_seconds
        )
        started = time.perf_counter()
        outcome = "cancelled"
        try:
            with tracing.span("model", **{"gen_ai.request.model": self.name}):
                answered = await self._retried(question, run_id, deadline)
            outcome = "ok"
            return answered
        except ModelFailed as error:
            outcome = error.reason.value
            raise
        finally:
            self._observer.model_call(self.name, outcome, time.perf_counter() - started)

    async def close(self) -> None:
        """Closes the connections."""
        await self._client.close()

    async def _retried(self, question: Question[T], run_id: str, deadline: float) -> Answered[T]:
        """Asks until there is an answer, or none can be hoped for."""
        if len(question.system) + len(question.message) > self._settings.max_prompt_characters:
            raise ModelFailed(FailureReason.TOO_LARGE)
        pause = _FIRST_PAUSE
        for left in reversed(range(self._settings.max_retries + 1)):
            try:
                return await self._in_turn(question, run_id, deadline)
            except ModelFailed as failed:
                wait = max(retry_after_seconds(failed.__cause__ or failed), pause * random.uniform(0.5, 1.0))  # noqa: S311
                too_late = asyncio.get_running_loop().time() + wait >= deadline
                if failed.reason not in RETRYABLE or not left or too_late or self._breaker.is_open:
                    if failed.reason is FailureReason.RATE_LIMITED:
                        self._breaker.failed()
                    raise
            await asyncio.sleep(wait)
            pause = min(2 * pause, _LONGEST_PAUSE)
        raise AssertionError("unreachable")

    async def _in_turn(self, question: Question[T], run_id: str, deadline: float) -> Answered[T]:
        has_turn = False
        try:
            async with asyncio.timeout_at(deadline), self._limiter.turn() as began:
                has_turn = True
                return await self._paid(question, run_id, began)
        except Full as error:
            raise ModelFailed(FailureReason.OVERLOADED) from error
        except TimeoutError as error:
            if not has_turn:
                raise ModelFailed(FailureReason.OVERLOADED) from error
            self._breaker.failed()
            raise ModelFailed(FailureReason.TIMEOUT) from error

    async def _paid(self, question: Question[T], run_id: str, began: float) -> Answered[T]:
        """Asks once, with what it can cost set aside. A call whose end is not known is paid as if it was answered."""
        sent = _tokens(question.system) + _tokens(question.message)
        most = _spending(self._settings.price.usage(sent, self._settings.max_answer_tokens))
        reservation = self._account.reserve(most, run_id)
        if reservation is None:
            raise ModelFailed(FailureReason.OVER_BUDGET)
        spent, usage = most, NO_USAGE
        try:
            answer = completion.read(await self._asked(question, began))
            usage = self._usage_of(answer, sent)
            spent = _spending(usage)
            return Answered(question.read(answer.text()), usage)
        except ModelFailed as failed:
            failed.usage = usage
            if failed.reason in _FREE_OF_CHARGE:
                spent = Spending()
            raise
        finally:
            reservation.settle(spent)

    def _usage_of(self, answer: completion.Completion, sent: int) -> Usage:
        """Returns what an answer cost, by the server's count or else by ours, and tells the observer."""
        price, counted = self._settings.price, answer.usage
        if counted is None:
            usage = price.usage(sent, _tokens(answer.choices[0].message.content or ""))
        else:
            usage = price.usage(counted.prompt_tokens, counted.completion_tokens)
        self._observer.tokens(self.name, usage.prompt_tokens, usage.completion_tokens, usage.cost_usd)
        return usage

    async def _asked(self, question: Question[T], began: float) -> bytes:
        """Asks once, and tells breaker and limiter what came of it."""
        if not self._breaker.admit():
            raise ModelFailed(FailureReason.BREAKER_OPEN)
        try:
            raw = await self._complete(question)
        except (openai.OpenAIError, ValueError) as error:
            reason = reason_of(error)
            if reason is FailureReason.RATE_LIMITED:
                self._limiter.refused(began)
                self._breaker.abandoned()
            elif reason in SERVER_FAULTS:
                self._breaker.failed()
            else:
                self._breaker.succeeded()
            raise ModelFailed(reason) from error
        except asyncio.CancelledError:
            self._breaker.abandoned()
            raise
        self._breaker.succeeded()
        self._limiter.answered()
        return raw

    async def _complete(self, question: Question[T]) -> bytes:
        """Asks in the newest form; in the oldest one if the server refuses that, and from then on."""
        if self._is_plain:
            return await self._create(question, {"max_tokens": self._settings.max_answer_tokens})
        newest: dict[str, Any] = {"max_completion_tokens": self._settings.max_answer_tokens}
        if question.schema is not None:
            schema = {"name": str(question.schema["title"]), "strict": True, "schema": dict(question.schema)}
            newest["response_format"] = {"type": "json_schema", "json_schema": schema}
        try:
            return await self._create(question, newest)
        except (openai.BadRequestError, openai.UnprocessableEntityError):
            raw = await self._create(question, {"max_tokens": self._settings.max_answer_tokens})
        self._is_plain = True
        return raw

    async def _create(self, question: Question[T], form: dict[str, Any]) -> bytes:
        messages: list[ChatCompletionMessageParam] = [
            {"role": "system", "content": question.system},
            {"role": "user", "content": question.message},
        ]
        response = await self._client.chat.completions.with_raw_response.create(
            model=self._settings.name,
            messages=messages,
            extra_body={"temperature": self._settings.temperature, "seed": question.seed, **form},
        )
        return response.content


def _spending(usage: Usage) -> Spending:
    return Spending(usage.prompt_tokens + usage.completion_tokens, usage.cost_usd)


def _tokens(text: str) -> int:
    """Returns about how many tokens a text has, rather more than less."""
    return 1 + int(len(text) / _CHARACTERS_PER_TOKEN)
