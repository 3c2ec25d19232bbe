"""Supervised learning on bug-fix pairs, so that GRPO has something to reward."""

from __future__ import annotations

from pathlib import Path

from datasets import Dataset
from transformers import PreTrainedModel, PreTrainedTokenizerBase, PrinterCallback
from trl import SFTConfig, SFTTrainer

from training.callbacks import StepLines
from training.config import WarmStart


def warm_start(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    pairs: Dataset,
    settings: WarmStart,
    *,
    folder: Path,
    seed: int,
) -> None:
    """Teaches a model to complete prompts; it is changed in place.

    Args:
        model: The model.
        tokenizer: Its tokenizer.
        pairs: Rows of `prompt` and `completion`.
        settings: How long and how fast.
        folder: For TensorBoard's files.
        seed: Of the order of the pairs.
    """
    arguments = SFTConfig(
        output_dir=str(folder),
        use_cpu=True,
        bf16=False,
        gradient_checkpointing=False,
        max_steps=settings.steps,
        per_device_train_batch_size=settings.batch,
        learning_rate=settings.learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=min(20, settings.steps // 5),
        completion_only_loss=True,
        max_length=None,
        logging_steps=max(1, settings.steps // 20),
        save_strategy="no",
        report_to="tensorboard",
        disable_tqdm=True,
        seed=seed,
    )
    trainer = SFTTrainer(
        model=model,
        args=arguments,
        train_dataset=pairs.select_columns(["prompt", "completion"]),
        processing_class=tokenizer,
        callbacks=[StepLines()],
    )
    trainer.remove_callback(PrinterCallback)
    trainer.train()
