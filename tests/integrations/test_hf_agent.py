"""`--backend hf`: a pipeline of transformers plays an episode, with a tiny model that knows the answer by heart."""

from __future__ import annotations

import asyncio

import pytest

from codearena import AsyncArenaClient, prompts
from codearena.evaluation import Answer, Terms, evaluate
from tests.integrations.conftest import FENCED

pytestmark = [pytest.mark.usefixtures("trl"), pytest.mark.slow, pytest.mark.timeout(300)]

TASK = "easy-1"


async def asked(client):
    """The messages with which an episode of the task begins."""
    async with await client.reset(TASK, seed=0) as episode:
        first = prompts.first_message(await client.get_task(TASK), episode.observation)
    return [{"role": "system", "content": prompts.SYSTEM}, {"role": "user", "content": first}]


async def test_a_model_in_this_process_is_played_with(arena, tmp_path):
    from codearena.evaluation.hf_agent import HuggingFaceAgent
    from tests.integrations.tiny import overfitted

    async with AsyncArenaClient(arena.address) as client:
        conversation = [*await asked(client), {"role": "assistant", "content": FENCED}]
        tiny = await asyncio.to_thread(overfitted, [conversation])
        tiny.model.save_pretrained(tmp_path)
        tiny.tokenizer.save_pretrained(tmp_path)
        agent = HuggingFaceAgent(str(tmp_path), max_tokens=200)
        episodes = [(await client.get_task(TASK), 0)]
        (rollout,) = [r async for r in evaluate(client, agent, episodes, Terms(), concurrency=1, most_failures=1)]
    assert rollout.failure == ""
    (turn,) = rollout.turns
    assert (turn.answer, turn.reply) == (Answer.GRADED, FENCED)
    assert turn.prompt_tokens > turn.completion_tokens > 0
    assert turn.solved
