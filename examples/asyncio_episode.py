"""Plays many episodes at once with asyncio alone: no trainer, no evaluation harness.

python examples/asyncio_episode.py 127.0.0.1:50051
"""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Sequence

from codearena import AsyncArenaClient, prompts
from codearena.replies import extract_code

Messages = list[dict[str, str]]
Policy = Callable[[Messages], Awaitable[str]]


async def play(arena: AsyncArenaClient, policy: Policy, task_id: str) -> float:
    """Plays one episode and returns its highest reward."""
    best = 0.0
    async with await arena.reset(task_id, seed=7) as episode:
        messages = [
            {"role": "system", "content": prompts.SYSTEM},
            {"role": "user", "content": prompts.first_message(episode.task, episode.observation)},
        ]
        while not episode.done:
            reply = await policy(messages)
            code = extract_code(reply, episode.observation.buggy_code)
            if not code:
                break
            result = await episode.step(code)
            best = max(best, result.reward)
            said = prompts.next_message(result.observation, result.reward, result.tests_passed, result.tests_total)
            messages += [{"role": "assistant", "content": reply}, {"role": "user", "content": said}]
    return best


async def play_all(address: str, policy: Policy, task_ids: Sequence[str], at_once: int = 8) -> dict[str, float]:
    """Plays an episode of each task and returns its highest reward by task."""
    room = asyncio.Semaphore(at_once)

    async def one(task_id: str) -> float:
        async with room:
            return await play(arena, policy, task_id)

    async with AsyncArenaClient(address) as arena:
        rewards = await asyncio.gather(*map(one, task_ids))
    return dict(zip(task_ids, rewards, strict=True))


async def stubborn(messages: Messages) -> str:
    """Stands in for a model: hands in what it was given."""
    return messages[1]["content"]


async def main(address: str) -> None:
    """Plays three tasks."""
    for task_id, reward in (await play_all(address, stubborn, ["easy-1", "medium-1", "hard-1"])).items():
        print(f"{task_id}: {reward:.3f}")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:50051"))
