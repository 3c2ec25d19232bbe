"""A model behind an API that speaks OpenAI's chat completions: OpenAI, vLLM, TGI, Ollama, a router."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

from codearena.evaluation.agents import MAX_REPLY_BYTES, AgentError, Reply, Request

if TYPE_CHECKING:
    from openai.types.chat import ChatCompletionMessageParam

_PER_MILLION: Final = 1e6


class OpenAIAgent:
    """Asks a model. Retries with backoff what may pass: lost connections, 408, 409, 429 and 5xx.

    Use as an async context manager.

    Args:
        model: The model's name.
        base_url: Where the API is; None for OpenAI's own.
        api_key: Its key; local servers take any.
        temperature: Of sampling.
        max_tokens: Of one answer.
        timeout_seconds: Of one request.
        retries: How often a request is sent again, at most.
        prices: US dollars for a million tokens read and a million written; None if they are not known.

    Raises:
        ImportError: The package openai is not installed; it is in the extra `eval`.
    """

    def __init__(
        self,
        model: str,
        *,
        base_url: str | None = None,
        api_key: str = "none",
        temperature: float = 0.0,
        max_tokens: int = 4096,
        timeout_seconds: float = 300.0,
        retries: int = 6,
        prices: tuple[float, float] | None = None,
    ) -> None:
        import openai  # an optional extra, and slow to import

        self._openai = openai
        self._client = openai.AsyncOpenAI(
            base_url=base_url, api_key=api_key, timeout=timeout_seconds, max_retries=retries
        )
        self._model = model
        self._temperature = temperature
        self._max_tokens = max_tokens
        self._prices = prices or (0.0, 0.0)

    async def answer(self, request: Request) -> Reply | None:
        """Asks once."""
        try:
            completion = await self._client.chat.completions.create(
                model=self._model,
                messages=[_parameter(message.role, message.content) for message in request.messages],
                temperature=self._temperature,
                max_tokens=self._max_tokens,
                seed=request.seed % 2**31,
            )
        except self._openai.APIStatusError as error:
            raise AgentError(f"{self._model}: HTTP {error.status_code}: {_line(error.message)}") from error
        except self._openai.OpenAIError as error:
            raise AgentError(f"{self._model}: {type(error).__name__}: {_line(str(error))}") from error
        except ValueError as error:  # an answer with status 200 that is not JSON
            raise AgentError(f"{self._model}: its answer is not JSON") from error
        if isinstance(completion, str) or not completion.choices:
            raise AgentError(f"{self._model}: its answer holds no choice; is the base URL right?")
        text = (completion.choices[0].message.content or "")[:MAX_REPLY_BYTES]
        read = completion.usage.prompt_tokens if completion.usage else 0
        written = completion.usage.completion_tokens if completion.usage else 0
        cost = (read * self._prices[0] + written * self._prices[1]) / _PER_MILLION
        return Reply(text, None, self._model, read, written, cost)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.close()


def _parameter(role: str, content: str) -> ChatCompletionMessageParam:
    if role == "system":
        return {"role": "system", "content": content}
    if role == "assistant":
        return {"role": "assistant", "content": content}
    return {"role": "user", "content": content}


def _line(text: str) -> str:
    return " ".join(text.split())[:300]
