"""Proposals of a language model."""

from __future__ import annotations

import re
from dataclasses import dataclass

from services.judge import prompt
from services.judge.chat import ChatModel
from services.judge.failure import FailureReason, ModelFailed

_PROMPT = "fixer.v1"
_MAX_CODE_BYTES = 256 * 1024
_MAX_EXPLANATIONS = 10
_MAX_EXPLANATION_CHARACTERS = 300
_FENCED = re.compile(r"^```[ \t]*([\w+-]*)[ \t]*\n(.*?)^```[ \t]*$", re.DOTALL | re.MULTILINE)
_UNCLOSED = re.compile(r"^```[ \t]*(?:python|py)?[ \t]*\n(.*)\Z", re.DOTALL | re.MULTILINE)
_CHANGE = re.compile(r"^[-*\s]*change:\s*(.+)$", re.IGNORECASE | re.MULTILINE)
_BARE_START = re.compile(r"\s*(?:def |class |import |from |async def |@|#|\"\"\"|[A-Za-z_]\w* *=)")


@dataclass(frozen=True)
class Request:
    """What a proposal is asked for.

    Attributes:
        code: The code to repair: hostile text.
        error_log: What is known of its failure.
        description: What it should do.
        previous_attempts: Earlier attempts, oldest first.
        last_reward: Reward of the last attempt, if there was one.
    """

    code: str
    error_log: str = ""
    description: str = ""
    previous_attempts: tuple[str, ...] = ()
    last_reward: float | None = None


@dataclass(frozen=True)
class Proposal:
    """A repaired program.

    Attributes:
        code: The program; equal to the request's if nothing was found.
        method: "builtin" or the model's name.
        explanations: One sentence for each change.
    """

    code: str
    method: str
    explanations: tuple[str, ...]


class LlmFixer:
    """Asks a model for a repair.

    Args:
        model: The model.
    """

    def __init__(self, model: ChatModel) -> None:
        self._model = model
        self._prompt = prompt.load(_PROMPT)

    async def propose(self, request: Request) -> Proposal:
        """Returns the model's proposal.

        Raises:
            ModelFailed: It has none that holds code.
        """
        attempts = {f"ATTEMPT_{n}": code for n, code in enumerate(request.previous_attempts, 1)}
        reward = "" if request.last_reward is None else f"{request.last_reward:.3f} of 1"
        blocks = {
            "DESCRIPTION": request.description,
            **attempts,
            "CODE": request.code,
            "ERROR_LOG": request.error_log,
            "REWARD_OF_THE_LAST_ATTEMPT": reward,
        }
        nonce = prompt.nonce_of(prompt.content_key(self._prompt.digest, *blocks, *blocks.values()))
        return await self._model.ask(self._prompt.text, prompt.fence(nonce, blocks), self._read)

    def _read(self, text: str) -> Proposal:
        code = extract_code(text)
        if not code or len(code.encode()) > _MAX_CODE_BYTES or "\0" in code:
            raise ModelFailed(FailureReason.PARSE_ERROR)
        return Proposal(code, self._model.name, extract_explanations(text))


def extract_code(text: str) -> str:
    """Returns the program in a model's reply; "" if it holds none.

    Takes the longest fenced block in Python or in no language, else an unclosed one, else the whole reply if
    it begins like a program.
    """
    blocks = [body for language, body in _FENCED.findall(text) if language.lower() in ("", "py", "python", "python3")]
    if blocks:
        return _tidy(max(blocks, key=len))
    if (unclosed := _UNCLOSED.search(text)) is not None:
        return _tidy(unclosed.group(1))
    return _tidy(text) if _BARE_START.match(text) and "```" not in text else ""


def extract_explanations(text: str) -> tuple[str, ...]:
    """Returns the lines of a reply that begin with "Change:", without that."""
    found = [" ".join(line.split())[:_MAX_EXPLANATION_CHARACTERS] for line in _CHANGE.findall(text)]
    return tuple(found[:_MAX_EXPLANATIONS])


def _tidy(code: str) -> str:
    stripped = code.strip("\n").rstrip()
    return stripped + "\n" if stripped else ""
