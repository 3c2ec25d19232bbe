"""What a model earns on held-out tasks: completions made in batches, graded in groups."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import torch
from datasets import Dataset
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from codearena.integrations.trl import GroupReward
from training.config import Evaluation, Generation
from training.scores import GREEDY, SAMPLED, Scores, scores_of


def evaluate(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    rows: Dataset,
    reward: GroupReward,
    settings: Evaluation,
    generation: Generation,
    seed: int,
) -> dict[str, Scores]:
    """Returns the scores of a model by decoding: `sampled` as in training, and `greedy`.

    Args:
        model: The model.
        tokenizer: Its tokenizer.
        rows: `prompt`, `task_id` and what the reward function wants.
        reward: Grades.
        settings: How many tasks and samples.
        generation: How completions are made.
        seed: Of sampling.

    Raises:
        NothingGradedError: The arena graded none.
    """
    chosen = rows.select(range(min(settings.tasks, len(rows))))
    torch.manual_seed(seed)
    ways = {SAMPLED: (settings.samples, {"do_sample": True, "temperature": generation.temperature, "top_k": 0})}
    ways[GREEDY] = (1, {"do_sample": False})
    found = {}
    for name, (samples, options) in ways.items():
        asked = [row for row in chosen for _ in range(samples)]
        prompts = [row["prompt"] for row in asked]
        options |= {"max_new_tokens": generation.max_tokens}
        texts = [
            text for batch in _batches(prompts, settings.batch) for text in _complete(model, tokenizer, batch, options)
        ]
        found[name] = _graded(reward, asked, texts)
    return found


def _graded(reward: GroupReward, rows: Sequence[Mapping[str, Any]], texts: Sequence[str]) -> Scores:
    components: dict[str, float] = {}
    columns: dict[str, Any] = {
        name: [row[name] for row in rows] for name in rows[0] if name not in ("prompt", "completion")
    }
    prompts = [row["prompt"] for row in rows]
    grading = reward(prompts, texts, log_metric=components.__setitem__, **columns)
    with ThreadPoolExecutor(1) as thread:  # a notebook has an event loop in this one
        rewards = thread.submit(asyncio.run, grading).result()
    by_task: dict[str, list[float]] = defaultdict(list)
    for row, value in zip(rows, rewards, strict=True):
        if value is not None:
            by_task[row["task_id"]].append(value)
    return scores_of(by_task, components, rewards.count(None))


def _batches(prompts: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    for start in range(0, len(prompts), size):
        yield prompts[start : start + size]


def _complete(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, prompts: Sequence[Any], options: Mapping[str, Any]
) -> list[str]:
    texts = [
        prompt
        if isinstance(prompt, str)
        else tokenizer.apply_chat_template(prompt, add_generation_prompt=True, tokenize=False)
        for prompt in prompts
    ]
    model.eval()
    inputs = tokenizer(texts, return_tensors="pt", padding=True, padding_side="left", add_special_tokens=False)
    inputs = inputs.to(model.device)
    with torch.no_grad():
        made = model.generate(**inputs, **options, pad_token_id=tokenizer.pad_token_id)
    texts = tokenizer.batch_decode(made[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
    return [str(text) for text in texts]
