"""`GroupReward` as TRL calls it: one call for the completions of many tasks."""

from __future__ import annotations

import pytest

from codearena import AsyncArenaClient, NotFoundError
from codearena.integrations.trl import GroupReward
from tests.e2e.processes import free_ports
from tests.integrations.conftest import FENCED, WRONG
from tests.task_files import DEMO

PROSE = "I am sorry, but I cannot help with that."
MEGABYTE = f"```python\n{'x = 1  # so long' * 70_000}\n```"
NO_TEXT = "```python\nx = '\ud800'\n```"


def said(text):
    return [{"role": "assistant", "content": text}]


class Logged:
    """What a reward function reports."""

    def __init__(self):
        self.metrics = {}
        self.columns = {}

    def log_metric(self, name, value):
        assert name not in self.metrics
        self.metrics[name] = value

    def log_extra(self, name, values):
        self.columns[name] = values


async def test_completions_of_many_tasks_are_graded_together(arena):
    ids = [path.stem for path in DEMO]
    tasks = [task_id for task_id in ids for _ in range(3)]
    logged = Logged()
    rewards = await GroupReward(arena.address)(
        prompts=[None] * len(tasks),
        completions=[said(FENCED), said(f"```python\n{WRONG}```"), said(PROSE)] * len(ids),
        completion_ids=[[1]] * len(tasks),
        task_id=tasks,
        trainer_state=object(),
        log_metric=logged.log_metric,
        log_extra=logged.log_extra,
    )
    place = tasks.index("easy-1")
    assert rewards[place] > rewards[place + 1] > 0
    assert rewards[2::3] == [0.0] * len(ids)
    assert None not in rewards
    assert logged.columns["outcome"][place].startswith("PASSED")
    assert logged.columns["outcome"][place + 1].startswith("TESTS_FAILED")
    assert logged.columns["outcome"][place + 2] == "no code"
    assert logged.metrics["codearena/no_code"] == pytest.approx(1 / 3)
    assert logged.metrics["codearena/solved"] == pytest.approx(1 / len(tasks))
    assert logged.metrics["codearena/failed"] == logged.metrics["codearena/refused"] == 0.0
    assert 0 < logged.metrics["codearena/test_pass_ratio"] < 1
    assert logged.metrics["codearena/compile_score"] > 0


async def test_the_reward_is_that_of_a_grade(arena):
    (reward,) = await GroupReward(arena.address)(["p"], [FENCED], task_id=["easy-1"])
    async with AsyncArenaClient(arena.address) as client:
        grade = await client.grade("easy-1", FENCED.split("```")[1].removeprefix("python\n"))
    assert reward == grade.reward


async def test_what_the_arena_does_not_accept_earns_nothing_and_is_counted(arena):
    logged = Logged()
    rewards = await GroupReward(arena.address)(
        ["p"] * 3,
        [MEGABYTE, NO_TEXT, FENCED],
        task_id=["easy-1"] * 3,
        log_metric=logged.log_metric,
        log_extra=logged.log_extra,
    )
    assert rewards[:2] == [0.0, 0.0]
    assert rewards[2] > 0.9
    assert logged.columns["outcome"][:2] == ["refused", "refused"]
    assert logged.metrics["codearena/refused"] == pytest.approx(2 / 3)


async def test_a_group_that_is_too_large_for_one_call_is_split(arena):
    count = 300
    rewards = await GroupReward(arena.address)(["p"] * count, [FENCED] * count, task_id=["easy-1"] * count)
    assert len(set(rewards)) == 1
    assert rewards[0] > 0.9


async def test_the_extraction_is_ones_own(arena):
    seen = []

    def extract(text, row):
        seen.append((text, row))
        return row["answer"]

    reward = GroupReward(arena.address, extract=extract, name="mine")
    logged = Logged()
    rewards = await reward(["p"], ["nothing"], task_id=["easy-1"], answer=[WRONG], size=3, log_metric=logged.log_metric)
    assert seen == [("nothing", {"task_id": "easy-1", "answer": WRONG})]
    assert 0 < rewards[0] < 0.9
    assert reward.__name__ == "mine"
    assert "mine/solved" in logged.metrics


async def test_an_arena_that_is_gone_gives_no_reward():
    (port,) = free_ports(1)
    logged = Logged()
    reward = GroupReward(f"127.0.0.1:{port}", max_attempts=1, attempts=2)
    rewards = await reward(["p"] * 3, [FENCED, PROSE, WRONG], task_id=["easy-1"] * 3, log_metric=logged.log_metric)
    assert rewards == [None, 0.0, None]
    assert logged.metrics["codearena/failed"] == pytest.approx(2 / 3)
    assert "codearena/compile_score" not in logged.metrics


async def test_a_task_that_does_not_exist_is_an_error(arena):
    with pytest.raises(NotFoundError, match="easy-999"):
        await GroupReward(arena.address)(["p"] * 2, [FENCED] * 2, task_id=["easy-1", "easy-999"])


@pytest.mark.parametrize("options", [{"concurrency": 0}, {"attempts": 0}])
def test_bounds_are_checked(options):
    with pytest.raises(ValueError, match="at least 1"):
        GroupReward(**options)
