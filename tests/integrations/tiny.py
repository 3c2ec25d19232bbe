"""A language model of a few thousand weights, made on the spot and trained to say a few things by heart.

It is a Qwen2 with random weights, a tokenizer of its own and Qwen's chat template. Nothing is downloaded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM
from trl.chat_template_utils import qwen2_5_chat_template

END = "<|im_end|>"
_SPECIAL = ["<|endoftext|>", "<|im_start|>", END]
_VOCABULARY = 1024
_STEPS = 600
_LEARNT = 0.004
"""Nats a token above what the choice among the answers costs."""

torch.set_num_threads(1)  # so little to compute that a second thread would mostly wait

Conversation = list[dict[str, Any]]


@dataclass(frozen=True)
class TinyModel:
    """A model and its tokenizer."""

    model: Qwen2ForCausalLM
    tokenizer: PreTrainedTokenizerFast


def tokenizer_of(texts: Sequence[str]) -> PreTrainedTokenizerFast:
    """Returns a byte-level tokenizer that was made of these texts."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=_VOCABULARY,
        special_tokens=_SPECIAL,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token=END, pad_token=_SPECIAL[0], chat_template=qwen2_5_chat_template
    )


def overfitted(conversations: Sequence[Conversation], tools: Sequence[Any] | None = None) -> TinyModel:
    """Returns a model that says what the assistant says in these conversations, each as likely as the others.

    Args:
        conversations: They begin alike and differ in what the assistant says.
        tools: What its first message may call.
    """
    torch.manual_seed(0)
    render = {"tools": list(tools) if tools else None, "tokenize": False}
    draft = tokenizer_of(["draft"])
    tokenizer = tokenizer_of([draft.apply_chat_template(one, **render) for one in conversations])
    examples = [_example(tokenizer, one, render) for one in conversations]
    config = Qwen2Config(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=1,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=4096,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    model = Qwen2ForCausalLM(config)
    _learn(model, examples)
    return TinyModel(model, tokenizer)


def _example(
    tokenizer: PreTrainedTokenizerFast, conversation: Conversation, render: dict[str, Any]
) -> tuple[list[int], list[int]]:
    """Returns the tokens of a conversation, and as labels those that the assistant says."""
    tokens: list[int] = []
    labels: list[int] = []
    for number, message in enumerate(conversation):
        if message["role"] != "assistant":
            continue
        before = tokenizer.apply_chat_template(conversation[:number], add_generation_prompt=True, **render)
        after = tokenizer.apply_chat_template(conversation[: number + 1], **render)
        asked = tokenizer(before)["input_ids"]
        said = tokenizer(after[len(before) :].removesuffix("\n"))["input_ids"]
        assert after.startswith(before)
        labels += [-100] * (len(asked) - len(tokens)) + said
        tokens = asked + said
    return tokens, labels


def _learn(model: Qwen2ForCausalLM, examples: Sequence[tuple[list[int], list[int]]]) -> None:
    longest = max(len(tokens) for tokens, _ in examples)
    ids = torch.tensor([tokens + [0] * (longest - len(tokens)) for tokens, _ in examples])
    labels = torch.tensor([wanted + [-100] * (longest - len(wanted)) for _, wanted in examples])
    choice = torch.tensor(float(len(examples))).log().item() * len(examples) / (labels != -100).sum().item()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2, weight_decay=0.0)
    model.train()
    for _ in range(_STEPS):
        loss = model(input_ids=ids, labels=labels).loss
        if loss.item() < choice + _LEARNT:
            break
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    else:
        raise AssertionError(f"the model did not learn its answers: {loss.item():.3f} nats a token")
    model.eval()
