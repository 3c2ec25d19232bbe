"""What a language model is told: the first message of an episode, and one for each graded fix.

The same texts are used by `codearena eval` and the trainers' integrations, so that a model is trained and evaluated on
one wording. `VERSION` changes whenever they do.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from codearena._models import Observation, Task

VERSION: Final = "1"


@dataclass(frozen=True, slots=True)
class Answering:
    """How a model is to hand in a program.

    Attributes:
        first: What it is told of that at first.
        again: The same after a graded program.
    """

    first: str
    again: str


BLOCK: Final = Answering(
    "Answer with the whole repaired program in one ```python block.",
    "Answer with the whole improved program in one ```python block.",
)
"""In the text of its answer."""

TOOL: Final = Answering(
    "Call submit_fix with the whole repaired program.", "Call submit_fix with the whole improved program."
)
"""By calling a tool."""


def system_message(how: Answering = BLOCK) -> str:
    """Returns the system message for models that answer like this."""
    return (
        f"You repair small Python programs. {how.first} Keep the names and parameters of its functions and classes, "
        "use the standard library alone, handle the edge cases that the description allows, leave no security hole, "
        "and choose an algorithm that stays fast when the input grows. Your program is run against tests, some of "
        "which you do not see."
    )


def no_code_message(how: Answering = BLOCK) -> str:
    """Returns what is said after an answer without a program."""
    return f"Your answer held no Python program, so nothing was graded. {how.first}"


SYSTEM: Final = system_message()
"""The system message for models that answer in text."""

_BACKTICKS = re.compile(r"`{3,}")


def first_message(task: Task, observation: Observation | None = None) -> str:
    """Returns what a model is told at the start of an episode.

    Args:
        task: The task.
        observation: Of the reset, which also tells how the program fails; None where there is no episode yet.
    """
    parts = [task.description.strip(), f"The program:\n{_fenced(task.buggy_code)}"]
    parts += [
        f"It may import the module {name}, which you cannot change:\n{_fenced(source)}"
        for name, source in task.modules.items()
    ]
    if tests := "\n".join(f"{test.call} -> {test.expected}" for test in task.visible_tests):
        parts.append(f"Some of the tests:\n{_fenced(tests, 'text')}")
    if observation is not None:
        parts += _findings(observation, "What goes wrong:")
        if (known := observation.best_known) is not None:
            parts.append(f"The best program known so far, with reward {known.reward:.3f}:\n{_fenced(known.code)}")
    return "\n\n".join(filter(None, parts))


def next_message(
    observation: Observation,
    reward: float,
    tests_passed: int,
    tests_total: int,
    how: Answering = BLOCK,
    *,
    done: bool = False,
) -> str:
    """Returns what a model is told after its fix was graded.

    Args:
        observation: Of the step.
        reward: Of the fix.
        tests_passed: How many tests it passed.
        tests_total: How many there are.
        how: How it is to hand in the next one.
        done: Whether there is no next one.
    """
    parts = [f"Your program passes {tests_passed} of {tests_total} tests. Its reward is {reward:.3f}."]
    parts += _findings(observation, "What goes wrong:")
    if observation.regression:
        parts.append(observation.regression)
    left = observation.max_steps - observation.step
    parts.append("The episode is over." if done else f"{how.again} Answers left: {left}.")
    return "\n\n".join(parts)


def refused_message(reason: str, how: Answering = BLOCK) -> str:
    """Returns what is said after a program that the arena did not accept, for example an over-long one."""
    return f"Your program was not graded: {reason}. {how.first}"


def answer(code: str) -> str:
    """Returns the answer that holds a program and nothing else."""
    return _fenced(code)


def _findings(observation: Observation, title: str) -> list[str]:
    parts = []
    if observation.error_log.strip():
        parts.append(f"{title}\n{_fenced(observation.error_log, 'text')}")
    if observation.hint:
        parts.append(f"Hint: {observation.hint}")
    return parts


def _fenced(text: str, language: str = "python") -> str:
    """Returns a block whose fence is longer than any in the text, so that the text cannot end it."""
    longest = max((len(found) for found in _BACKTICKS.findall(text)), default=2)
    fence = "`" * (longest + 1)
    return f"{fence}{language}\n{text.rstrip()}\n{fence}"
