"""A model in this process, through the pipeline of transformers."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from codearena.evaluation.agents import AgentError, Reply, Request


class HuggingFaceAgent:
    """Generates with a transformers pipeline, one answer at a time, on a thread of its own.

    Args:
        model: A model's name, or a folder that holds one. Its tokenizer must have a chat template.
        temperature: Of sampling; 0 is greedy.
        max_tokens: Of one answer.

    Raises:
        ImportError: transformers or torch is not installed.
        OSError: There is no such model.
    """

    def __init__(self, model: str, *, temperature: float = 0.0, max_tokens: int = 1024) -> None:
        import transformers  # optional, and slow to import

        self._set_seed = transformers.set_seed
        self._pipeline: Any = transformers.pipeline("text-generation", model=model)
        self._sampling: dict[str, Any] = {"do_sample": temperature > 0, "max_new_tokens": max_tokens}
        if temperature > 0:
            self._sampling["temperature"] = temperature
        self._model = model
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="generate")

    async def answer(self, request: Request) -> Reply | None:
        """Generates once."""
        messages = [{"role": message.role, "content": message.content} for message in request.messages]
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._thread, self._generate, messages, request.seed)
        except RuntimeError as error:  # what torch raises, out of memory included
            raise AgentError(f"{self._model}: {' '.join(str(error).split())[:300]}") from error

    def _generate(self, messages: list[dict[str, str]], seed: int) -> Reply:
        self._set_seed(seed % 2**31)
        (generated,) = self._pipeline(messages, return_full_text=False, **self._sampling)
        text = str(generated["generated_text"])
        count = self._pipeline.tokenizer
        prompt = count.apply_chat_template(messages, add_generation_prompt=True, tokenize=True, return_dict=True)
        return Reply(text, None, self._model, len(prompt["input_ids"]), len(count(text)["input_ids"]))
