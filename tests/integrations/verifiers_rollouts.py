"""Plays tasks with verifiers, in the interpreter that has it; prints what its traces hold as JSON.

python verifiers_rollouts.py ARENA MODEL_URL TASKS
"""

import asyncio
import json
import sys

import verifiers.v1 as vf

from codearena.integrations.verifiers import load_environment


async def main(address: str, url: str, wanted: list[str]) -> list[dict[str, object]]:
    env = load_environment(taskset={"address": address, "split": ""}, max_turns=3, run_id="verifiers")
    context = vf.ModelContext(model="test-model", client=vf.EvalClientConfig(base_url=url, api_key_var="NO_KEY"))
    found = []
    async with env.serving():
        for task in env.taskset.include(ids=wanted):
            episode = await env.run_episode(task, context)
            (trace,) = episode.traces or (None,)
            found.append(
                {
                    "id": task.data.id,
                    "ok": episode.ok,
                    "errors": [f"{error.type}: {error.message}" for error in episode.errors],
                    "rewards": {} if trace is None else {name: one.score for name, one in trace.rewards.items()},
                    "metrics": {} if trace is None else dict(trace.metrics),
                    "roles": [] if trace is None else [node.message.role for node in trace.nodes],
                }
            )
    return found


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asyncio.run(main(sys.argv[1], sys.argv[2], sys.argv[3].split(",")))) + "\n")
