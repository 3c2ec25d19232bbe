"""A small Qwen2 with random weights and a tokenizer of its own. Nothing is downloaded."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM

from training.config import Tiny

_PAD, _END = "<|pad|>", "<|end|>"
_PIECES: Final = r"\n|\d|\| *| ?[A-Za-z_]+| ?(?:[<>=!]=|//|\*\*|[^\w\s])| +|."
_MAX_TOKENS = 1024


def tokenizer(texts: Iterable[str], vocabulary: int) -> PreTrainedTokenizerFast:
    """Returns a byte-level tokenizer whose longest tokens are the names, operators and indents of these texts.

    Args:
        texts: What it is trained on. It can encode any other text, too.
        vocabulary: Tokens at most.
    """
    draft = Tokenizer(models.BPE())
    pieces = pre_tokenizers.Split(Regex(_PIECES), "isolated")
    as_bytes = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    draft.pre_tokenizer = pre_tokenizers.Sequence([pieces, as_bytes])
    draft.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[_PAD, _END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    draft.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=draft, pad_token=_PAD, eos_token=_END, padding_side="left", model_max_length=_MAX_TOKENS
    )


def model(tiny: Tiny, words: PreTrainedTokenizerFast) -> Qwen2ForCausalLM:
    """Returns a model with random weights, drawn from torch's generator as it stands."""
    return Qwen2ForCausalLM(
        Qwen2Config(
            vocab_size=len(words),
            hidden_size=tiny.hidden_size,
            intermediate_size=3 * tiny.hidden_size,
            num_hidden_layers=tiny.layers,
            num_attention_heads=tiny.heads,
            num_key_value_heads=tiny.heads,
            max_position_embeddings=_MAX_TOKENS,
            tie_word_embeddings=True,
            bos_token_id=None,
            eos_token_id=words.eos_token_id,
            pad_token_id=words.pad_token_id,
        )
    )
