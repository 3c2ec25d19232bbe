"""What a training run does, as its YAML file says."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

Share = Annotated[float, Field(gt=0, lt=1)]
Count = Annotated[int, Field(ge=1)]

OURS = frozenset({"output_dir", "seed", "run_name", "report_to", "max_completion_length", "temperature"})
"""Fields of `GRPOConfig` that follow from the others here."""


class ConfigError(ValueError):
    """A configuration that no run can follow. The message names the file and the field."""


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Tasks(_Model):
    """What is trained on, and what is held out. `tiny` makes its own tasks and looks at none of this.

    Attributes:
        split: Of the arena's tasks, to train on.
        held_out_split: The same, to evaluate on.
        category: Only this category; empty for all.
        difficulty: Only this difficulty; None for all.
        curriculum_rows: The run's curriculum chooses this many tasks in turn, instead; for style `environment`.
    """

    split: str = "train"
    held_out_split: str = "test"
    category: str = ""
    difficulty: Literal["easy", "medium", "hard", "expert"] | None = None
    curriculum_rows: Count | None = None


class Generation(_Model):
    """How completions are made, in training and in evaluation alike.

    Attributes:
        max_tokens: Of a completion.
        temperature: Of sampling.
    """

    max_tokens: Count = 512
    temperature: Annotated[float, Field(gt=0)] = 1.0


class Evaluation(_Model):
    """How held-out tasks are evaluated, before training and after it.

    Attributes:
        tasks: How many at most.
        samples: Of each, at the temperature of training. One greedy completion is made beside them.
        batch: Completions that are made at once.
    """

    tasks: Count = 64
    samples: Count = 4
    batch: Count = 64


class WarmStart(_Model):
    """Supervised learning on generated bug-fix pairs.

    Attributes:
        steps: Of the optimizer.
        batch: Pairs a step.
        learning_rate: At its peak.
    """

    steps: Count
    batch: Count = 32
    learning_rate: Annotated[float, Field(gt=0)] = 2e-3


class Tiny(_Model):
    """A model made on the spot, and tasks made for it.

    Attributes:
        sources: Tasks in whose references bugs are planted, relative to the repository.
        count: How many programs with bugs are made.
        held_out_share: Of the bugs; the others are trained on.
        hidden_size: Width of the model.
        layers: Its depth.
        heads: Of attention.
        vocabulary: Tokens at most.
        warm_start: What precedes GRPO.
    """

    sources: Annotated[tuple[Path, ...], Field(min_length=1)]
    count: Annotated[int, Field(ge=10)]
    held_out_share: Share = 0.2
    hidden_size: Annotated[int, Field(ge=16, multiple_of=16)] = 160
    layers: Count = 4
    heads: Literal[1, 2, 4, 8] = 4
    vocabulary: Annotated[int, Field(ge=300)] = 1024
    warm_start: WarmStart


class Config(_Model):
    """A training run.

    Attributes:
        model: By name or folder, as transformers takes it; None for `tiny`.
        tiny: A model made on the spot, instead.
        style: `reward`: one answer, graded in groups. `environment`: the model calls a tool and hears what goes wrong.
        run_id: The run's name in the arena: of its curriculum, its statistics and its fair share.
        seed: Of everything that is drawn.
        output: Folder of the run.
        sandbox: Backend of an arena that is started for the run; the environment's CODEARENA_SANDBOX_BACKEND precedes.
        tasks: What is trained on.
        generation: How completions are made.
        evaluation: How held-out tasks are evaluated.
        grpo: Further fields of TRL's `GRPOConfig`, by their names there.
    """

    model: str | None = None
    tiny: Tiny | None = None
    style: Literal["reward", "environment"] = "reward"
    run_id: str = "grpo"
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    output: Path = Path("results/training/grpo")
    sandbox: Literal["auto", "docker", "process", "kubernetes"] = "auto"
    tasks: Tasks = Tasks()
    generation: Generation = Generation()
    evaluation: Evaluation = Evaluation()
    grpo: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if (self.model is None) == (self.tiny is None):
            raise ValueError("name a model, or describe a tiny one: exactly one of `model` and `tiny`")
        if self.tiny is not None and self.style != "reward":
            raise ValueError("a tiny model has no chat template, so it calls no tool: its style is `reward`")
        if self.tasks.curriculum_rows is not None and self.style != "environment":
            raise ValueError("tasks.curriculum_rows wants the style `environment`: a curriculum counts episodes")
        if taken := sorted(OURS & self.grpo.keys()):
            raise ValueError(f"grpo.{taken[0]} is set by this file's other fields, or by the command line")
        return self


def load(file: Path, **changes: object) -> Config:
    """Reads a configuration.

    Args:
        file: YAML.
        changes: Fields that replace those of the file.

    Raises:
        ConfigError: It cannot be read, or says something that no run can follow.
    """
    try:
        document = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"{file}: {error}") from error
    if not isinstance(document, dict):
        raise ConfigError(f"{file}: must be a mapping of fields, such as `model`")
    try:
        return Config.model_validate(document | changes)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise ConfigError(": ".join(filter(None, [str(file), where, first["msg"]]))) from error
