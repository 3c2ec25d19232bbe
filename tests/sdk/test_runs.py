"""Curriculum, memory, statistics, quotas, rescoring and export, by the sync and the async client."""

import pickle
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta, timezone

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

import codearena
from codearena import ArenaClient, AsyncArenaClient, Difficulty, ErrorReason, Memory, Outcome
from codearena.v1 import core_pb2
from codearena.v1 import env_service_pb2 as pb

SURROGATE = "\ud800"
AT = datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)
CODE = "def count(s): return len(s)\n"


@pytest.fixture(params=[ArenaClient, AsyncArenaClient], ids=["sync", "async"])
async def call(request, fake):
    """Calls a method of either client; what it iterates over comes as a list."""
    arena = request.param(fake.address)

    async def invoke(method, /, *arguments, **options):
        answer = getattr(arena, method)(*arguments, **options)
        if isinstance(answer, AsyncIterator):
            return [item async for item in answer]
        if isinstance(answer, Iterator):
            return list(answer)
        return await answer if request.param is AsyncArenaClient else answer

    yield invoke
    if request.param is AsyncArenaClient:
        await arena.close()
    else:
        arena.close()


async def test_curriculum(fake, call):
    move = codearena.CurriculumMove(20, Difficulty.EASY, Difficulty.MEDIUM, 0.85, "The mean was over 0.80.")
    assert await call("get_curriculum", "grpo-12") == codearena.Curriculum(
        level=Difficulty.MEDIUM,
        levels=(Difficulty.EASY, Difficulty.MEDIUM, Difficulty.HARD),
        window=(0.5, 0.75),
        mean_reward=0.625,
        episode_count=22,
        moves=(move,),
        explanation="Medium; a mean over 0.80 raises it.",
    )
    assert fake.requests("GetCurriculum") == [pb.GetCurriculumRequest(run_id="grpo-12")]
    fake.responses["GetCurriculum"] = lambda request: pb.GetCurriculumResponse()
    assert (await call("get_curriculum", "new")).mean_reward is None


async def test_memories_of_all_pages(fake, call, make):
    pages = {"": (["a", "b"], "two"), "two": (["c"], "")}
    fake.responses["ListMemories"] = lambda request: pb.ListMemoriesResponse(
        memories=[make.memory(name) for name in pages[request.page_token][0]],
        next_page_token=pages[request.page_token][1],
    )
    memories = await call("list_memories", "grpo-12", task_id="t")
    assert [memory.task_id for memory in memories] == ["a", "b", "c"]
    assert memories[0] == Memory("a", CODE, 0.98, "O(n)", "ep_1", AT)
    first, second = fake.requests("ListMemories")
    assert first == pb.ListMemoriesRequest(run_id="grpo-12", task_id="t")
    assert second == pb.ListMemoriesRequest(run_id="grpo-12", task_id="t", page_token="two")


async def test_memories_that_do_not_advance_are_an_error(fake, call):
    fake.responses["ListMemories"] = lambda request: pb.ListMemoriesResponse(next_page_token="same")
    with pytest.raises(codearena.InternalError, match="advance"):
        await call("list_memories", "grpo-12")


async def test_memories_of_a_namespace(fake, call):
    await call("list_memories", memory_namespace="shared")
    await call("import_memories", [], memory_namespace="shared")
    assert fake.requests("ListMemories")[0].WhichOneof("owner") == "memory_namespace"
    assert fake.requests("ImportMemories")[0].WhichOneof("owner") == "memory_namespace"


@pytest.mark.parametrize("method", [("list_memories",), ("import_memories", [])], ids=lambda method: method[0])
async def test_memories_have_one_owner(fake, call, method):
    with pytest.raises(TypeError, match="either"):
        await call(*method, run_id="grpo-12", memory_namespace="shared")
    assert not fake.received


async def test_memories_that_were_listed_can_be_imported(fake, call, make):
    memories = await call("list_memories", "grpo-12")
    assert await call("import_memories", [*memories, Memory("hard-1", "x = 1", 1)], "grpo-13") == 2
    assert fake.requests("ImportMemories") == [
        pb.ImportMemoriesRequest(
            run_id="grpo-13", memories=[make.memory(), pb.Memory(task_id="hard-1", code="x = 1", reward=1.0)]
        )
    ]


async def test_import_is_sent_in_parts(fake, call):
    assert await call("import_memories", (Memory(f"t-{n}", "x", 0.5) for n in range(2001)), "grpo-12") == 2001
    assert [len(request.memories) for request in fake.requests("ImportMemories")] == [1000, 1000, 1]
    fake.received.clear()
    assert await call("import_memories", [Memory(f"t-{n}", "x" * 2**18, 0.5) for n in range(80)], "grpo-12") == 80
    requests = fake.requests("ImportMemories")
    assert [memory.task_id for request in requests for memory in request.memories] == [f"t-{n}" for n in range(80)]
    assert {request.run_id for request in requests} == {"grpo-12"}
    assert len(requests) > 1


@pytest.mark.parametrize(
    ("memory", "error"),
    [
        ({"task_id": "a"}, TypeError),
        (Memory("a", b"x", 0.5), TypeError),
        (Memory("a", "x", "0.5"), TypeError),
        (Memory("a", SURROGATE, 0.5), codearena.InvalidArgumentError),
        (Memory("a", "x", float("nan")), codearena.InvalidArgumentError),
        (Memory("a", "x", 10**400), codearena.InvalidArgumentError),
        (Memory("a", "x", 0.5, created_at=datetime(2026, 1, 31)), codearena.InvalidArgumentError),
    ],
)
async def test_one_impossible_memory_keeps_all_from_being_sent(fake, call, memory, error):
    fine = [Memory("a", "x", 0.5)] * 1000
    with pytest.raises(error, match=r"memories\[1000\]"):
        await call("import_memories", [*fine, memory], "grpo-12")
    assert not fake.received


async def test_stats(fake, call):
    east = timezone(timedelta(hours=2))
    tables = await call("get_stats", "grpo-12", datetime(2026, 1, 31, 2, tzinfo=east), AT)
    assert list(tables) == ["all", "task", "complexity"]
    assert tables["all"] == [codearena.StatsRow("all", 9, 21, 0.61, 0.75, 2.25, 0.1)]
    assert tables["complexity"] == [codearena.StatsRow("O(n)", 4, 7, 0.7, None, None, 0.0)]
    (request,) = fake.requests("GetStats")
    assert request.run_id == "grpo-12"
    assert request.start_time.ToJsonString() == "2026-01-31T00:00:00Z"
    assert request.end_time.ToDatetime(UTC) == AT


async def test_stats_and_export_of_all_time_name_none(fake, call):
    await call("get_stats")
    await call("export_steps")
    assert fake.requests("GetStats") == [pb.GetStatsRequest()]
    assert fake.requests("ExportSteps") == [pb.ExportStepsRequest()]


@pytest.mark.parametrize("method", ["get_stats", "export_steps"])
@pytest.mark.parametrize(
    ("start", "error"),
    [
        ("2026-01-31", TypeError),
        (datetime(2026, 1, 31), codearena.InvalidArgumentError),
        (datetime.min.replace(tzinfo=timezone(timedelta(hours=2))), codearena.InvalidArgumentError),
    ],
)
async def test_times_must_be_aware(fake, call, method, start, error):
    with pytest.raises(error, match="start"):
        await call(method, start=start)
    assert not fake.received


async def test_runs(fake, call):
    first, second = await call("list_runs", 2)
    assert first == codearena.Run("grpo-12", 2.5, 500, 0, 9, 2, 21, 0.61, AT)
    assert second == codearena.Run("new", 1.0, 0, 0, 0, 0, 0, None, None)
    assert fake.requests("ListRuns") == [pb.ListRunsRequest(page_size=2)]


async def test_update_sends_only_what_is_given(fake, call):
    assert (await call("update_run", "grpo-12", weight=2)).weight == 2.5
    await call("update_run", "grpo-12", max_open_episodes=0, max_gradings_per_minute=7)
    assert fake.requests("UpdateRun") == [
        pb.UpdateRunRequest(run_id="grpo-12", weight=2.0),
        pb.UpdateRunRequest(run_id="grpo-12", max_open_episodes=0, max_gradings_per_minute=7),
    ]


async def test_rescore_yields_rewards_and_errors(fake, call, make):
    gone = core_pb2.ItemError(code=5, message="no such task", reason="ERROR_REASON_TASK_NOT_FOUND")
    fake.responses["RescoreEpisodes"] = lambda request: [
        make.rescored(1, new_reward=0.0),
        make.rescored(2, error=gone),
        make.rescored(3),
    ]
    steps = await call("rescore", "grpo-12", "easy-1", "tests_only", regrade=True, apply=True)
    assert steps[0] == codearena.RescoredStep("ep_1", 1, "easy-1", 0.5, 0.0, None)
    assert [step.new_reward for step in steps] == [0.0, None, None]
    assert isinstance(steps[1].error, codearena.NotFoundError)
    assert steps[1].error.reason == ErrorReason.TASK_NOT_FOUND
    assert isinstance(steps[2].error, codearena.ArenaError)  # neither a reward nor an error is no reward of 0
    assert fake.requests("RescoreEpisodes") == [
        pb.RescoreEpisodesRequest(
            run_id="grpo-12", task_id="easy-1", reward_profile="tests_only", regrade=True, apply=True
        )
    ]
    await call("rescore")
    assert fake.requests("RescoreEpisodes")[1] == pb.RescoreEpisodesRequest()


async def test_export(fake, call):
    first, second = await call("export_steps", "grpo-12", start=AT)
    assert (first.step, second.step) == (1, 2)
    assert first == codearena.StepRecord(
        episode_id="ep_1",
        run_id="grpo-12",
        task_id="easy-1",
        category="easy",
        difficulty=Difficulty.EASY,
        step=1,
        reward=0.5,
        outcome=Outcome.TESTS_FAILED,
        tests_passed=2,
        repeated=True,
        time_complexity="O(n)",
        method="builtin",
        solved=True,
        created_at=AT + timedelta(milliseconds=250),
        proposed_fix='def count(s):\n    return ","\n',
    )
    assert fake.requests("ExportSteps") == [
        pb.ExportStepsRequest(run_id="grpo-12", start_time=Timestamp(seconds=1_700_000_000))
    ]
    assert pickle.loads(pickle.dumps(first)) == first


@pytest.mark.parametrize(("rpc", "method"), [("ExportSteps", "export_steps"), ("RescoreEpisodes", "rescore")])
async def test_streams_that_break_off_raise(fake, call, make, rpc, method):
    def breaks_off(request):
        yield make.record() if rpc == "ExportSteps" else make.rescored(new_reward=0.5)
        raise RuntimeError("the server's own mistake")

    fake.responses[rpc] = breaks_off
    with pytest.raises(codearena.InternalError):
        await call(method)


def test_dropped_export_is_cancelled(fake, client, make):
    def endless(request):
        yield make.record()
        fake.release.wait(timeout=30)

    fake.responses["ExportSteps"] = endless
    steps = client.export_steps()
    assert next(steps).step == 1
    steps.close()
    assert client.get_task("easy-1").task_id == "easy-1"


async def test_impossible_time_of_an_arena_is_an_error(fake, call):
    fake.responses["ExportSteps"] = lambda request: [pb.ExportStepsResponse(create_time=Timestamp(seconds=2**62))]
    with pytest.raises(codearena.InternalError, match="time"):
        await call("export_steps")


@pytest.mark.parametrize(
    ("method", "arguments"),
    [
        ("get_curriculum", {"run_id": SURROGATE}),
        ("list_memories", {"run_id": SURROGATE}),
        ("list_memories", {"memory_namespace": SURROGATE}),
        ("list_memories", {"run_id": "r", "task_id": SURROGATE}),
        ("get_stats", {"run_id": SURROGATE}),
        ("list_runs", {"count": -1}),
        ("list_runs", {"count": 2**31}),
        ("update_run", {"run_id": SURROGATE}),
        ("update_run", {"run_id": "r", "weight": float("inf")}),
        ("update_run", {"run_id": "r", "max_open_episodes": -1}),
        ("update_run", {"run_id": "r", "max_gradings_per_minute": 2**31}),
        ("rescore", {"reward_profile": SURROGATE}),
        ("export_steps", {"run_id": SURROGATE}),
    ],
)
async def test_impossible_values_are_refused_before_sending(fake, call, method, arguments):
    with pytest.raises(codearena.InvalidArgumentError) as caught:
        await call(method, **arguments)
    assert caught.value.metadata["field"] == list(arguments)[-1]
    assert not fake.received


@pytest.mark.parametrize(
    ("method", "arguments"),
    [
        ("get_curriculum", {"run_id": None}),
        ("import_memories", {"memories": "text"}),
        ("import_memories", {"memories": 7}),
        ("list_runs", {"count": "50"}),
        ("update_run", {"run_id": "r", "weight": "2"}),
        ("update_run", {"run_id": "r", "weight": True}),
        ("update_run", {"run_id": "r", "max_open_episodes": 1.5}),
        ("rescore", {"apply": 1}),
        ("rescore", {"regrade": "yes"}),
    ],
)
async def test_wrong_types_are_type_errors(fake, call, method, arguments):
    with pytest.raises(TypeError, match=list(arguments)[-1]):
        await call(method, **arguments)
    assert not fake.received


async def test_quota_is_an_error_of_its_own_and_not_retried(fake, call):
    fake.fail("Reset", grpc.StatusCode.RESOURCE_EXHAUSTED, reason="QUOTA_EXCEEDED", retry_after_nanos=4_000_000_000)
    with pytest.raises(codearena.QuotaExceededError) as caught:
        await call("reset", run_id="grpo-12")
    assert (caught.value.reason, caught.value.retry_after_seconds) == (ErrorReason.QUOTA_EXCEEDED, 4.0)
    assert isinstance(caught.value, codearena.RetryableError)
    assert not isinstance(caught.value, codearena.QueueFullError)
    assert len(fake.received["Reset"]) == 1


async def test_reset_says_how_to_play(fake, call):
    await call(
        "reset",
        "easy-1",
        feedback="counts",
        hints=False,
        reward_mode="improvement",
        reward_profile="tests_only",
        offer_memory=True,
        memory_namespace="shared",
    )
    await call("reset", "easy-1", feedback=codearena.Feedback.VISIBLE, reward_mode=codearena.RewardMode.ABSOLUTE)
    await call("reset", "easy-1")
    first, second, third = fake.requests("Reset")
    assert first.options == pb.EpisodeOptions(
        feedback="FEEDBACK_POLICY_COUNTS",
        no_hints=True,
        reward_mode="REWARD_MODE_IMPROVEMENT",
        reward_profile="tests_only",
        offer_memory=True,
        memory_namespace="shared",
    )
    assert second.options == pb.EpisodeOptions(feedback="FEEDBACK_POLICY_VISIBLE", reward_mode="REWARD_MODE_ABSOLUTE")
    assert not third.HasField("options")


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"feedback": "all"}, codearena.InvalidArgumentError),
        ({"feedback": 1}, TypeError),
        ({"reward_mode": "best"}, codearena.InvalidArgumentError),
        ({"reward_mode": "unspecified"}, codearena.InvalidArgumentError),
        ({"hints": None}, TypeError),
        ({"offer_memory": "yes"}, TypeError),
        ({"memory_namespace": SURROGATE}, codearena.InvalidArgumentError),
        ({"reward_profile": None}, TypeError),
    ],
)
async def test_options_that_do_not_exist_are_refused(fake, call, options, error):
    with pytest.raises(error, match=next(iter(options))):
        await call("reset", "easy-1", **options)
    assert not fake.received


async def test_profile_and_method_are_sent(fake, call):
    await call("grade", "easy-1", "x", reward_profile="tests_only")
    await call("grade_group", "easy-1", ["x"], reward_profile="tests_only")
    await call("step", "ep_1", "x", method="builtin")
    episode = await call("reset", "easy-1")
    stepped = episode.step("x", method="mine")
    if not isinstance(stepped, codearena.StepResult):
        await stepped
    assert fake.requests("Grade")[0].reward_profile == "tests_only"
    assert fake.requests("GradeGroup")[0].reward_profile == "tests_only"
    assert [request.method for request in fake.requests("Step")] == ["builtin", "mine"]


async def test_step_shows_both_rewards_contributions_and_memory(fake, call, make):
    observation = make.observation(step=2)
    observation.regression = "two passed before"
    observation.best_known.CopyFrom(make.memory())
    grade = make.grade(reward=0.0)
    grade.breakdown.contributions.update({"step_penalty": -0.04, "test_pass_ratio": 0.5, "compile_score": 0.2})
    fake.responses["Step"] = lambda request: pb.StepResponse(observation=observation, grade=grade, absolute_reward=0.4)
    result = await call("step", "ep_1", "x")
    assert (result.reward, result.absolute_reward) == (0.0, 0.4)
    assert result.observation.regression == "two passed before"
    assert result.observation.best_known == Memory("easy-1", CODE, 0.98, "O(n)", "ep_1", AT)
    contributions = result.breakdown.contributions
    assert list(contributions.items()) == [("compile_score", 0.2), ("test_pass_ratio", 0.5), ("step_penalty", -0.04)]


async def test_step_without_memory_or_regression(call):
    observation = (await call("step", "ep_1", "x")).observation
    assert (observation.best_known, observation.regression) == (None, "")


async def test_arena_without_reward_modes_has_one_reward(call):
    result = await call("step", "ep_1", "x")  # the peer's answer has no absolute reward
    assert result.absolute_reward == result.reward == 0.9


@pytest.mark.parametrize(
    ("kind", "wire", "prefix"),
    [
        (codearena.Feedback, pb.FeedbackPolicy, "FEEDBACK_POLICY_"),
        (codearena.RewardMode, pb.RewardMode, "REWARD_MODE_"),
    ],
)
def test_options_are_those_of_the_wire(kind, wire, prefix):
    names = [name.removeprefix(prefix) for name in wire.keys()]  # noqa: SIM118 - no dict
    assert [member.value for member in kind] == [name for name in names if name != "UNSPECIFIED"]
