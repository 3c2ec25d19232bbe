"""Who learns, from what: a model, its tokenizer and its tasks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datasets import Dataset
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
    Qwen2ForCausalLM,
    set_seed,
)

from codearena.integrations.trl import catalogue_dataset, curriculum_dataset
from codearena.integrations.trl.rewards import Extract, program_of
from training import edits, generated, tiny
from training.config import Config, ConfigError, Tiny
from training.folder import RunFolder
from training.warm_start import warm_start


@dataclass(frozen=True, slots=True)
class Learner:
    """What GRPO starts from.

    Attributes:
        model: The model.
        tokenizer: Its tokenizer.
        trained: Rows to train on.
        held_out: Rows to evaluate on.
        extract: Takes the program out of a completion's text and its row.
    """

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    trained: Dataset
    held_out: Dataset
    extract: Extract = program_of


def named_learner(config: Config, address: str, token: str | None) -> Learner:
    """Returns a model by name or folder, with tasks of the arena.

    Raises:
        ConfigError: There is no such model, or no such task.
    """
    assert config.model is not None
    tasks, tool = config.tasks, config.style == "environment"
    try:
        rows = {
            split: catalogue_dataset(
                address, split=split, category=tasks.category, difficulty=tasks.difficulty, tool=tool, token=token
            )
            for split in (tasks.split, tasks.held_out_split)
        }
    except ValueError as error:
        raise ConfigError(f"tasks: {error}") from error
    trained = rows[tasks.split]
    if tasks.curriculum_rows is not None:
        trained = curriculum_dataset(tasks.curriculum_rows, seed=config.seed)
    try:
        tokenizer = AutoTokenizer.from_pretrained(config.model)
        model = AutoModelForCausalLM.from_pretrained(config.model, dtype="auto")
    except (OSError, ValueError) as error:
        raise ConfigError(f"model: {error}") from error
    return Learner(model, tokenizer, trained, rows[tasks.held_out_split])


def tiny_learner(settings: Tiny, seed: int, folder: RunFolder) -> Learner:
    """Returns a tiny model after its warm start, with the tasks that were generated for it.

    Raises:
        ConfigError: There are too few tasks.
    """
    planted = generated.planted(folder.tasks, settings.held_out_share, seed)
    trained, held_out = generated.rows(planted.trained), generated.rows(planted.held_out)
    if not folder.warm_start.exists():
        _warm(settings, seed, trained, folder)
    return Learner(
        Qwen2ForCausalLM.from_pretrained(folder.warm_start),
        # AutoTokenizer would split text as Qwen's own tokenizer does, since the model is a Qwen2
        PreTrainedTokenizerFast.from_pretrained(folder.warm_start),
        trained,
        held_out,
        patched,
    )


def patched(text: str, row: Mapping[str, Any]) -> str:
    """Returns the program that an edit makes of the row's; "" if the text is no edit."""
    return edits.apply(row["buggy_code"], text)


def _warm(settings: Tiny, seed: int, trained: Dataset, folder: RunFolder) -> None:
    """Makes a model, warms it up, and leaves it in the run's folder in one move."""
    set_seed(seed)
    texts = [row["prompt"] + row["completion"] for row in trained]
    tokenizer = tiny.tokenizer(texts, settings.vocabulary)
    model = tiny.model(settings, tokenizer)
    warm_start(model, tokenizer, trained, settings.warm_start, folder=folder.path / "warm-start-log", seed=seed)
    draft = Path(f"{folder.warm_start}.tmp")
    model.save_pretrained(draft)
    tokenizer.save_pretrained(draft)
    draft.replace(folder.warm_start)
