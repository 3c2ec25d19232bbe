"""An environment for `GRPOTrainer(environment_factory=…)`: the model calls a tool until it is content."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field

from codearena import ArenaError, FailedPreconditionError, Feedback, StepResult, TLSConfig, prompts
from codearena._channel import DEFAULT_ADDRESS, MAX_ATTEMPTS
from codearena._errors import INFRASTRUCTURE
from codearena.integrations._clients import Where
from codearena.integrations._conversation import Conversation

_LOG = logging.getLogger(__name__)


class RepairEnvironment:
    """One rollout of TRL at a time; it is reset before each. Made by `environment_factory`.

    TRL takes every public method but `reset` and `get_reward` for a tool of the model.
    """

    def __init__(self, factory: EnvironmentFactory) -> None:
        self._factory = factory
        self._conversation: Conversation | None = None
        self._failure: ArenaError | None = None

    def reset(self, task_id: str = "auto", seed: int | None = None, **columns: object) -> str:  # noqa: ARG002 - TRL passes the row
        """Opens an episode.

        Args:
            task_id: As for `ArenaClient.reset`. Rollouts of one group need the same task: where the arena chooses,
                give their row a seed.
            seed: Chooses among several tasks, and the random inputs; the same seed chooses the same.
            columns: The row's other columns; they are not used.

        Returns:
            The first message, which TRL appends to the last one of the row's prompt. "" if the arena cannot be
            reached just now: such a rollout has no reward.

        Raises:
            NotFoundError: There is no such task.
            ArenaError: The arena refuses what every further reset would ask as well, for example the token.
        """
        if self._conversation is not None and not self._conversation.done:
            self._conversation.close()
        self._conversation = self._failure = None
        try:
            self._conversation = self._factory.open(task_id, seed)
        except INFRASTRUCTURE as error:
            _LOG.warning("no episode could be opened, so the rollout has no reward: %s", error)
            self._failure = error
            return ""
        return self._conversation.prompt

    def submit_fix(self, proposed_fix: str) -> str:
        """Runs a repaired program against the tests and tells which of them fail.

        Args:
            proposed_fix: The whole repaired Python program.

        Returns:
            How many tests pass, the reward, and what still goes wrong.
        """
        if self._failure is not None:
            raise self._failure
        if self._conversation is None:
            raise FailedPreconditionError("no episode is open: reset first")
        try:
            return self._conversation.submit(proposed_fix).message
        except FailedPreconditionError:
            raise  # the model's doing: it calls after the end
        except ArenaError as error:
            _LOG.warning("a program could not be graded, so the rollout has no reward: %s", error)
            self._failure = error
            raise

    @property
    def best(self) -> StepResult | None:
        """The best program's result, with its breakdown; None if no program was graded."""
        return None if self._conversation is None else self._conversation.best

    def get_reward(self) -> float | None:
        """Ends the episode and returns what it is worth: the highest reward of its programs; 0 without a program.

        None if the arena failed on the way: TRL leaves such a rollout out.
        """
        if self._conversation is not None and not self._conversation.done:
            self._conversation.close()
        if self._failure is not None or self._conversation is None:
            return None
        return self._conversation.reward


@dataclass(frozen=True, slots=True)
class EnvironmentFactory:
    """What TRL calls to make environments; see `environment_factory`. Can be pickled if its token is a string."""

    where: Where
    run_id: str = ""
    split: str = ""
    feedback: Feedback | str | None = None
    hints: bool = True
    reward_profile: str = ""
    method: str = field(default="trl", kw_only=True)

    def __call__(self) -> RepairEnvironment:
        """Makes one."""
        return RepairEnvironment(self)

    def open(self, task_id: str, seed: int | None) -> Conversation:
        """Opens an episode over the connection that all environments of this process share."""
        episode = self.where.shared().reset(
            task_id,
            seed=seed,
            run_id=self.run_id,
            split=self.split,
            feedback=self.feedback,
            hints=self.hints,
            reward_profile=self.reward_profile,
        )
        return Conversation(episode, prompts.TOOL, self.method)


def environment_factory(
    address: str = DEFAULT_ADDRESS,
    *,
    run_id: str = "",
    split: str = "",
    feedback: Feedback | str | None = None,
    hints: bool = True,
    reward_profile: str = "",
    token: str | Callable[[], str | None] | None = None,
    tls: TLSConfig | None = None,
    timeout_seconds: float | None = None,
    max_attempts: int = MAX_ATTEMPTS,
) -> EnvironmentFactory:
    """Returns what `GRPOTrainer(environment_factory=…)` wants: a callable that makes an environment.

    The model has one tool, `submit_fix`. Rows hold `task_id`, and `seed` if they like; `catalogue_dataset(tool=True)`
    makes them. An episode is worth the highest reward of its programs, as in `codearena eval`; it has no reward,
    rather than 0, if the arena failed.

    Args:
        address: As for `ArenaClient`; so are `token`, `tls`, `timeout_seconds` and `max_attempts`.
        run_id: The training run, for curriculum, memory and fair share.
        split: Where the arena chooses the task, of this split only.
        feedback: What a failing test reveals; None for the arena's own policy.
        hints: Whether the arena gives hints.
        reward_profile: Weight profile of the rewards; empty for the arena's.
        token: Bearer token.
        tls: How to encrypt.
        timeout_seconds: Deadline of every call.
        max_attempts: How often a call is sent at most.
    """
    where = Where(address, token, tls, timeout_seconds, max_attempts)
    return EnvironmentFactory(where, run_id, split, feedback, hints, reward_profile)
