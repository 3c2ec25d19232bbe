"""An episode as a conversation: what a model is told, and what its programs are worth."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from uuid import uuid4

from codearena import ArenaError, Episode, EpisodeDoneError, InvalidArgumentError, StepResult, prompts
from codearena._calls import CLOSE_SECONDS
from codearena._errors import UNFIT_PROGRAM
from codearena.replies import extract_code

_FENCE = re.compile(r"\s*(?:```|~~~)")


@dataclass(frozen=True, slots=True)
class Answered:
    """What became of one program.

    Attributes:
        message: What the model is told of it.
        result: Its grade; None if nothing was graded, because there was no program or the arena did not accept it.
    """

    message: str
    result: StepResult | None


class Conversation:
    """One episode. Programs go in, messages come out.

    Args:
        episode: Freshly opened.
        how: How the model hands in programs.
        method: Who makes them, for the arena's statistics.

    Attributes:
        prompt: The first message to the model.
        reward: What the episode is worth: the highest absolute reward of a program; 0 if none was graded.
        best: The result that it comes from; None if none was graded.
        done: Whether no further program is taken.
        turns: How many were handed in.
    """

    def __init__(self, episode: Episode, how: prompts.Answering, method: str = "") -> None:
        self._episode = episode
        self._how = how
        self._method = method
        self._pending = ("", "")
        self.prompt = prompts.first_message(episode.task, episode.observation)
        self.reward = 0.0
        self.best: StepResult | None = None
        self.done = False
        self.turns = 0

    @property
    def episode(self) -> Episode:
        """The episode."""
        return self._episode

    @property
    def solved(self) -> bool:
        """Whether a program passed every test."""
        return self.best is not None and self.best.tests_passed == self.best.tests_total

    def submit(self, program: str) -> Answered:
        """Grades a program. One without code, or that the arena does not accept, earns nothing and uses up a turn.

        Args:
            program: Python source, or an answer that begins with a fenced block of it.

        Raises:
            EpisodeDoneError: No further program is taken.
            ArenaError: The arena could not do its part. No turn is used up; the same program may be handed in again.
        """
        if self.done:
            raise EpisodeDoneError("the episode is over: reset opens another one")
        code = extract_code(program, self._episode.observation.buggy_code) if _FENCE.match(program) else program
        answered = self._grade(code) if code.strip() else Answered(prompts.no_code_message(self._how), None)
        self.turns += 1
        self.done = self._episode.done or self.turns >= self._episode.observation.max_steps
        if answered.result is not None and answered.result.absolute_reward > self.reward:
            self.reward, self.best = answered.result.absolute_reward, answered.result
        return answered

    def close(self) -> None:
        """Ends the episode, so that it counts for its run. An arena that is gone ends it by itself."""
        self.done = True
        with suppress(ArenaError):
            self._episode.close(timeout_seconds=CLOSE_SECONDS)

    def _grade(self, code: str) -> Answered:
        if self._pending[0] != code:  # the same program after a failure is the same request, graded once
            self._pending = (code, uuid4().hex)
        try:
            result = self._episode.step(code, self._pending[1], method=self._method)
        except InvalidArgumentError as error:
            if error.reason not in UNFIT_PROGRAM:
                raise
            return Answered(prompts.refused_message(error.message, self._how), None)
        self._pending = ("", "")
        last = result.done or self.turns + 1 >= result.observation.max_steps
        message = prompts.next_message(
            result.observation, result.absolute_reward, result.tests_passed, result.tests_total, self._how, done=last
        )
        return Answered(message, result)
