"""The synchronous client against a real server."""

import grpc
import pytest

import codearena
from codearena import ArenaClient, Difficulty, ErrorReason, JudgeSource, Outcome, ServingStatus, TLSConfig
from codearena.v1 import core_pb2
from codearena.v1 import env_service_pb2 as pb

SURROGATE = "def f(): return '\ud800'"


def test_episode_from_reset_to_done(fake, client):
    episode = client.reset(task_id="hard-1", seed=7, run_id="run")
    assert (episode.episode_id, episode.task_id, episode.done) == ("ep_1", "hard-1", False)
    assert episode.observation.error_log == "one: expected 1, got 0"
    assert fake.requests("Reset") == [pb.ResetRequest(task_id="hard-1", seed=7, run_id="run")]

    result = episode.step("first try")
    assert (result.reward, result.done, result.outcome) == (0.9, False, Outcome.PASSED)
    assert (result.tests_passed, result.tests_total, result.replayed) == (5, 5, False)
    assert episode.observation is result.observation
    assert episode.observation.step == 1

    assert episode.step("done").done
    assert episode.done


def test_reset_without_seed_sends_none(fake, client):
    client.reset()
    client.reset(seed=0)
    client.reset(Difficulty.HARD)
    first, second, third = fake.requests("Reset")
    assert (first.task_id, first.HasField("seed")) == ("auto", False)
    assert (second.seed, second.HasField("seed")) == (0, True)
    assert third.task_id == "hard"


def test_steps_get_request_ids_of_their_own(fake, client):
    episode = client.reset("easy-1")
    episode.step("a")
    episode.step("a")
    episode.step("a", request_id="mine")
    ids = [request.request_id for request in fake.requests("Step")]
    assert len(set(ids)) == 3
    assert ids[2] == "mine"
    assert all(len(generated) == 32 for generated in ids[:2])


def test_episode_closes_itself(fake, client):
    with client.reset("easy-1") as episode:
        episode.step("a")
    assert fake.requests("CloseEpisode") == [pb.CloseEpisodeRequest(episode_id="ep_1")]
    assert episode.done


def test_finished_episode_is_not_closed_again(fake, client):
    with client.reset("easy-1") as episode:
        episode.step("done")
    episode.close()
    assert fake.requests("CloseEpisode") == []


def test_failure_of_close_does_not_hide_the_error_inside(fake, client):
    fake.fail("CloseEpisode", grpc.StatusCode.INTERNAL)
    with pytest.raises(KeyError, match="inside"), client.reset("easy-1"):
        raise KeyError("inside")
    assert len(fake.requests("CloseEpisode")) == 1


def test_failure_of_close_alone_is_raised(fake, client):
    fake.fail("CloseEpisode", grpc.StatusCode.INTERNAL)
    with pytest.raises(codearena.InternalError), client.reset("easy-1"):
        pass


def test_get_state(client):
    state = client.get_state("ep_1")
    assert (state.episode_id, state.difficulty, state.best_reward) == ("ep_1", Difficulty.EASY, 0.5)
    assert state.created_at.isoformat() == "2023-11-14T22:13:20+00:00"
    assert client.reset("easy-1").get_state() == state


def test_grade(fake, client):
    grade = client.grade(task_id="easy-1", code="x = 1", run_id="run", fresh=True)
    assert fake.requests("Grade") == [pb.GradeRequest(task_id="easy-1", code="x = 1", run_id="run", fresh=True)]
    assert (grade.reward, grade.outcome, grade.tests_passed, grade.tests_total) == (0.9, Outcome.PASSED, 5, 5)
    assert grade.breakdown["efficiency_score"] == 0.8


def test_answer_without_grade_is_an_error_and_no_reward(fake, client):
    fake.responses["Grade"] = lambda request: pb.GradeResponse()
    fake.responses["Step"] = lambda request: pb.StepResponse()
    with pytest.raises(codearena.InternalError):
        client.grade("easy-1", "x = 1")
    with pytest.raises(codearena.InternalError):
        client.step("ep_1", "x = 1")


def test_group_yields_grades_as_they_come(client):
    items = client.grade_group(task_id="easy-1", codes=["a", "b", "c"])
    assert [(index, grade.reward) for index, grade in items] == [(2, 0.2), (1, 0.1), (0, 0.0)]


@pytest.mark.parametrize("fresh", [True, False])
def test_group_says_whether_it_is_to_be_fresh(fake, client, fresh):
    assert len(list(client.grade_group("easy-1", ["a"], run_id="run", fresh=fresh))) == 1
    assert fake.requests("GradeGroup") == [
        pb.GradeGroupRequest(task_id="easy-1", codes=["a"], run_id="run", fresh=fresh)
    ]


def test_group_yields_the_error_of_an_item(fake, client, make):
    error = core_pb2.ItemError(code=8, message="come back", reason="ERROR_REASON_QUEUE_FULL")
    odd = core_pb2.ItemError(code=99, message="odd", reason=99)
    fake.responses["GradeGroup"] = lambda request: [
        pb.GradeGroupResponse(index=1, error=error),
        pb.GradeGroupResponse(index=0, grade=make.grade()),
        pb.GradeGroupResponse(index=2, error=odd),
        pb.GradeGroupResponse(index=3),
    ]
    items = dict(client.grade_group("easy-1", ["a", "b", "c", "d"]))
    assert isinstance(items[0], codearena.Grade)
    assert isinstance(items[1], codearena.QueueFullError)
    assert items[1].reason == ErrorReason.QUEUE_FULL
    assert items[1].message == "come back"
    assert isinstance(items[2], codearena.InternalError)
    assert isinstance(items[3], codearena.InternalError)


@pytest.mark.parametrize("indexes", [[0], [0, 0], [0, 1, 2], [0, -1]])
def test_group_with_gaps_or_strangers_is_an_error(fake, client, make, indexes):
    fake.responses["GradeGroup"] = lambda request: [
        pb.GradeGroupResponse(index=index, grade=make.grade()) for index in indexes
    ]
    with pytest.raises(codearena.InternalError):
        list(client.grade_group("easy-1", ["a", "b"]))


def test_group_that_breaks_off_raises_after_what_came(fake, client, make):
    def breaks_off(request):
        yield pb.GradeGroupResponse(index=0, grade=make.grade())
        raise RuntimeError("the server's own mistake")

    fake.responses["GradeGroup"] = breaks_off
    items = client.grade_group("easy-1", ["a", "b"])
    assert next(items)[0] == 0
    with pytest.raises(codearena.InternalError):
        next(items)


def test_dropped_group_is_cancelled(fake, client, make):
    def endless(request):
        yield pb.GradeGroupResponse(index=0, grade=make.grade())
        fake.release.wait(timeout=30)

    fake.responses["GradeGroup"] = endless
    items = client.grade_group("easy-1", ["a", "b"])
    next(items)
    items.close()
    assert client.get_task("easy-1").task_id == "easy-1"


def test_review_fix(fake, client):
    review = client.review_fix("x = 1\n", task_id="easy-1", run_id="r")
    assert (review.correctness, review.security, review.quality) == (None, 0.9, 0.8)
    assert review.security_reason == "It is safe."
    source = review.provenance
    assert (source.source, source.model, source.answer_count, source.spread) == (JudgeSource.LLM, "m", 3, 0.1)
    assert (source.usage.prompt_tokens, source.usage.completion_tokens, source.usage.cost_usd) == (90, 10, 0.5)
    (request,) = fake.requests("ReviewFix")
    assert (request.code, request.task_id, request.run_id) == ("x = 1\n", "easy-1", "r")


def test_propose_fix_for_code_and_for_an_episode(fake, client):
    proposal = client.propose_fix("x = 1\n", error_log="no")
    assert (proposal.code, proposal.method, proposal.explanations) == (
        "x = 1\n# fixed\n",
        "builtin",
        ("a loop",),
    )
    client.reset("easy-1").propose_fix()
    first, second = fake.requests("ProposeFix")
    assert (first.WhichOneof("subject"), first.error_log) == ("code", "no")
    assert (second.WhichOneof("subject"), second.episode_id) == ("episode_id", "ep_1")


@pytest.mark.parametrize("arguments", [{}, {"code": "x", "episode_id": "ep_1"}])
def test_propose_fix_wants_one_subject(client, arguments):
    with pytest.raises(TypeError, match="either"):
        client.propose_fix(**arguments)


def test_run_code(client):
    result = client.run_code("print(input().upper())", stdin="hello")
    assert (result.outcome, result.stdout, result.exit_code) == (Outcome.PASSED, "HELLO", 0)


def test_list_tasks_goes_through_all_pages(fake, client, make):
    pages = {"": (["a", "b"], "two"), "two": (["c"], "three"), "three": ([], "")}
    fake.responses["ListTasks"] = lambda request: pb.ListTasksResponse(
        tasks=[make.task(name) for name in pages[request.page_token][0]],
        next_page_token=pages[request.page_token][1],
    )
    tasks = client.list_tasks(category="easy", difficulty="medium", page_size=2)
    assert [task.task_id for task in tasks] == ["a", "b", "c"]
    assert {(r.category, r.difficulty, r.page_size) for r in fake.requests("ListTasks")} == {("easy", 2, 2)}
    assert [request.page_token for request in fake.requests("ListTasks")] == ["", "two", "three"]


def test_list_that_does_not_advance_is_an_error(fake, client):
    fake.responses["ListTasks"] = lambda request: pb.ListTasksResponse(next_page_token="same")
    with pytest.raises(codearena.InternalError, match="advance"):
        list(client.list_tasks())


def test_splits_and_seeds_are_sent(fake, client):
    client.reset(split="train")
    list(client.list_tasks(split="test"))
    client.grade("easy-1", "x = 1", seed=7)
    list(client.grade_group("easy-1", ["x = 1", "x = 2"], seed=8))
    assert fake.requests("Reset")[0].split == "train"
    assert fake.requests("ListTasks")[0].split == "test"
    assert (fake.requests("Grade")[0].seed, fake.requests("GradeGroup")[0].seed) == (7, 8)


def test_a_task_has_modules_and_a_split(client):
    task = client.get_task("easy-1")
    assert (task.modules, task.split) == ({"vowels": "VOWELS = 'aeiou'\n"}, "train")
    assert client.reset("easy-1").task == task
    assert len({task, client.get_task("easy-1")}) == 1


def test_get_task(client):
    task = client.get_task("easy-1")
    assert (task.task_id, task.difficulty, task.hidden_test_count) == ("easy-1", Difficulty.EASY, 4)
    assert task.visible_tests == (codearena.VisibleTest("one", "count('a')", "1"),)


def test_health(fake, client):
    assert client.health() is ServingStatus.SERVING
    fake.health.set("codearena.v1.EnvService", 2)
    assert client.health("codearena.v1.EnvService") is ServingStatus.NOT_SERVING
    with pytest.raises(codearena.NotFoundError):
        client.health("no.such.Service")


@pytest.mark.parametrize(
    "call",
    [
        lambda arena: arena.reset(SURROGATE),
        lambda arena: arena.reset(run_id=SURROGATE),
        lambda arena: arena.step("ep_1", SURROGATE),
        lambda arena: arena.step("ep_1", "x", SURROGATE),
        lambda arena: arena.step(SURROGATE, "x"),
        lambda arena: arena.get_state(SURROGATE),
        lambda arena: arena.close_episode(SURROGATE),
        lambda arena: arena.grade("easy-1", SURROGATE),
        lambda arena: arena.grade_group("easy-1", ["fine", SURROGATE]),
        lambda arena: arena.propose_fix(SURROGATE),
        lambda arena: arena.propose_fix("x", error_log=SURROGATE),
        lambda arena: arena.run_code(SURROGATE),
        lambda arena: arena.run_code("x", stdin=SURROGATE),
        lambda arena: arena.list_tasks(category=SURROGATE),
        lambda arena: arena.get_task(SURROGATE),
        lambda arena: arena.health(SURROGATE),
        lambda arena: ArenaClient(SURROGATE),
        lambda arena: ArenaClient(token=SURROGATE),
    ],
)
def test_lone_surrogates_are_refused_before_sending(fake, client, call):
    with pytest.raises(codearena.InvalidArgumentError) as caught:
        call(client)
    assert caught.value.reason == ErrorReason.INVALID_TEXT
    assert not fake.received


@pytest.mark.parametrize(
    "call",
    [
        lambda arena: arena.reset(None),
        lambda arena: arena.reset(seed="7"),
        lambda arena: arena.reset(seed=True),
        lambda arena: arena.step("ep_1", b"bytes"),
        lambda arena: arena.step("ep_1", "x", 7),
        lambda arena: arena.grade("easy-1", None),
        lambda arena: arena.grade("easy-1", "x", fresh=1),
        lambda arena: arena.grade("easy-1", "x", seed=None),
        lambda arena: arena.reset(split=None),
        lambda arena: arena.list_tasks(split=1),
        lambda arena: arena.grade_group("easy-1", ["x"], fresh="no"),
        lambda arena: arena.grade_group("easy-1", "a string"),
        lambda arena: arena.grade_group("easy-1", 3),
        lambda arena: arena.grade_group("easy-1", ["fine", None]),
        lambda arena: arena.list_tasks(difficulty=1),
        lambda arena: arena.get_task("easy-1", timeout_seconds="1"),
        lambda arena: ArenaClient(None),
        lambda arena: ArenaClient(token=b"x"),
        lambda arena: ArenaClient(timeout_seconds=True),
    ],
)
def test_wrong_types_are_type_errors(fake, client, call):
    with pytest.raises(TypeError):
        call(client)
    assert not fake.received


@pytest.mark.parametrize(
    "call",
    [
        lambda arena: arena.reset(seed=-1),
        lambda arena: arena.reset(seed=2**63),
        lambda arena: arena.grade("easy-1", "x", seed=-1),
        lambda arena: arena.grade_group("easy-1", ["x"], seed=2**63),
        lambda arena: arena.list_tasks(difficulty="impossible"),
        lambda arena: arena.list_tasks(page_size=-1),
        lambda arena: arena.list_tasks(page_size=2**31),
        lambda arena: arena.get_task("easy-1", timeout_seconds=0),
        lambda arena: arena.get_task("easy-1", timeout_seconds=float("nan")),
        lambda arena: arena.get_task("easy-1", timeout_seconds=float("inf")),
        lambda arena: arena.grade_group("easy-1", ["x" * 1024 * 1024] * 17),
        lambda arena: ArenaClient(" "),
        lambda arena: ArenaClient(token=""),
        lambda arena: ArenaClient(token="two\nlines"),
        lambda arena: ArenaClient(max_attempts=0),
        lambda arena: ArenaClient(max_attempts=6),
        lambda arena: ArenaClient(tls=TLSConfig(private_key=b"key")),
    ],
)
def test_impossible_values_are_refused_before_sending(fake, client, call):
    with pytest.raises(codearena.InvalidArgumentError) as caught:
        call(client)
    assert caught.value.reason == ErrorReason.INVALID_FIELD
    assert caught.value.metadata["field"]
    assert not fake.received


def test_closed_client_says_so(fake):
    with ArenaClient(fake.address) as arena:
        arena.get_task("easy-1")
    arena.close()
    with pytest.raises(RuntimeError, match="closed"):
        arena.get_task("easy-1")
