"""Training runs: curriculum, memory, quotas, statistics, rescoring, export; through the generated stub."""

from __future__ import annotations

import asyncio
import math
from typing import Any

import grpc
import pytest

from codearena.v1 import core_pb2 as core
from codearena.v1 import env_service_pb2 as wire
from codearena.v1 import error_reason_pb2 as reasons
from codearena.v1.env_service_pb2_grpc import EnvServiceStub
from services.env.service import EnvService
from services.env.settings import EnvSettings
from tests.env.parts import Part, Parts

WRONG = "def average_list(numbers):\n    return 1\n"


@pytest.fixture(scope="module")
async def parts(tmp_path_factory: pytest.TempPathFactory, arena_data: Any) -> Any:
    folder = tmp_path_factory.mktemp("runs")
    async with Parts(folder, arena_data, curriculum_minimum=2, curriculum_window=2) as parts:
        yield parts


@pytest.fixture(scope="module")
async def arena_stub(parts: Parts) -> Any:
    async with grpc.aio.insecure_channel(parts.env.address) as channel:
        yield EnvServiceStub(channel)


class Player:
    """A training run that plays episodes."""

    def __init__(self, stub: Any, shipped: Any, run_id: str) -> None:
        self.stub = stub
        self.run_id = run_id
        self._shipped = shipped
        self._requests = 0

    async def reset(self, task_id: str = "auto", **options: Any) -> wire.ResetResponse:
        request = wire.ResetRequest(task_id=task_id, run_id=self.run_id, seed=7, options=wire.EpisodeOptions(**options))
        return await self.stub.Reset(request, timeout=60)

    async def step(self, opened: wire.ResetResponse, fix: str | None = None, method: str = "") -> wire.StepResponse:
        self._requests += 1
        code = self.reference(opened.task.task_id) if fix is None else fix
        request = wire.StepRequest(
            episode_id=opened.episode_id, proposed_fix=code, request_id=f"r{self._requests}", method=method
        )
        return await self.stub.Step(request, timeout=60)

    async def play(self, task_id: str = "auto", fix: str | None = None, **options: Any) -> wire.StepResponse:
        """Plays an episode of one step."""
        opened = await self.reset(task_id, **options)
        response = await self.step(opened, fix)
        if not response.done:
            await self.stub.CloseEpisode(wire.CloseEpisodeRequest(episode_id=opened.episode_id))
        return response

    def reference(self, task_id: str) -> str:
        return str(self._shipped.get(task_id).reference)


@pytest.fixture
def player(arena_stub: Any, shipped: Any, request: pytest.FixtureRequest) -> Player:
    return Player(arena_stub, shipped, request.node.name[:100])


async def refused(call: Any) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return caught.value.code(), caught.value.details() or ""


async def test_a_run_climbs_and_falls(player: Player) -> None:
    curriculum = wire.GetCurriculumRequest(run_id=player.run_id)
    begun = await player.stub.GetCurriculum(curriculum)
    assert (begun.level, begun.episode_count, list(begun.window)) == (core.DIFFICULTY_EASY, 0, [])
    assert list(begun.levels) == [core.DIFFICULTY_EASY, core.DIFFICULTY_MEDIUM, core.DIFFICULTY_HARD]

    for _ in range(2):
        assert (await player.reset()).task.difficulty == core.DIFFICULTY_EASY, "an open episode moves nothing"
        await player.play()
    risen = await player.stub.GetCurriculum(curriculum)
    assert (risen.level, risen.episode_count) == (core.DIFFICULTY_MEDIUM, 2)
    assert [(move.from_level, move.to_level, move.episode) for move in risen.moves] == [
        (core.DIFFICULTY_EASY, core.DIFFICULTY_MEDIUM, 2)
    ]
    assert "0.8" in risen.moves[0].reason
    assert (await player.reset()).task.difficulty == core.DIFFICULTY_MEDIUM

    await player.play("easy-1")
    assert (await player.stub.GetCurriculum(curriculum)).episode_count == 2, "what was not drawn does not count"
    for _ in range(2):
        await player.play(fix="def nothing(): pass\n")
    fallen = await player.stub.GetCurriculum(curriculum)
    assert (fallen.level, fallen.episode_count) == (core.DIFFICULTY_EASY, 4)
    assert fallen.explanation
    other = await player.stub.GetCurriculum(wire.GetCurriculumRequest(run_id="another"))
    assert other.episode_count == 0


async def test_the_metrics_tell_levels(player: Player, parts: Parts) -> None:
    await player.play()
    for _ in range(100):
        if parts.env.metric("codearena_curriculum_level", level="easy") >= 1:
            return
        await asyncio.sleep(0.1)
    pytest.fail("no run is at the level easy")


async def test_memory_is_offered_when_asked_for_and_only_to_its_run(player: Player) -> None:
    wrong = await player.play("easy-1", WRONG)
    solved = await player.play("easy-1")
    assert solved.absolute_reward > wrong.absolute_reward

    assert not (await player.reset("easy-1")).observation.HasField("best_known")
    offered = await player.reset("easy-1", offer_memory=True)
    known = offered.observation.best_known
    assert (known.code, known.reward) == (player.reference("easy-1"), solved.absolute_reward)
    assert known.time_complexity == "O(n)"
    step = await player.step(offered, WRONG)
    assert step.observation.best_known == known
    stranger = Player(player.stub, player._shipped, f"{player.run_id} 2")
    assert not (await stranger.reset("easy-1", offer_memory=True)).observation.HasField("best_known")

    listed = await player.stub.ListMemories(wire.ListMemoriesRequest(run_id=player.run_id))
    assert list(listed.memories) == [known]


async def test_a_proposal_begins_from_memory_only_where_it_is_offered(player: Player) -> None:
    solved = await player.play("hard-1")
    reference = player.reference("hard-1")
    bad = "def max_subarray_sum(arr):\n    return 0\n"
    for offered in (False, True):
        opened = await player.reset("hard-1", offer_memory=offered)
        await player.step(opened, bad)
        proposal = await player.stub.ProposeFix(wire.ProposeFixRequest(episode_id=opened.episode_id), timeout=60)
        assert (proposal.code == reference) == offered, solved.absolute_reward


async def test_a_namespace_is_shared(player: Player) -> None:
    await player.play("easy-1", memory_namespace="team")
    stranger = Player(player.stub, player._shipped, f"{player.run_id} 2")
    offered = await stranger.reset("easy-1", offer_memory=True, memory_namespace="team")
    assert offered.observation.best_known.code == player.reference("easy-1")
    own = await player.stub.ListMemories(wire.ListMemoriesRequest(run_id=player.run_id))
    assert list(own.memories) == []
    named_alike = Player(player.stub, player._shipped, "team")
    assert not (await named_alike.reset("easy-1", offer_memory=True)).observation.HasField("best_known")


async def test_memories_are_imported_all_or_none(player: Player) -> None:
    def memory(task_id: str, **changes: Any) -> wire.Memory:
        return wire.Memory(**{"task_id": task_id, "code": "x = 1\n", "reward": 0.5} | changes)

    async def imported(*memories: wire.Memory) -> int:
        request = wire.ImportMemoriesRequest(run_id=player.run_id, memories=memories)
        return int((await player.stub.ImportMemories(request)).imported_count)

    assert await imported(memory("easy-1"), memory("hard-1")) == 2
    assert await imported(memory("easy-1", reward=0.6), memory("hard-1", reward=0.4)) == 1
    for bad in (
        memory("nowhere-1"),
        memory("medium-1", code=" "),
        memory("medium-1", reward=math.nan),
        memory("medium-1", reward=1.5),
        memory("medium-1", time_complexity="O" * 65),
    ):
        code, details = await refused(imported(memory("easy-1", reward=0.9), bad))
        assert code is grpc.StatusCode.INVALID_ARGUMENT
        assert "memories[1]" in details
    first = await player.stub.ListMemories(wire.ListMemoriesRequest(run_id=player.run_id, page_size=1))
    rest = wire.ListMemoriesRequest(run_id=player.run_id, page_size=1, page_token=first.next_page_token)
    second = await player.stub.ListMemories(rest)
    found = [(memory.task_id, memory.reward) for memory in (*first.memories, *second.memories)]
    assert found == [("easy-1", 0.6), ("hard-1", 0.5)]
    assert second.next_page_token == ""
    for request in (wire.ListMemoriesRequest(), wire.ListMemoriesRequest(run_id="r", page_token="§")):
        assert (await refused(player.stub.ListMemories(request)))[0] is grpc.StatusCode.INVALID_ARGUMENT


async def test_reward_modes_and_profiles(player: Player) -> None:
    opened = await player.reset("easy-1", reward_mode=wire.REWARD_MODE_IMPROVEMENT)
    steps = [await player.step(opened, WRONG), await player.step(opened, f"{WRONG}# 2"), await player.step(opened)]
    assert [step.grade.reward for step in steps] == pytest.approx(
        [steps[0].absolute_reward, 0.0, steps[2].absolute_reward - steps[0].absolute_reward]
    )
    assert sum(step.grade.reward for step in steps) == pytest.approx(steps[2].absolute_reward)
    attempts = steps[2].observation.previous_attempts
    assert [attempt.reward for attempt in attempts] == [step.absolute_reward for step in steps]
    breakdown = steps[2].grade.breakdown
    assert sum(breakdown.contributions.values()) == pytest.approx(steps[2].absolute_reward)

    tests_only = await player.play("easy-1", reward_profile="tests_only")
    assert tests_only.grade.breakdown.profile == "tests_only"
    assert tests_only.absolute_reward == pytest.approx(0.99)
    graded = await player.stub.Grade(
        wire.GradeRequest(task_id="easy-1", code=player.reference("easy-1"), reward_profile="tests_only")
    )
    assert graded.grade.reward == pytest.approx(0.99)
    assert (await refused(player.reset("easy-1", reward_profile="none")))[0] is grpc.StatusCode.INVALID_ARGUMENT
    assert (await refused(player.reset("easy-1", feedback=9)))[0] is grpc.StatusCode.INVALID_ARGUMENT


async def test_feedback_policies_and_hints(player: Player) -> None:
    seen = {}
    for policy in (wire.FEEDBACK_POLICY_FULL, wire.FEEDBACK_POLICY_VISIBLE, wire.FEEDBACK_POLICY_COUNTS):
        response = await player.play("easy-1", WRONG, feedback=policy, no_hints=policy == wire.FEEDBACK_POLICY_COUNTS)
        seen[policy] = response.observation
    full, visible, counts = seen.values()
    assert sum(test.hidden for test in full.test_results) > 0
    assert [test.hidden for test in visible.test_results] == [False] * 3
    assert list(counts.test_results) == []
    assert "FAILED" in visible.error_log
    assert "average_list(" not in counts.error_log
    assert full.hint
    assert counts.hint == ""


@pytest.mark.parametrize("policy", [wire.FEEDBACK_POLICY_VISIBLE, wire.FEEDBACK_POLICY_COUNTS])
async def test_a_policy_holds_before_the_first_step(player: Player, policy: wire.FeedbackPolicy.ValueType) -> None:
    await player.reset("medium-1")
    opened = await player.reset("medium-1", feedback=policy)
    state = await player.stub.GetState(wire.GetStateRequest(episode_id=opened.episode_id))
    for observation in (opened.observation, state.observation):
        assert "tests passed" in observation.error_log or "hidden tests failed" in observation.error_log
        assert ("binary_search(" in observation.error_log) == (policy == wire.FEEDBACK_POLICY_VISIBLE)


async def test_a_fix_that_breaks_what_an_earlier_one_passed_is_told_so(player: Player) -> None:
    opened = await player.reset("easy-1")
    await player.step(opened, "def average_list(numbers):\n    return sum(numbers) / len(numbers)\n")
    response = await player.step(opened, WRONG)
    assert "step 1" in response.observation.regression
    assert response.observation.error_log.startswith(response.observation.regression)
    assert (await player.step(opened)).observation.regression == ""


async def test_statistics_and_export(player: Player) -> None:
    opened = await player.reset("easy-1")
    first = await player.step(opened, WRONG, method="model-a")
    await player.step(opened, WRONG, method="model-a")
    last = await player.step(opened, method="model-b")
    await player.play("hard-1", "def nothing(): pass\n")

    stats = await player.stub.GetStats(wire.GetStatsRequest(run_id=player.run_id))
    tables = {table.name: {row.key: row for row in table.rows} for table in stats.tables}
    assert set(tables) == {"all", "task", "category", "level", "complexity", "method", "day"}
    whole = tables["all"]["all"]
    assert (whole.episode_count, whole.step_count) == (2, 4)
    assert whole.solve_rate == 0.5
    assert whole.mean_steps_to_solve == 3
    assert whole.repeat_rate == 0.25
    assert tables["task"]["easy-1"].solve_rate == 1
    assert tables["task"]["hard-1"].solve_rate == 0
    assert not tables["task"]["hard-1"].HasField("mean_steps_to_solve")
    assert tables["method"]["model-a"].step_count == 2
    assert tables["method"]["model-b"].mean_reward == pytest.approx(last.absolute_reward)
    assert tables["method"]["unknown"].step_count == 1
    assert sum(row.step_count for row in tables["complexity"].values()) == 4
    assert len(tables["day"]) >= 1

    exported = [row async for row in player.stub.ExportSteps(wire.ExportStepsRequest(run_id=player.run_id))]
    assert [(row.task_id, row.step, row.repeated) for row in exported] == [
        ("easy-1", 1, False),
        ("easy-1", 2, True),
        ("easy-1", 3, False),
        ("hard-1", 1, False),
    ]
    assert exported[0].reward == first.absolute_reward
    assert exported[0].proposed_fix == WRONG
    later = wire.GetStatsRequest(run_id=player.run_id)
    later.start_time.CopyFrom(exported[2].create_time)
    later.end_time.CopyFrom(exported[3].create_time)
    within = {table.name: table.rows for table in (await player.stub.GetStats(later)).tables}
    assert [row.step_count for row in within["all"]] == [1]
    nothing = await player.stub.GetStats(wire.GetStatsRequest(run_id="nobody"))
    assert [len(table.rows) for table in nothing.tables] == [0] * 7


async def test_runs_are_listed_and_held_to_their_quotas(player: Player) -> None:
    for weight in (0.0, 1000.0, math.nan):
        bad = wire.UpdateRunRequest(run_id=player.run_id, weight=weight)
        assert (await refused(player.stub.UpdateRun(bad)))[0] is grpc.StatusCode.INVALID_ARGUMENT
    opened = await player.reset("easy-1")
    update = wire.UpdateRunRequest(run_id=player.run_id, weight=2.5, max_open_episodes=1)
    run = (await player.stub.UpdateRun(update)).run
    assert (run.weight, run.max_open_episodes, run.max_gradings_per_minute) == (2.5, 1, 0)
    assert (run.episode_count, run.open_episode_count, run.step_count) == (1, 1, 0)
    await asyncio.sleep(2.1)  # what is set is read anew every two seconds

    code, details = await refused(player.reset("easy-1"))
    assert code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "close some" in details
    await player.step(opened)
    again = await player.reset("easy-1")
    await player.stub.UpdateRun(wire.UpdateRunRequest(run_id=player.run_id, max_gradings_per_minute=2))
    await asyncio.sleep(2.1)
    await player.step(again, WRONG)
    request = wire.GradeRequest(task_id="easy-1", code=WRONG, run_id=player.run_id)
    await player.stub.Grade(request)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await player.step(again)
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert reasons.ErrorReason.Name(reasons.ERROR_REASON_QUOTA_EXCEEDED).removeprefix("ERROR_REASON_") in str(
        caught.value.trailing_metadata()
    )
    listed = (await player.stub.ListRuns(wire.ListRunsRequest(page_size=1))).runs
    assert [run.run_id for run in listed] == [player.run_id]
    assert (listed[0].step_count, listed[0].weight, listed[0].max_open_episodes) == (2, 2.5, 1)
    assert listed[0].last_active_time.seconds > 0


async def test_rescoring_changes_rewards_by_profile_and_nothing_without(player: Player) -> None:
    async def rescored(**how: Any) -> list[tuple[float, float]]:
        request = wire.RescoreEpisodesRequest(run_id=player.run_id, **how)
        return [(item.old_reward, item.new_reward) async for item in player.stub.RescoreEpisodes(request)]

    opened = await player.reset("easy-1", reward_mode=wire.REWARD_MODE_IMPROVEMENT)
    steps = [await player.step(opened, WRONG), await player.step(opened)]
    before = [step.absolute_reward for step in steps]

    assert await rescored() == [(reward, pytest.approx(reward)) for reward in before]
    assert await rescored(regrade=True) == [(reward, pytest.approx(reward)) for reward in before]
    other = await rescored(reward_profile="tests_only")
    assert [old for old, _ in other] == before
    assert all(new != pytest.approx(old) for old, new in other)
    assert await rescored() == [(reward, pytest.approx(reward)) for reward in before], "it was only asked"

    await rescored(reward_profile="tests_only", apply=True)
    assert [old for old, _ in await rescored()] == [new for _, new in other]
    state = await player.stub.GetState(wire.GetStateRequest(episode_id=opened.episode_id))
    assert state.best_reward == pytest.approx(max(new for _, new in other))
    replay = await player.stub.Step(wire.StepRequest(episode_id=opened.episode_id, proposed_fix=WRONG, request_id="r1"))
    assert replay.replayed
    assert replay.absolute_reward == replay.grade.reward == pytest.approx(other[0][1])
    await rescored(apply=True)
    assert await rescored() == [(pytest.approx(reward), pytest.approx(reward)) for reward in before]
    bad = player.stub.RescoreEpisodes(wire.RescoreEpisodesRequest(reward_profile="none"))
    assert (await refused(bad.read()))[0] is grpc.StatusCode.INVALID_ARGUMENT


async def test_curriculum_rules_that_make_no_sense(tmp_path: Any) -> None:
    with pytest.raises(ValueError, match="window"):
        Part(EnvService, EnvSettings, data_dir=tmp_path, curriculum_window=2, curriculum_minimum=5)
