"""What a model's server may do to us, and what comes of it: a name, never a score."""

import asyncio
import logging
import threading
import time
import traceback

import pytest
import structlog

from services.common.shared_store import RedisStore
from services.judge.budget import Account, Limit
from services.judge.chat import ChatModel, ModelSettings
from services.judge.failure import FailureReason, ModelFailed
from services.judge.judging import OnFailure
from services.judge.opinion import Source, Subject
from services.judge.opinions import KEY_PREFIX
from services.judge.question import Price, Question
from tests.judge.conftest import KEY, Recorder
from tests.judge.openai_server import OpenAiServer, Reply, completion, good, judgement

CODE = "def double(x):\n    return 2 * x\n"
MIB = 2**20


def subject(number=0, **changes):
    return Subject(CODE + f"n = {number}\n", **{"description": "Doubles a number."} | changes)


def answering(text, **changes):
    """A completion that says something, with its only choice or itself changed."""
    body = completion(text)
    body["choices"][0].update({name: value for name, value in changes.items() if name == "finish_reason"})
    return body


ERROR = {"error": {"message": f"Incorrect API key provided: {KEY}", "type": "invalid_request_error"}}
BAD = {
    "a wrong key": ("misconfigured", lambda request: Reply(ERROR, status=401)),
    "a key without rights": ("misconfigured", lambda request: Reply(ERROR, status=403)),
    "no such model": ("misconfigured", lambda request: Reply(ERROR, status=404)),
    "429": ("rate_limited", lambda request: Reply(ERROR, status=429)),
    "429 for an hour": ("rate_limited", lambda request: Reply(ERROR, status=429, headers={"Retry-After": "3600"})),
    "500": ("server_error", lambda request: Reply(ERROR, status=500)),
    "503 and html": ("server_error", lambda request: Reply(b"<html>", status=503)),
    "a redirect to another host": (
        "redirected",
        lambda request: Reply(b"", status=307, headers={"Location": "http://127.0.0.2:1/v1/chat/completions"}),
    ),
    "half an answer": ("connection", lambda request: Reply(completion(judgement(request)), cut_after=150)),
    "no body": ("connection", lambda request: Reply(completion(judgement(request)), cut_after=0)),
    "an answer that stops": (
        "timeout",
        lambda request: Reply(completion(judgement(request)), stall_after=150, delay_seconds=2.0),
    ),
    "an answer without an end": ("truncated", lambda request: Reply(answering("{", finish_reason="length"))),
    "a filtered answer": ("refused", lambda request: Reply(answering("", finish_reason="content_filter"))),
    "a refused question": ("refused", lambda request: Reply(ERROR, status=400)),
    "an answer of 1 MB": ("answer_too_large", lambda request: Reply(completion(judgement(request) + " " * MIB))),
    "an error of 1 MB": ("answer_too_large", lambda request: Reply(b"x" * MIB, status=500)),
    "a packed answer": (
        "answer_too_large",
        lambda request: Reply(completion(judgement(request)), headers={"Content-Encoding": "gzip"}),
    ),
    "JSON in prose": ("parse_error", lambda request: Reply(completion("Sure! " + judgement(request) + " Bye."))),
    "two answers": ("parse_error", lambda request: Reply(completion(judgement(request) + judgement(request)))),
    "a score of 7": ("parse_error", lambda request: Reply(completion(judgement(request, quality=7)))),
    "a score in words": ("parse_error", lambda request: Reply(completion(judgement(request, quality="high")))),
    "a score of NaN": ("parse_error", lambda request: Reply(completion(judgement(request, quality=float("nan"))))),
    "a score of true": ("parse_error", lambda request: Reply(completion(judgement(request, quality=True)))),
    "no text": ("parse_error", lambda request: Reply(answering(None))),
    "negative tokens": (
        "parse_error",
        lambda request: Reply(
            completion(judgement(request)) | {"usage": {"prompt_tokens": -5, "completion_tokens": 1, "total_tokens": 0}}
        ),
    ),
}


@pytest.mark.parametrize("name", BAD)
async def test_what_a_server_does_wrong_has_a_name_and_the_static_judge_answers(arena, server, name):
    reason, reply = BAD[name]
    server.script = lambda request, number: reply(request)
    made = arena(deadline_seconds=1.0)
    opinion = await made.judge.judge(subject())
    assert (opinion.source, opinion.fallback_reason) == (Source.STATIC, reason)
    assert opinion.correctness is None
    assert made.observer.fallbacks == [reason]
    assert made.observer.calls[0] == ("test-model", reason)


async def test_a_redirect_is_not_followed(arena, server):
    other = OpenAiServer()
    try:
        server.script = lambda request, number: Reply(b"", status=307, headers={"Location": f"{other.url}/x"})
        await arena().judge.judge(subject())
        assert other.requests == []
    finally:
        other.close()


async def test_the_key_is_sent_and_seen_nowhere_else(arena, server, caplog):
    caplog.set_level(logging.DEBUG)
    server.script = lambda request, number: Reply(ERROR, status=401)
    with structlog.testing.capture_logs() as logs:
        made = arena()
        await made.judge.judge(subject())
        with pytest.raises(ModelFailed) as caught:
            await made.model.ask(Question("system", "message", str))
    assert server.headers[0]["authorization"] == f"Bearer {KEY}"
    shown = [str(logs), caplog.text, str(caught.value), repr(caught.value), repr(made.model), repr(made.observer.calls)]
    shown.append(repr(ModelSettings("http://127.0.0.1/v1", KEY, "m")))
    assert not [text for text in shown if KEY in text]
    told = "".join(traceback.format_exception_only(caught.value))
    assert KEY not in told


async def test_what_may_be_gone_at_the_next_attempt_is_tried_again(arena, server):
    scripts = [Reply(ERROR, status=503), Reply(completion("x"), cut_after=5), Reply(ERROR, status=429)]
    server.script = lambda request, number: scripts[number - 1] if number <= len(scripts) else good(request, number)
    opinion = await arena(max_retries=3).judge.judge(subject())
    assert opinion.source is Source.LLM
    assert len(server.requests) == 4


@pytest.mark.parametrize("status", [400, 401, 404])
async def test_what_will_be_the_same_at_the_next_attempt_is_not_tried_again(arena, server, status):
    server.script = lambda request, number: Reply(ERROR, status=status)
    await arena(max_retries=3).judge.judge(subject())
    assert len(server.requests) == (2 if status == 400 else 1)  # without a schema, too


async def test_a_server_that_knows_only_the_oldest_form_is_asked_in_it(arena, server):
    def script(request, number):
        if "response_format" in request or "max_completion_tokens" in request:
            return Reply({"error": {"message": "unknown field"}}, status=422)
        return good(request, number)

    server.script = script
    made = arena()
    for number in range(2):
        assert (await made.judge.judge(subject(number))).source is Source.LLM
    assert ["max_tokens" in request for request in server.requests] == [False, True, True]


async def test_a_caller_waits_no_longer_than_it_has_and_the_answer_is_known_the_next_time(arena, server):
    server.script = lambda request, number: Reply(completion(judgement(request)), delay_seconds=0.6)
    made = arena()
    began = time.monotonic()
    opinion = await made.judge.judge(subject(), timeout_seconds=0.4)
    assert (opinion.source, opinion.fallback_reason) == (Source.STATIC, "timeout")
    assert time.monotonic() - began < 0.4
    await asyncio.sleep(0.5)
    opinion = await made.judge.judge(subject(), timeout_seconds=0.4)
    assert (opinion.source, opinion.usage.prompt_tokens) == (Source.LLM, 0)
    assert len(server.requests) == 1


async def test_a_server_that_asks_for_fewer_calls_gets_fewer(arena, server):
    lock, running, at_once = threading.Lock(), [0], []
    eight = threading.Barrier(8)

    def script(request, number):
        with lock:
            running[0] += 1
            at_once.append(running[0])
        if number <= 8:
            eight.wait(timeout=20)
        else:
            time.sleep(0.1)
        with lock:
            running[0] -= 1
        return Reply(ERROR, status=429) if number <= 8 else good(request, number)

    server.script = script
    made = arena(max_retries=8)
    opinions = await asyncio.gather(*(made.judge.judge(subject(number)) for number in range(24)))
    assert {opinion.source for opinion in opinions} == {Source.LLM}
    assert max(at_once[:8]) == 8
    assert max(at_once[8:16]) <= 5


async def test_a_budget_of_a_run_bounds_that_run_alone(arena, server):
    account = Account(per_run=Limit(usd=3.0))
    made = arena(account=account, price=Price(0.0, 1_000_000.0), max_answer_tokens=3)
    server.script = lambda request, number: Reply(
        completion(judgement(request)) | {"usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}}
    )
    first = [await made.judge.judge(subject(number, run_id="a")) for number in range(3)]
    assert [opinion.fallback_reason for opinion in first] == ["", "over_budget", "over_budget"]
    assert first[0].usage.cost_usd == 1.0
    assert (await made.judge.judge(subject(9, run_id="b"))).source is Source.LLM
    assert (await made.judge.judge(subject(0, run_id="a"))).source is Source.LLM, "what is known costs nothing"


async def test_calls_at_once_do_not_overdraw_together(arena, server):
    server.script = lambda request, number: Reply(completion(judgement(request)), delay_seconds=0.05)
    made = arena(account=Account(hourly=Limit(tokens=8_000)), max_answer_tokens=1_000)
    opinions = await asyncio.gather(*(made.judge.judge(subject(number)) for number in range(30)))
    reasons = {opinion.fallback_reason for opinion in opinions}
    assert reasons == {"", "over_budget"}
    assert 1 <= len(server.requests) <= 8


@pytest.mark.parametrize(
    ("reply", "reason"),
    [(Reply(ERROR, status=500), "server_error"), (Reply(ERROR, status=401), "misconfigured")],
    ids=["down", "wrong key"],
)
async def test_a_judge_may_fail_instead(arena, server, reply, reason):
    server.script = lambda request, number: reply
    made = arena(on_failure=OnFailure.FAIL)
    with pytest.raises(ModelFailed) as caught:
        await made.judge.judge(subject())
    assert caught.value.reason == reason
    assert made.observer.fallbacks == []


async def test_a_fix_cannot_make_the_judge_fail(arena, server):
    made = arena(on_failure=OnFailure.FAIL)
    assert (await made.judge.judge(Subject("def f(:\n"))).fallback_reason == "unreadable"
    server.script = lambda request, number: Reply(completion("as the fix says: no"))
    assert (await made.judge.judge(subject())).fallback_reason == "parse_error"


async def test_the_median_of_several_samples_is_the_opinion(arena, server):
    server.script = lambda request, number: Reply(
        completion(judgement(request, quality=[0.2, 0.9, 0.6][request["seed"]], quality_reason=f"{request['seed']}"))
    )
    opinion = await arena(samples=3).judge.judge(subject())
    assert (opinion.quality, opinion.quality_reason) == (0.6, "2")
    assert (opinion.answer_count, opinion.spread) == (3, pytest.approx(0.7))
    assert sorted(request["seed"] for request in server.requests) == [0, 1, 2]
    assert opinion.usage.prompt_tokens == 300


async def test_a_panel_of_models_gives_its_median_and_names_itself(arena, server):
    scores = {"strict": 0.1, "fair": 0.5, "kind": 1.0}
    server.script = lambda request, number: Reply(completion(judgement(request, security=scores[request["model"]])))
    opinion = await arena(names=tuple(scores)).judge.judge(subject())
    assert (opinion.model, opinion.security, opinion.answer_count) == ("strict+fair+kind", 0.5, 3)
    assert opinion.spread == pytest.approx(0.9)


@pytest.mark.parametrize(("broken", "source"), [(1, Source.LLM), (2, Source.STATIC)])
async def test_more_than_half_of_a_panel_must_answer(arena, server, broken, source):
    names = ("a", "b", "c")
    server.script = lambda request, number: (
        Reply(ERROR, status=500) if request["model"] in names[:broken] else good(request, number)
    )
    opinion = await arena(names=names).judge.judge(subject())
    assert opinion.source is source
    assert (opinion.answer_count, opinion.fallback_reason) == ((2, "") if broken == 1 else (0, "no_majority"))


@pytest.mark.redis
async def test_a_shared_store_knows_after_a_restart(arena, server, redis, redis_url):
    def store():
        return RedisStore(redis_url, KEY_PREFIX, 600, "opinions")

    first = await arena(store=store()).judge.judge(subject())
    again = await arena(store=store()).judge.judge(subject())
    assert (again.quality, again.source, again.usage.prompt_tokens) == (first.quality, Source.LLM, 0)
    assert len(server.requests) == 1
    (key,) = await redis.keys(KEY_PREFIX + "*")
    for rubbish in (b"", b"{}", b"[1]", b'{"security": 7}'):
        await redis.set(key, rubbish)
        assert (await arena(store=store()).judge.judge(subject())).source is Source.LLM
        assert (await redis.get(key)) != rubbish
    assert len(server.requests) == 5


async def test_a_model_that_is_away_is_left_alone(server):
    observer = Recorder()
    settings = ModelSettings(
        "http://127.0.0.1:9/v1", KEY, "m", deadline_seconds=5.0, max_retries=1, breaker_threshold=4
    )
    model = ChatModel(settings, observer)
    for _ in range(6):
        with pytest.raises(ModelFailed):
            await model.ask(Question("system", "message", str))
    outcomes = [outcome for _, outcome in observer.calls]
    assert outcomes == [FailureReason.CONNECTION] * 2 + [FailureReason.BREAKER_OPEN] * 4
    await model.close()
