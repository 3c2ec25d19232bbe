"""What an evaluation keeps: a rollout is one episode played by an agent, a turn one of its answers."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, Self

MAX_REPLY_CHARACTERS: Final = 65_536
"""Of an answer, what is kept of its text; the program in it is kept whole."""


class Answer(StrEnum):
    """What an answer came to.

    `GRADED` was graded. `NO_CODE` held no program, `REFUSED` held one that the arena does not accept, such as an
    over-long one. These two earn nothing and use up a turn: they are the agent's doing, not ours.
    """

    GRADED = "graded"
    NO_CODE = "no_code"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Turn:
    """One answer of an agent, and its grade.

    Attributes:
        number: From 1.
        at: When its grade came: ISO 8601, UTC.
        answer: What it came to.
        reply: The answer's text, cut to `MAX_REPLY_CHARACTERS`.
        code: The program in it; "" if there is none.
        method: Who or what made it, e.g. a model's name.
        reward: The absolute reward, in [0.001, 0.999]; 0 for what was not graded.
        outcome: What became of the program; "" for what was not graded.
        tests_passed: How many tests it passed.
        tests_total: How many there are; 0 for what was not graded.
        scores: Each component's score, in [0, 1].
        penalties: Each penalty, as a positive number.
        complexity: Estimated time complexity, such as "O(n)"; may be empty.
        reason: Why it was refused; else "".
        prompt_tokens: What the model read for it.
        completion_tokens: What the model wrote.
        cost_usd: US dollars, where prices are known.
        answer_seconds: How long the agent took.
    """

    number: int
    at: str
    answer: Answer
    reply: str
    code: str
    method: str
    reward: float = 0.0
    outcome: str = ""
    tests_passed: int = 0
    tests_total: int = 0
    scores: Mapping[str, float] = field(default_factory=dict)
    penalties: Mapping[str, float] = field(default_factory=dict)
    complexity: str = ""
    reason: str = ""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost_usd: float = 0.0
    answer_seconds: float = 0.0

    @property
    def solved(self) -> bool:
        """Whether it passed every test."""
        return self.outcome == "PASSED"

    @property
    def repeated(self) -> bool:
        """Whether it repeats an earlier fix of the episode."""
        return self.penalties.get("repeat_penalty", 0.0) > 0


@dataclass(frozen=True, slots=True)
class Rollout:
    """One episode of an agent.

    Attributes:
        task_id: The task.
        sample: Which of the task's episodes, from 0.
        category: The task's.
        difficulty: The task's.
        turns: Its answers, in order.
        failure: Why it could not be played to its end, for a reason that is not the agent's: such a rollout is in no
            figure, and is played again when the evaluation is resumed. "" if it was.
        prompt: The first message to the agent.
    """

    task_id: str
    sample: int
    category: str
    difficulty: str
    turns: tuple[Turn, ...]
    failure: str = ""
    prompt: str = ""

    @property
    def key(self) -> tuple[str, int]:
        """Which episode this is."""
        return self.task_id, self.sample

    @property
    def reward(self) -> float:
        """The highest reward of a turn; 0 if nothing was graded."""
        return max((turn.reward for turn in self.turns), default=0.0)

    @property
    def solved_at(self) -> int | None:
        """The first turn that passed every test; None if none did."""
        return next((turn.number for turn in self.turns if turn.solved), None)

    def to_json(self) -> dict[str, Any]:
        """Returns it as JSON knows it."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, document: object) -> Self:
        """Returns the rollout that JSON holds.

        Raises:
            ValueError: It holds none; the message names what is wrong.
        """
        fields = _fields(cls, document, "rollout")
        turns = fields["turns"]
        if not isinstance(turns, list):
            raise ValueError("turns: must be a list")
        made = []
        for turn in turns:
            values = _fields(Turn, turn, "turn")
            made.append(Turn(**values | {"answer": Answer(values["answer"])}))
        return cls(**fields | {"turns": tuple(made)})


_KINDS: Final = {"str": str, "int": int, "float": (int, float), "Answer": str, "Mapping[str, float]": dict}


def _fields(model: type[Any], document: object, name: str) -> dict[str, Any]:
    if not isinstance(document, dict):
        raise ValueError(f"{name}: must be an object")
    known = {one.name: one for one in dataclasses.fields(model)}
    if unknown := sorted(document.keys() - known.keys()):
        raise ValueError(f"{name}: unknown field {unknown[0]!r}")
    for one in known.values():
        needed = one.default is dataclasses.MISSING and one.default_factory is dataclasses.MISSING
        if one.name not in document:
            if needed:
                raise ValueError(f"{name}: {one.name} is missing")
            continue
        kind = _KINDS.get(str(one.type))
        value = document[one.name]
        if kind is not None and (not isinstance(value, kind) or isinstance(value, bool)):  # type: ignore[arg-type]
            raise ValueError(f"{name}: {one.name} must be {one.type}")
    return dict(document)
