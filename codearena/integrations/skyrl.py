"""CodeArena as an environment of SkyRL.

Made for skyrl-gym 0.4.0::

    from skyrl_gym.envs import register

    register(id="codearena", entry_point="codearena.integrations.skyrl:CodeArenaEnv")

A row's `reward_spec.ground_truth` is its task id. The arena is the one that CODEARENA_ADDRESS names.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from codearena import RewardMode, prompts
from codearena.integrations._clients import Where
from codearena.integrations._conversation import Conversation
from codearena.integrations._extras import missing
from codearena.replies import extract_code

try:
    from skyrl_gym.envs.base_text_env import BaseTextEnv, BaseTextEnvStepOutput
except ImportError as error:
    raise missing("skyrl-gym", "skyrl") from error


class CodeArenaEnv(BaseTextEnv):
    """An episode of repair in several turns.

    A step is rewarded with what it improves, so that the rewards of an episode sum to that of its best program. An
    arena that fails raises an `ArenaError`.

    Args:
        env_config: `run_id`, `hints` and `seed`, each optional.
        extras: The row's columns: `reward_spec.ground_truth`, and `max_turns`, which SkyRL adds.
    """

    def __init__(self, env_config: Mapping[str, Any] | None = None, extras: Mapping[str, Any] | None = None) -> None:
        super().__init__()
        row = extras or {}
        try:
            self._task_id = str(row["reward_spec"]["ground_truth"])
        except (KeyError, TypeError) as error:
            raise ValueError("the row has no reward_spec.ground_truth: give the task id there") from error
        self.max_turns = int(row.get("max_turns") or 5)
        config = env_config or {}
        self._options = {name: config[name] for name in ("run_id", "hints", "seed") if name in config}
        self._conversation: Conversation | None = None

    def init(
        self,
        prompt: list[dict[str, str]],  # noqa: ARG002 - the episode's own is longer: it has the error log
    ) -> tuple[list[dict[str, str]], dict[str, Any]]:
        """Opens an episode; returns its first messages, in place of the row's prompt, and the task's id."""
        episode = Where.configured().shared().reset(self._task_id, reward_mode=RewardMode.IMPROVEMENT, **self._options)
        self._conversation = Conversation(episode, prompts.BLOCK, "skyrl")
        first = [
            {"role": "system", "content": prompts.SYSTEM},
            {"role": "user", "content": self._conversation.prompt},
        ]
        return first, {"task_id": episode.task_id}

    def step(self, action: str) -> BaseTextEnvStepOutput:
        """Grades the program in an answer."""
        if self._conversation is None:
            raise RuntimeError("no episode is open: init first")
        self.turns += 1
        answered = self._conversation.submit(extract_code(action, self._conversation.episode.observation.buggy_code))
        done = self._conversation.done or self.turns >= self.max_turns
        return BaseTextEnvStepOutput(
            observations=[] if done else [{"role": "user", "content": answered.message}],
            reward=0.0 if answered.result is None else answered.result.reward,
            done=done,
            metadata={},
        )

    def close(self) -> None:
        """Ends the episode."""
        if self._conversation is not None and not self._conversation.done:
            self._conversation.close()

    def get_metrics(self) -> dict[str, Any]:
        """Returns whether it was solved, in how many turns, and the best program's reward."""
        if self._conversation is None:
            return {}
        return {
            "solved": float(self._conversation.solved),
            "turns": self._conversation.turns,
            "best_reward": self._conversation.reward,
        }
