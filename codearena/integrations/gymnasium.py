"""CodeArena as a Gymnasium environment.

Importing this module registers `CodeArena-v0`::

    import gymnasium
    import codearena.integrations.gymnasium

    env = gymnasium.make("CodeArena-v0", address="127.0.0.1:50051", task_id="hard-1")
    message, info = env.reset(seed=7)
    message, reward, terminated, truncated, info = env.step("def max_subarray_sum(arr): ...")

Needs `pip install "codearena-rl[gymnasium]"`.
"""

from __future__ import annotations

import string
from collections.abc import Callable
from typing import Any, ClassVar, Final

from codearena import Feedback, RewardMode, StepResult, TLSConfig, prompts
from codearena._channel import DEFAULT_ADDRESS, MAX_ATTEMPTS
from codearena.integrations._clients import Where
from codearena.integrations._conversation import Conversation
from codearena.integrations._extras import missing

try:
    import gymnasium
    from gymnasium import spaces
except ImportError as error:
    raise missing("gymnasium", "gymnasium") from error

__all__ = ["ENV_ID", "CodeArenaEnv", "UnicodeText"]

ENV_ID: Final = "CodeArena-v0"
_MAX_PROGRAM: Final = 262_144
_MAX_MESSAGE: Final = 4_194_304
_SEEDS: Final = 2**31


class UnicodeText(spaces.Text):
    """Any text of up to so many characters. Samples are of printable ASCII.

    Args:
        max_length: In characters.
        seed: Of the samples.
    """

    def __init__(self, max_length: int, seed: int | None = None) -> None:
        super().__init__(max_length, min_length=0, charset=string.printable, seed=seed)

    def contains(self, x: object) -> bool:
        """Returns whether x is such a text."""
        return isinstance(x, str) and len(x) <= self.max_length

    def __repr__(self) -> str:
        return f"UnicodeText({self.max_length})"


class CodeArenaEnv(gymnasium.Env[str, str]):
    """Episodes of repair.

    An action is a program, or an answer that begins with a fenced block of one. An observation is the message that a
    model is told: the task after a reset, then what became of the last program. The reward is that of the program; 0
    for one without code, or that the arena does not accept. An episode is terminated when it is solved, truncated when
    no answer is left. What is not the agent's doing is raised as an `ArenaError`: the step was not taken, and the same
    action may be tried again.

    Args:
        address: As for `ArenaClient`; so are `token`, `tls`, `timeout_seconds` and `max_attempts`.
        task_id: What to reset to; as for `ArenaClient.reset`, as are those that follow. "auto" follows the curriculum
            of the run, so that the task after a reset depends on what came before.
        split: Choose among the tasks of this split only.
        run_id: The training run, for curriculum, memory and fair share.
        feedback: What a failing test reveals.
        hints: Whether messages may hold hints.
        reward_mode: What the reward of a step is: "absolute" or "improvement".
        reward_profile: Weight profile of the rewards.
        token: Bearer token.
        tls: How to encrypt.
        timeout_seconds: Deadline of every call.
        max_attempts: How often a call is sent at most.
    """

    metadata: ClassVar[dict[str, Any]] = {"render_modes": []}

    def __init__(
        self,
        address: str = DEFAULT_ADDRESS,
        *,
        task_id: str = "auto",
        split: str = "",
        run_id: str = "",
        feedback: Feedback | str | None = None,
        hints: bool = True,
        reward_mode: RewardMode | str | None = None,
        reward_profile: str = "",
        token: str | Callable[[], str | None] | None = None,
        tls: TLSConfig | None = None,
        timeout_seconds: float | None = None,
        max_attempts: int = MAX_ATTEMPTS,
    ) -> None:
        self.action_space = UnicodeText(_MAX_PROGRAM)
        self.observation_space = UnicodeText(_MAX_MESSAGE)
        self._arena = Where(address, token, tls, timeout_seconds, max_attempts).connect()
        self._task_id = task_id
        self._options: dict[str, Any] = {
            "split": split,
            "run_id": run_id,
            "feedback": feedback,
            "hints": hints,
            "reward_mode": reward_mode,
            "reward_profile": reward_profile,
        }
        self._conversation: Conversation | None = None

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[str, dict[str, Any]]:
        """Opens an episode.

        Args:
            seed: Of this episode and those that follow: of the choice among several tasks, and of random inputs.
            options: `task_id` to reset to another one than usual.

        Returns:
            The first message, and `task_id`, `category`, `difficulty` and `buggy_code`.

        Raises:
            ArenaError: The arena could not open it.
        """
        super().reset(seed=seed)
        self._end_episode()
        episode = self._arena.reset(
            (options or {}).get("task_id", self._task_id), seed=int(self.np_random.integers(_SEEDS)), **self._options
        )
        self._conversation = Conversation(episode, prompts.BLOCK, "gymnasium")
        task = episode.task
        return self._conversation.prompt, {
            "task_id": task.task_id,
            "category": task.category,
            "difficulty": task.difficulty.value,
            "buggy_code": task.buggy_code,
        }

    def step(self, action: str) -> tuple[str, float, bool, bool, dict[str, Any]]:
        """Grades a program.

        Args:
            action: The program.

        Returns:
            What a model is told of it, the reward, terminated, truncated, and `outcome`, `tests_passed`, `tests_total`
            and `breakdown`; the last is empty for what was not graded.

        Raises:
            EpisodeDoneError: The episode is over, or none was opened.
            ArenaError: The arena could not do its part.
        """
        if self._conversation is None:
            raise gymnasium.error.ResetNeeded("no episode is open: reset first")
        answered = self._conversation.submit(action)
        done, solved = self._conversation.done, self._conversation.solved
        reward = 0.0 if answered.result is None else answered.result.reward
        return answered.message, reward, done and solved, done and not solved, _info(answered.result)

    def close(self) -> None:
        """Ends the episode and closes the connection. Closing twice is not an error."""
        self._end_episode()
        self._arena.close()

    def _end_episode(self) -> None:
        if self._conversation is not None and not self._conversation.done:
            self._conversation.close()
        self._conversation = None


def _info(result: StepResult | None) -> dict[str, Any]:
    if result is None:
        return {"outcome": "", "tests_passed": 0, "tests_total": 0, "breakdown": {}}
    return {
        "outcome": result.outcome.value,
        "tests_passed": result.tests_passed,
        "tests_total": result.tests_total,
        "breakdown": dict(result.breakdown),
    }


# not deterministic: "auto" follows the run's curriculum
gymnasium.register(ENV_ID, entry_point=f"{__name__}:{CodeArenaEnv.__name__}", nondeterministic=True)
