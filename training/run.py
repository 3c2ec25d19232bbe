"""One training run: its stages, each of which leaves its result in the run's folder, so that it can go on there."""

from __future__ import annotations

import dataclasses
import json
import logging
from pathlib import Path
from typing import Any

from datasets import Dataset
from torch.utils.tensorboard import SummaryWriter
from transformers import PrinterCallback, set_seed
from transformers.integrations import TensorBoardCallback
from trl import GRPOConfig, GRPOTrainer

from codearena.integrations.trl import GroupReward, environment_factory
from training import scores
from training.callbacks import SaveOnInterrupt, StepLines
from training.config import Config, ConfigError
from training.episodes import EpisodeLog
from training.evaluate import evaluate
from training.folder import RunFolder
from training.learners import Learner, named_learner, tiny_learner
from training.scores import Scores

_LOG = logging.getLogger(__name__)
_FIELDS = frozenset(field.name for field in dataclasses.fields(GRPOConfig))


def run(config: Config, settings: GRPOConfig, folder: RunFolder, address: str, token: str | None) -> bool:
    """Trains; goes on after the last stage that has ended, and at the last checkpoint.

    Args:
        config: What to do.
        settings: TRL's part of it, by `arguments`.
        folder: Of the run.
        address: Of the arena.
        token: Bearer token.

    Returns:
        Whether it came to its end; otherwise it was interrupted and left a checkpoint.

    Raises:
        ConfigError: The settings cannot be followed.
        ArenaError: The arena cannot be asked.
        NothingGradedError: An evaluation has no figure.
    """
    if config.tiny is not None:
        learner = tiny_learner(config.tiny, config.seed, folder)
    else:
        learner = named_learner(config, address, token)
    training = _Training(config, settings, folder, learner, address, token)
    if not folder.before.exists():
        _save(training.evaluate(), folder.before)
    if not training.train():
        return False
    _save(training.evaluate(), folder.after)
    return True


def arguments(config: Config) -> GRPOConfig:
    """Returns TRL's configuration of a run.

    Raises:
        ConfigError: It has no such field, or refuses a value.
    """
    if unknown := sorted(config.grpo.keys() - _FIELDS):
        raise ConfigError(f"grpo.{unknown[0]} is no field of TRL's GRPOConfig")
    try:
        return GRPOConfig(
            output_dir=str(config.output),
            run_name=config.run_id,
            report_to="none",
            seed=config.seed,
            max_completion_length=config.generation.max_tokens,
            temperature=config.generation.temperature,
            **config.grpo,
        )
    except (TypeError, ValueError) as error:
        raise ConfigError(f"grpo: {error}") from error


class _Training:
    """A trainer in one of the two styles, and how its model is evaluated in that style."""

    def __init__(
        self,
        config: Config,
        settings: GRPOConfig,
        folder: RunFolder,
        learner: Learner,
        address: str,
        token: str | None,
    ) -> None:
        self._config = config
        self._folder = folder
        self._learner = learner
        self._interrupts = SaveOnInterrupt()
        self._episodes = EpisodeLog()
        set_seed(config.seed)
        style: dict[str, Any]
        if config.style == "environment":
            factory = environment_factory(address, run_id=config.run_id, token=token)
            style = {"environment_factory": factory, "reward_funcs": self._episodes, "eval_dataset": self._held_out()}
        else:
            self._reward = GroupReward(address, token=token, run_id=config.run_id, extract=learner.extract)
            style = {"reward_funcs": self._reward}
        board = TensorBoardCallback(SummaryWriter(str(folder.path / "runs")))
        try:
            self._trainer = GRPOTrainer(
                model=learner.model,
                processing_class=learner.tokenizer,
                args=settings,
                train_dataset=learner.trained,
                callbacks=[self._interrupts, StepLines(), board],
                **style,
            )
        except ValueError as error:  # such as a batch that is no multiple of the group
            raise ConfigError(f"TRL refuses these settings: {error}") from error
        self._trainer.remove_callback(PrinterCallback)

    def train(self) -> bool:
        """Trains from the last checkpoint, if there is one; returns whether it came to the end."""
        try:
            self._trainer.train(resume_from_checkpoint=self._folder.checkpoint())
        finally:
            self._interrupts.restore()
            history = self._trainer.state.log_history
            self._folder.curve.write_text("".join(f"{json.dumps(logged)}\n" for logged in history), encoding="utf-8")
        if self._interrupts.interrupted:
            return False
        self._trainer.save_model(str(self._folder.model))
        return True

    def evaluate(self) -> dict[str, Scores]:
        """Returns the scores on held-out tasks by decoding."""
        if self._config.style == "environment":
            return {scores.SAMPLED: self._play()}
        found = evaluate(
            self._trainer.model,
            self._learner.tokenizer,
            self._learner.held_out,
            self._reward,
            self._config.evaluation,
            self._config.generation,
            self._config.seed,
        )
        self._trainer.log({f"eval_{name}_reward": one.mean for name, one in found.items()})
        return found

    def _held_out(self) -> Dataset:
        return self._learner.held_out.select(range(min(self._config.evaluation.tasks, len(self._learner.held_out))))

    def _play(self) -> Scores:
        """Plays an episode of each held-out task as in training, `num_generations` times."""
        self._episodes.clear()
        logged = self._trainer.evaluate()
        return scores.scores_of(self._episodes.rewards, _components(logged), self._episodes.failed)


def _components(logged: dict[str, float]) -> dict[str, float]:
    prefix = "eval_codearena/"
    return {name.removeprefix("eval_"): value for name, value in logged.items() if name.startswith(prefix)}


def _save(found: dict[str, Scores], file: Path) -> None:
    for name, one in found.items():
        failed = f", {one.failed} completions not graded" if one.failed else ""
        tasks = len(one.rewards)
        _LOG.info("%s GRPO, %s: mean reward %.3f of %d held-out tasks%s", file.stem, name, one.mean, tasks, failed)
    scores.save(found, file)
