"""One answer graded, for trainers that know no reward but a number: what fails for a while is waited for."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, replace
from typing import Final

from codearena import InvalidArgumentError
from codearena._errors import INFRASTRUCTURE, UNFIT_PROGRAM, wait_seconds
from codearena.integrations._clients import Where
from codearena.replies import extract_code

PATIENCE_VARIABLE: Final = "CODEARENA_PATIENCE_SECONDS"
_PATIENCE_SECONDS: Final = 600.0
_MAX_WAIT_SECONDS: Final = 30.0


@dataclass(frozen=True, slots=True)
class Score:
    """What an answer is worth.

    Attributes:
        reward: In [0, 0.999]; 0 without a program.
        test_pass_ratio: Share of tests that its program passes.
        has_code: Whether it holds a program that the arena accepts.
    """

    reward: float = 0.0
    test_pass_ratio: float = 0.0
    has_code: bool = False

    @property
    def solved(self) -> bool:
        """Whether every test passes."""
        return self.test_pass_ratio == 1.0


def score(task_id: str, answer: str, original: str = "") -> Score:
    """Grades the program in an answer, in the arena that CODEARENA_ADDRESS and CODEARENA_TOKEN name.

    An arena that cannot grade just now is asked again for CODEARENA_PATIENCE_SECONDS, 600 unless set. Safe to call
    from many threads.

    Args:
        task_id: The task.
        answer: A model's.
        original: The program that was to be repaired, which helps to find the right one in the answer.

    Raises:
        ArenaError: The arena cannot grade it, nor could it after the wait. No number stands for that.
    """
    code = extract_code(answer, original)
    if not code.strip():
        return Score()
    arena = replace(Where.configured(), max_attempts=1).shared()  # patience is ours
    deadline = time.monotonic() + float(os.environ.get(PATIENCE_VARIABLE) or _PATIENCE_SECONDS)
    while True:
        try:
            grade = arena.grade(task_id, code)
            return Score(grade.reward, grade.tests_passed / max(1, grade.tests_total), has_code=True)
        except InvalidArgumentError as error:
            if error.reason not in UNFIT_PROGRAM:
                raise
            return Score()
        except INFRASTRUCTURE as error:
            wait = wait_seconds(error, _MAX_WAIT_SECONDS)
            if time.monotonic() + wait > deadline:
                raise
            time.sleep(wait)
