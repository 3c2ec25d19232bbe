"""The judge that is a language model."""

from __future__ import annotations

from services.judge import answer, prompt
from services.judge.chat import ChatModel
from services.judge.failure import FailureReason, ModelFailed
from services.judge.opinion import Opinion, Source, Subject
from services.judge.workers import Reader

_PROMPT = "judge.v1"


class LlmJudge:
    """Asks a model for scores of a fix that it reads without comments and docstrings.

    Args:
        model: The model.
        reader: Prepares the fix in a limited worker.
    """

    def __init__(self, model: ChatModel, reader: Reader) -> None:
        self._model = model
        self._reader = reader
        self._prompt = prompt.load(_PROMPT)

    def key(self, subject: Subject) -> str:
        """Returns what identifies the question: equal keys have equal answers."""
        return prompt.content_key(
            self._model.name,
            self._prompt.digest,
            subject.code,
            subject.description,
            subject.buggy_code,
            subject.reference_code,
        )

    async def judge(self, subject: Subject) -> Opinion:
        """Returns the model's opinion.

        Raises:
            ModelFailed: It has none.
            WorkerFailed: The fix could not be prepared.
        """
        shown = await self._reader.present(subject.code)
        if shown["problem"]:
            raise ModelFailed(FailureReason.UNREADABLE)
        nonce = prompt.nonce_of(self.key(subject))
        message = prompt.fence(
            nonce,
            {
                "DESCRIPTION": subject.description,
                "BUGGY_CODE": subject.buggy_code,
                "REFERENCE_SOLUTION": subject.reference_code,
                "FIX": shown["code"],
            },
        )
        found = await self._model.ask(
            self._prompt.text, message, lambda text: answer.parse(text, nonce), answer.schema()
        )
        return self._opinion(found)

    def _opinion(self, found: answer.Answer) -> Opinion:
        return Opinion(
            correctness=found.correctness,
            security=found.security,
            quality=found.quality,
            correctness_reason=answer.sentence(found.correctness_reason),
            security_reason=answer.sentence(found.security_reason),
            quality_reason=answer.sentence(found.quality_reason),
            source=Source.LLM,
            model=self._model.name,
            prompt_digest=self._prompt.digest,
        )
