"""A run's folder: what is in it, and whether a run may begin or go on there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import yaml

from training.config import Config, ConfigError


@dataclass(frozen=True, slots=True)
class RunFolder:
    """Paths of what a run leaves. Each is there once its stage has ended, and not before.

    Attributes:
        path: The folder. TRL keeps its checkpoints in it.
    """

    path: Path

    @classmethod
    def checked(cls, config: Config, *, resume: bool) -> RunFolder:
        """Returns the folder of a run that may begin or go on; leaves it as it is.

        Raises:
            ConfigError: A run that begins finds another one's folder; one that goes on finds none, or other settings.
            OSError: The folder cannot be read.
        """
        found = cls(config.output)
        if not found.config.exists():
            if resume:
                raise ConfigError(f"{found.path} holds no run to go on with; leave out --resume")
            return found
        if not resume:
            raise ConfigError(f"{found.path} holds a run; go on with --resume, or name another folder with --output")
        before = yaml.safe_load(found.config.read_text(encoding="utf-8"))
        if differs := _difference(before, yaml.safe_load(_settings(config))):
            raise ConfigError(f"{found.path} holds a run with another {differs}; go on with the same settings")
        return found

    def begin(self, config: Config) -> None:
        """Writes down the settings of a run, unless it goes on. Raises OSError if they cannot be written."""
        if not self.config.exists():
            self.path.mkdir(parents=True, exist_ok=True)
            self.config.write_text(_settings(config), encoding="utf-8")

    @property
    def config(self) -> Path:
        """The settings that the run began with."""
        return self.path / "config.yaml"

    @property
    def tasks(self) -> Path:
        """Generated tasks."""
        return self.path / "tasks"

    @property
    def warm_start(self) -> Path:
        """The model after its warm start."""
        return self.path / "warm-start"

    @property
    def before(self) -> Path:
        """Held-out scores before GRPO."""
        return self.path / "before.json"

    @property
    def after(self) -> Path:
        """Held-out scores after GRPO."""
        return self.path / "after.json"

    @property
    def curve(self) -> Path:
        """What was logged at each step of GRPO, a JSON object a line."""
        return self.path / "curve.jsonl"

    @property
    def model(self) -> Path:
        """The model after GRPO."""
        return self.path / "model"

    def checkpoint(self) -> str | None:
        """Returns the folder of the last checkpoint, if there is one."""
        from transformers.trainer_utils import get_last_checkpoint  # takes seconds, which a refusal need not

        found = get_last_checkpoint(str(self.path))
        return None if found is None else str(found)


def _settings(config: Config) -> str:
    return yaml.safe_dump(config.model_dump(mode="json", exclude={"output"}), sort_keys=False)


def _difference(before: object, now: object, at: str = "") -> str:
    """Returns the name of a field that differs; "" if none does."""
    if isinstance(before, dict) and isinstance(now, dict):
        names = sorted(before.keys() | now.keys())
        inner = (_difference(before.get(name), now.get(name), f"{at}.{name}" if at else name) for name in names)
        return next(filter(None, inner), "")
    return "" if before == now else at
