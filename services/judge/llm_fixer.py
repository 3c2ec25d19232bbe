"""Proposals of a language model."""

from __future__ import annotations

from codearena.replies import extract_code, extract_explanations
from services.judge import prompt
from services.judge.chat import ChatModel
from services.judge.failure import FailureReason, ModelFailed
from services.judge.proposal import Draft, Request
from services.judge.question import Answered, Question

SYNTAX_BELOW = 0.4
LOGIC_BELOW = 0.7
_PROMPT = "fixer.v2"
_STAGES = ("first", "syntax", "logic", "complexity")
_MAX_CODE_BYTES = 256 * 1024
_MAX_LOG_CHARACTERS = 8000
_MAX_ATTEMPTS = 5


class LlmFixer:
    """Asks a model for a repair.

    Args:
        model: The model.
        provider: Its name in the settings; the model's own if none is given.
    """

    def __init__(self, model: ChatModel, provider: str = "") -> None:
        self._model = model
        self._provider = provider or model.name
        system = prompt.load(_PROMPT).text
        self._systems = {stage: f"{system}\n{prompt.load(f'{_PROMPT}.{stage}').text}" for stage in _STAGES}

    @property
    def provider(self) -> str:
        """Its name in the settings."""
        return self._provider

    @property
    def model(self) -> str:
        """The model's name."""
        return self._model.name

    async def draft(self, request: Request, timeout_seconds: float | None = None) -> Answered[Draft]:
        """Returns the model's program and what it cost.

        Args:
            request: What to repair.
            timeout_seconds: How long it may take, where that is less than the provider's own deadline.

        Raises:
            ModelFailed: It has none.
        """
        system, blocks = self._systems[stage_of(request.last_reward)], _blocks(request)
        nonce = prompt.nonce_of(prompt.content_key(system, *blocks, *blocks.values()))

        def read(text: str) -> Draft:
            code = extract_code(text, request.code)
            if not code or len(code.encode("utf-8", "replace")) > _MAX_CODE_BYTES or not _is_text(code):
                raise ModelFailed(FailureReason.PARSE_ERROR)
            return Draft(code, tuple(filter(_is_text, extract_explanations(text))))

        question = Question(system, prompt.fence(nonce, blocks), read)
        return await self._model.ask(question, request.run_id, timeout_seconds)


def stage_of(last_reward: float | None) -> str:
    """Returns what a repair is to see to: "first" without a reward, then "syntax", "logic", "complexity"."""
    if last_reward is None:
        return "first"
    if last_reward < SYNTAX_BELOW:
        return "syntax"
    return "logic" if last_reward < LOGIC_BELOW else "complexity"


def _blocks(request: Request) -> dict[str, str]:
    """Returns the message's data. Of long logs the end is sent, of many attempts the last ones."""
    first = max(0, len(request.previous_attempts) - _MAX_ATTEMPTS)
    attempts = {f"ATTEMPT_{n}": code for n, code in enumerate(request.previous_attempts[first:], first + 1)}
    known = request.best_known_code
    return {
        "DESCRIPTION": request.description,
        **attempts,
        "BEST_KNOWN": known,
        "BEST_KNOWN_REWARD": f"{request.best_known_reward:.3f} of 1" if known.strip() else "",
        "CODE": request.code,
        "ERROR_LOG": request.error_log[-_MAX_LOG_CHARACTERS:],
        "REWARD_OF_THE_LAST_ATTEMPT": "" if request.last_reward is None else f"{request.last_reward:.3f} of 1",
    }


def _is_text(text: str) -> bool:
    """Returns whether a text can be sent on: UTF-8 without NUL."""
    return "\0" not in text and not any("\ud800" <= character <= "\udfff" for character in text)
