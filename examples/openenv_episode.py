"""Plays one episode over OpenEnv's WebSocket: a wrong fix, what the arena says of it, and the right one.

python examples/openenv_episode.py http://127.0.0.1:7860
"""

import sys

from codearena.openenv import OpenEnvClient

WRONG = "def average_list(numbers):\n    return sum(numbers) / len(numbers)\n"
RIGHT = "def average_list(numbers):\n    return sum(numbers) / len(numbers) if numbers else 0.0\n"


def main(url: str) -> float:
    """Plays the episode and returns the reward of its last step."""
    with OpenEnvClient(url) as env:
        opened = env.reset(task_id="easy-1", seed=7)
        print(opened.observation.description)
        print(opened.observation.error_log)
        for fix in (WRONG, RIGHT):
            result = env.step(fix)
            seen = result.observation
            print(f"step {seen.step}: reward {result.reward:.3f}, {seen.tests_passed} of {seen.tests_total} tests")
            print(seen.error_log or "every test passed")
        return result.reward or 0.0


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:7860")
