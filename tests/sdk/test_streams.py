"""Streams of steps: answers as they come, flow control, errors of items and of the whole."""

import asyncio
import pickle
import queue
import threading
from functools import partial
from types import MappingProxyType

import grpc
import pytest

import codearena
from codearena import ArenaClient, ArenaError, AsyncArenaClient, ErrorReason, StepCall, StepResult
from codearena.v1 import core_pb2
from codearena.v1 import env_service_pb2 as pb
from tests.waiting import eventually, until

FOUR = [StepCall(f"ep_{n}", f"x = {n}", f"id_{n}") for n in range(4)]


def graded():
    return pb.StepResponse(
        observation=pb.Observation(step=1, max_steps=5), grade=pb.Grade(reward=0.5), absolute_reward=0.5
    )


def answered(step, errors=MappingProxyType({})):
    """The answer to a step: a grade, or the error of its request_id."""
    error = errors.get(step.request_id)
    result = {"response": graded()} if error is None else {"error": error}
    return pb.StepStreamResponse(episode_id=step.episode_id, request_id=step.request_id, **result)


@pytest.fixture(params=[ArenaClient, AsyncArenaClient], ids=["sync", "async"])
def play(request, fake):
    """Plays steps over a stream of either client; returns the answers and what was raised after them."""

    async def asynchronous(steps, **options):
        answers = []
        async with AsyncArenaClient(fake.address, max_attempts=1) as arena:
            try:
                async for answer in arena.step_stream(steps, **options):
                    answers.append(answer)
            except Exception as error:  # noqa: BLE001 - whatever it is, the test looks at it
                return answers, error
        return answers, None

    async def synchronous(steps, **options):
        answers = []
        with ArenaClient(fake.address, max_attempts=1) as arena:
            try:
                for answer in arena.step_stream(steps, **options):
                    answers.append(answer)
            except Exception as error:  # noqa: BLE001 - whatever it is, the test looks at it
                return answers, error
        return answers, None

    return asynchronous if request.param is AsyncArenaClient else synchronous


async def test_answers_come_with_their_steps(fake, play):
    sent = []

    def in_reverse(requests):
        sent.extend(request.step for request in requests)
        return [answered(step) for step in reversed(sent)]

    fake.responses["StepStream"] = in_reverse
    answers, error = await play(FOUR)
    assert error is None
    assert [step for step, _ in answers] == FOUR[::-1]
    assert {type(result) for _, result in answers} == {StepResult}
    assert sent == [
        pb.StepRequest(episode_id=f"ep_{n}", proposed_fix=f"x = {n}", request_id=f"id_{n}") for n in range(4)
    ]


async def test_method_and_ids_are_sent(fake, play):
    sent = []

    def record(requests):
        for request in requests:
            sent.append(request.step)
            yield answered(request.step)

    fake.responses["StepStream"] = record
    steps = [StepCall("ep_1", "a", method="builtin"), StepCall("ep_1", "a")]
    answers, error = await play(steps)
    assert error is None
    assert [step for step, _ in answers] == steps
    assert [step.method for step in sent] == ["builtin", ""]
    assert [step.request_id for step in sent] == [step.request_id for step in steps]


def test_every_step_has_an_id_of_its_own_before_it_is_sent():
    first, second = StepCall("ep_1", "a"), StepCall("ep_1", "a")
    assert len(first.request_id) == 32
    assert first.request_id != second.request_id
    assert StepCall("ep_1", "a", "mine").request_id == "mine"
    assert pickle.loads(pickle.dumps(first)) == first


async def test_errors_of_items_are_typed_and_fail_no_others(fake, play):
    errors = {
        "id_0": core_pb2.ItemError(code=14, message="no sandbox", reason="ERROR_REASON_SANDBOX_UNAVAILABLE"),
        "id_1": core_pb2.ItemError(code=9, message="over", reason="ERROR_REASON_EPISODE_DONE"),
        "id_2": core_pb2.ItemError(code=8, message="enough", reason="ERROR_REASON_QUOTA_EXCEEDED"),
    }
    answer = partial(answered, errors=errors)
    fake.responses["StepStream"] = lambda requests: (answer(request.step) for request in requests)
    answers, error = await play(FOUR)
    assert error is None
    results = {step.request_id: result for step, result in answers}
    assert type(results["id_0"]) is codearena.UnavailableError
    assert (results["id_0"].reason, results["id_0"].message) == (ErrorReason.SANDBOX_UNAVAILABLE, "no sandbox")
    assert type(results["id_1"]) is codearena.EpisodeDoneError
    assert type(results["id_2"]) is codearena.QuotaExceededError
    assert results["id_3"].reward == 0.5


@pytest.mark.parametrize("result", [{}, {"response": pb.StepResponse()}], ids=["nothing", "no grade"])
async def test_answer_without_a_grade_is_an_error_and_no_reward(fake, play, make, result):
    fake.responses["StepStream"] = lambda requests: (
        pb.StepStreamResponse(episode_id=request.step.episode_id, request_id=request.step.request_id, **result)
        for request in requests
    )
    answers, error = await play(FOUR[:1])
    assert error is None
    assert isinstance(answers[0][1], codearena.InternalError)


@pytest.mark.parametrize("window", [1, 3])
async def test_no_more_than_the_window_is_without_an_answer(fake, play, window):
    pulled, done, most = [], [], []

    def steps():
        for number in range(12):
            pulled.append(number)
            most.append(len(pulled) - len(done))
            yield StepCall("ep_1", "x", str(number))

    def answer(requests):
        for request in requests:
            done.append(request.step.request_id)
            yield answered(request.step)

    fake.responses["StepStream"] = answer
    answers, error = await play(steps(), window=window)
    assert error is None
    assert len(answers) == 12
    assert 1 <= max(most) <= window


async def test_window_is_full_before_it_waits(fake, play):
    waiting = []

    def answer(requests):
        batch = []
        for request in requests:
            batch.append(request.step)
            if len(batch) == 5:  # the client must send all of these before the first answer
                waiting.append(len(batch))
                yield from map(answered, batch)
                batch = []

    fake.responses["StepStream"] = answer
    answers, error = await play([StepCall("ep_1", "x") for _ in range(10)], window=5)
    assert (len(answers), error, waiting) == (10, None, [5, 5])


async def test_equal_ids_are_answered_in_order(play):
    steps = [StepCall("ep_1", "x", "same"), StepCall("ep_1", "x", "same"), StepCall("ep_2", "x", "same")]
    answers, error = await play(steps)
    assert error is None
    assert [step.episode_id for step, _ in answers] == ["ep_1", "ep_1", "ep_2"]


async def test_no_steps_are_no_answers(play):
    assert await play([]) == ([], None)


async def test_steps_that_raise_are_told_after_the_answers(play):
    def steps():
        yield FOUR[0]
        raise KeyError("mine")

    answers, error = await play(steps())
    assert [step for step, _ in answers] == FOUR[:1]
    assert isinstance(error, KeyError)


@pytest.mark.parametrize(
    ("step", "kind"),
    [
        (("ep_1", "x"), TypeError),
        (StepCall("ep_1", None), TypeError),
        (StepCall("ep_1", "x", 7), TypeError),
        (StepCall("ep_1", "\ud800"), codearena.InvalidArgumentError),
        (StepCall("ep_1", "x", method="\ud800"), codearena.InvalidArgumentError),
        (StepCall("ep_1", "x" * 17 * 1024 * 1024), codearena.InvalidArgumentError),
    ],
    ids=["no StepCall", "no fix", "no id", "surrogate", "surrogate in the method", "too long"],
)
async def test_impossible_step_ends_the_stream_after_the_answers(play, step, kind):
    answers, error = await play([FOUR[0], step, FOUR[1]])
    assert [step for step, _ in answers] == FOUR[:1]
    assert isinstance(error, kind)


@pytest.mark.parametrize(
    ("options", "kind"),
    [
        ({"window": 0}, codearena.InvalidArgumentError),
        ({"window": -1}, codearena.InvalidArgumentError),
        ({"window": 1.5}, TypeError),
        ({"window": True}, TypeError),
        ({"steps": 7}, TypeError),
    ],
)
def test_impossible_arguments_are_refused_at_once(fake, client, options, kind):
    with pytest.raises(kind):
        client.step_stream(**{"steps": FOUR, **options})
    with pytest.raises(kind):
        AsyncArenaClient(fake.address).step_stream(**{"steps": FOUR, **options})
    assert not fake.received


async def test_impossible_deadline_is_refused_before_sending(fake, play):
    answers, error = await play(FOUR, timeout_seconds=0)
    assert answers == []
    assert isinstance(error, codearena.InvalidArgumentError)
    assert not fake.received


def test_async_stream_may_be_made_outside_a_loop(fake):
    arena = AsyncArenaClient(fake.address)
    answers = arena.step_stream(FOUR)

    async def use():
        async with arena:
            return [step async for step, _ in answers]

    assert asyncio.run(use()) == FOUR


async def test_closed_client_says_so(fake):
    with ArenaClient(fake.address) as arena:
        pass
    with pytest.raises(RuntimeError, match="closed"):
        next(arena.step_stream(FOUR))
    closed = AsyncArenaClient(fake.address)
    await closed.close()
    with pytest.raises(RuntimeError, match="closed"):
        await anext(closed.step_stream(FOUR))


async def test_stream_that_breaks_off_raises_after_what_came(fake, play):
    def breaks_off(requests):
        sent = list(requests)  # gRPC loses a status that comes while a step is being written
        yield answered(sent[0].step)
        raise RuntimeError("the server's own mistake")

    fake.responses["StepStream"] = breaks_off
    answers, error = await play(FOUR)
    assert [step for step, _ in answers] == FOUR[:1]
    assert isinstance(error, codearena.InternalError)


async def test_refused_stream_raises_its_error(fake, play):
    for _ in range(50):  # gRPC loses a status that comes while a step is being written
        fake.fail("StepStream", grpc.StatusCode.UNAUTHENTICATED, reason="BAD_TOKEN")
        answers, error = await play(FOUR)
        assert answers == []
        if not isinstance(error, codearena.UnavailableError):
            break
    assert isinstance(error, codearena.UnauthenticatedError)
    assert error.reason == ErrorReason.BAD_TOKEN


async def test_passed_deadline_raises(fake, play):
    def silent(requests):
        fake.release.wait(timeout=30)
        yield from ()

    fake.responses["StepStream"] = silent
    answers, error = await play(FOUR, timeout_seconds=0.2)
    assert answers == []
    assert isinstance(error, codearena.DeadlineExceededError)


@pytest.mark.parametrize("ids", [[], ["id_0"], ["id_0", "id_0"], ["id_9"]])
async def test_gaps_and_strangers_are_errors(fake, play, ids):
    def partly(requests):
        step, *_ = (request.step for request in requests)
        for request_id in ids:
            yield pb.StepStreamResponse(episode_id=step.episode_id, request_id=request_id, response=graded())

    fake.responses["StepStream"] = partly
    answers, error = await play(FOUR)
    assert len(answers) <= 1
    assert isinstance(error, codearena.InternalError)


def test_later_steps_may_depend_on_earlier_answers(client):
    calls: queue.SimpleQueue[StepCall | None] = queue.SimpleQueue()
    calls.put(StepCall("ep_1", "0"))
    played = []
    for call, result in client.step_stream(iter(calls.get, None)):
        assert not isinstance(result, ArenaError)
        played.append(call.fix)
        calls.put(StepCall("ep_1", str(int(call.fix) + 1)) if len(played) < 3 else None)
    assert played == ["0", "1", "2"]


async def test_later_steps_may_depend_on_earlier_answers_async(fake):
    calls: asyncio.Queue[StepCall | None] = asyncio.Queue()
    calls.put_nowait(StepCall("ep_1", "0"))

    async def steps():
        while (call := await calls.get()) is not None:
            yield call

    played = []
    async with AsyncArenaClient(fake.address) as arena:
        async for call, _ in arena.step_stream(steps()):
            played.append(call.fix)
            calls.put_nowait(StepCall("ep_1", str(int(call.fix) + 1)) if len(played) < 3 else None)
    assert played == ["0", "1", "2"]


def endless(threads):
    while True:
        threads.add(threading.current_thread())
        yield StepCall("ep_1", "x")


@pytest.fixture
def ended(fake):
    """Set once the server sees that a stream is no more; each step is answered until then."""
    event = threading.Event()

    def answer(requests):
        try:
            for request in requests:
                yield answered(request.step)
        finally:
            event.set()

    fake.responses["StepStream"] = answer
    return event


def test_closed_iterator_ends_its_stream_and_its_thread(client, ended):
    threads = set()
    answers = client.step_stream(endless(threads), window=2)
    next(answers)
    answers.close()
    assert ended.wait(30)
    until(lambda: not any(thread.is_alive() for thread in threads))
    assert client.get_task("easy-1").task_id == "easy-1"


async def test_closed_async_iterator_ends_its_stream_and_its_task(fake, ended):
    async with AsyncArenaClient(fake.address) as arena:
        before = asyncio.all_tasks()
        answers = arena.step_stream(endless(set()), window=2)
        await anext(answers)
        await answers.aclose()
        assert await asyncio.to_thread(ended.wait, 30)
        await eventually(lambda: asyncio.all_tasks() <= before)
        assert (await arena.get_task("easy-1")).task_id == "easy-1"


async def test_cancelled_task_cancels_its_stream(fake):
    taken = threading.Event()

    def silent(requests):
        next(requests)
        taken.set()
        fake.release.wait(timeout=30)
        yield from ()

    fake.responses["StepStream"] = silent

    async def use():
        async with AsyncArenaClient(fake.address) as arena:
            async for _ in arena.step_stream(FOUR):
                pass

    task = asyncio.create_task(use())
    assert await asyncio.to_thread(taken.wait, 30)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
