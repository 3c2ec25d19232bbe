"""The judge that is a language model, or several."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from services.judge import answer, prompt
from services.judge.chat import ChatModel
from services.judge.failure import FailureReason, ModelFailed
from services.judge.opinion import Opinion, Source, Subject
from services.judge.question import NO_USAGE, Answered, Question
from services.judge.workers import Reader

_PROMPT = "judge.v2"
_SCORES = ("correctness", "security", "quality")


@dataclass(frozen=True)
class Prepared:
    """A fix as models are asked about it.

    Attributes:
        key: Identifies the question: equal keys have equal answers.
        run_id: The training run whose budget it counts for; "" for none.
        blocks: What the message holds, by name.
    """

    key: str
    run_id: str
    blocks: Mapping[str, str]


class LlmJudge:
    """Asks models for scores of a fix that they read without its author's wording.

    Each model is asked as often as there are samples, and the scores are the medians. More than half must answer.

    Args:
        models: At least one.
        samples: How often each is asked, with another seed each time.
        reader: Prepares the fix in a limited worker.
    """

    def __init__(self, models: Sequence[ChatModel], samples: int, reader: Reader) -> None:
        self._models = tuple(models)
        self._samples = samples
        self._reader = reader
        self._prompt = prompt.load(_PROMPT)
        self._name = "+".join(model.name for model in self._models)

    async def prepare(self, subject: Subject) -> Prepared:
        """Returns the question that a fix is: the same for fixes that differ in comments and form alone.

        Raises:
            ModelFailed: No model can judge it.
            WorkerFailed: It could not be prepared.
        """
        of_task = (subject.description, subject.buggy_code, subject.reference_code)
        shown = await self._reader.present(subject.code, "\n".join(of_task))
        if shown["problem"]:
            raise ModelFailed(FailureReason.UNREADABLE)
        blocks = {
            "DESCRIPTION": subject.description,
            "BUGGY_CODE": subject.buggy_code,
            "REFERENCE_SOLUTION": subject.reference_code,
            "FIX": shown["code"],
        }
        models = (model.identity for model in self._models)
        key = prompt.content_key(*models, str(self._samples), self._prompt.digest, *blocks.values())
        return Prepared(key, subject.run_id, blocks)

    async def judge(self, prepared: Prepared) -> Opinion:
        """Returns the opinion of the models.

        Raises:
            ModelFailed: There is none.
        """
        nonce = prompt.nonce_of(prepared.key)
        message = prompt.fence(nonce, prepared.blocks)
        questions = [
            (model, Question(self._prompt.text, message, lambda text: answer.parse(text, nonce), answer.schema(), seed))
            for seed in range(self._samples)
            for model in self._models
        ]
        return self._opinion(await _majority(questions, prepared.run_id))

    def _opinion(self, answers: Sequence[Answered[answer.Answer]]) -> Opinion:
        values = {name: [getattr(one.value, name) for one in answers] for name in _SCORES}
        scores = {name: median(found) for name, found in values.items()}
        reasons = {name: _reason(name, scores[name], answers) for name in _SCORES}
        return Opinion(
            **scores,
            correctness_reason=reasons["correctness"],
            security_reason=reasons["security"],
            quality_reason=reasons["quality"],
            source=Source.LLM,
            model=self._name,
            prompt_digest=self._prompt.digest,
            answer_count=len(answers),
            spread=max(max(found) - min(found) for found in values.values()),
            usage=sum((one.usage for one in answers), start=NO_USAGE),
        )


async def _majority(
    questions: Sequence[tuple[ChatModel, Question[answer.Answer]]], run_id: str
) -> list[Answered[answer.Answer]]:
    """Asks all at once and returns the answers, if they are more than half. Raises ModelFailed."""
    results = await asyncio.gather(
        *(_answer(model, question, run_id) for model, question in questions),
    )
    answers = [result for result in results if isinstance(result, Answered)]
    if 2 * len(answers) > len(questions):
        return answers
    ((reason, _),) = Counter(result for result in results if isinstance(result, FailureReason)).most_common(1)
    raise ModelFailed(FailureReason.NO_MAJORITY if answers else reason)


async def _answer(
    model: ChatModel, question: Question[answer.Answer], run_id: str
) -> Answered[answer.Answer] | FailureReason:
    try:
        return await model.ask(question, run_id)
    except ModelFailed as error:
        return error.reason


def _reason(name: str, score: float, answers: Sequence[Answered[answer.Answer]]) -> str:
    """Returns the reason that was given with the score nearest to the median."""
    nearest = min(answers, key=lambda one: abs(getattr(one.value, name) - score))
    return answer.sentence(getattr(nearest.value, f"{name}_reason"))
