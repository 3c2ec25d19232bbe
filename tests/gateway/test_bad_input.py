"""What a client may send that it should not: every answer is a documented one, and every slot comes back."""

import asyncio
import json
import socket

import httpx2
import pytest
import websockets

from tests.gateway.conftest import RIGHT, WRONG

BAD_FRAMES = {
    "not JSON": ("{", "INVALID_JSON"),
    "nothing": ("", "INVALID_JSON"),
    "a list": ("[]", "VALIDATION_ERROR"),
    "a text": ('"reset"', "VALIDATION_ERROR"),
    "null": ("null", "VALIDATION_ERROR"),
    "bytes": (b'{"type": "state"}', "INVALID_JSON"),
    "an unknown type": ('{"type": "jump"}', "UNKNOWN_TYPE"),
    "no type": ("{}", "UNKNOWN_TYPE"),
    "a type that is a list": ('{"type": []}', "UNKNOWN_TYPE"),
    "NaN": ('{"type": "reset", "data": {"seed": NaN}}', "INVALID_JSON"),
    "an endless number": ('{"type": "reset", "data": {"seed": ' + "9" * 5000 + "}}", "INVALID_JSON"),
    "a deep nest": ('{"type": "reset", "data": ' + '{"a":' * 200 + "1" + "}" * 201, "VALIDATION_ERROR"),
    "a very deep nest": ("[" * 100_000, "INVALID_JSON"),
    "a lone surrogate": ('{"type": "step", "data": {"proposed_fix": "\\ud800"}}', "VALIDATION_ERROR"),
    "a lone surrogate as a key": ('{"type": "reset", "data": {"\\ud800": 1}}', "VALIDATION_ERROR"),
    "a step without data": ('{"type": "step"}', "VALIDATION_ERROR"),
    "a step without a fix": ('{"type": "step", "data": {}}', "VALIDATION_ERROR"),
    "an empty fix": ('{"type": "step", "data": {"proposed_fix": ""}}', "VALIDATION_ERROR"),
    "a fix that is a number": ('{"type": "step", "data": {"proposed_fix": 1}}', "VALIDATION_ERROR"),
    "a field too many": ('{"type": "step", "data": {"proposed_fix": "x", "reward": 1}}', "VALIDATION_ERROR"),
    "a fix too long": (json.dumps({"type": "step", "data": {"proposed_fix": "#" * 300_000}}), "VALIDATION_ERROR"),
    "a frame of 1.5 MB": (json.dumps({"type": "step", "data": {"proposed_fix": "#" * 1_500_000}}), "VALIDATION_ERROR"),
    "a step before a reset": ('{"type": "step", "data": {"proposed_fix": "x"}}', "EXECUTION_ERROR"),
    "no such task": ('{"type": "reset", "data": {"task_id": "nothing"}}', "EXECUTION_ERROR"),
    "an option nobody knows": ('{"type": "reset", "data": {"task": "easy-1"}}', "VALIDATION_ERROR"),
    "an option called self": ('{"type": "reset", "data": {"self": 1}}', "VALIDATION_ERROR"),
    "no such episode": ('{"type": "reset", "data": {"episode_id": "ep_0"}}', "EXECUTION_ERROR"),
    "a seed below zero": ('{"type": "reset", "data": {"seed": -1}}', "VALIDATION_ERROR"),
    "a feedback nobody knows": ('{"type": "reset", "data": {"feedback": "all"}}', "VALIDATION_ERROR"),
    "an index out of range": ('{"type": "reset", "data": {"split": "test", "index": 99999}}', "EXECUTION_ERROR"),
}


@pytest.mark.parametrize(("frame", "code"), BAD_FRAMES.values(), ids=BAD_FRAMES)
async def test_a_bad_frame_is_answered_and_the_session_goes_on(served, frame, code):
    async with websockets.connect(served.ws, max_size=None) as session:
        await session.send(frame)
        answer = json.loads(await session.recv())
        assert (answer["type"], answer["data"]["code"]) == ("error", code), answer
        assert answer["data"]["message"]
        await session.send(json.dumps({"type": "reset", "data": {"task_id": "easy-1"}}))
        assert json.loads(await session.recv())["type"] == "observation"


async def test_a_frame_that_is_far_too_large_closes_the_socket_and_frees_its_slot(served):
    async with websockets.connect(served.ws, max_size=None) as session:
        with pytest.raises(websockets.ConnectionClosedError) as closed:  # noqa: PT012 - either may see it
            await session.send("x" * 5_000_000)
            await session.recv()
        assert closed.value.rcvd.code == 1009
    await until_sessions(served, 0)


async def test_a_bad_frame_does_not_cost_the_episode(served):
    async with websockets.connect(served.ws) as session:
        await session.send(json.dumps({"type": "reset", "data": {"task_id": "easy-1"}}))
        opened = json.loads(await session.recv())["data"]["observation"]
        for frame, _ in list(BAD_FRAMES.values())[:10]:
            await session.send(frame)
            assert json.loads(await session.recv())["type"] == "error"
        await session.send(json.dumps({"type": "step", "data": {"proposed_fix": RIGHT}}))
        answer = json.loads(await session.recv())["data"]
        assert (answer["done"], answer["observation"]["episode_id"]) == (True, opened["episode_id"])
        await session.send(json.dumps({"type": "step", "data": {"proposed_fix": RIGHT}}))
        answer = json.loads(await session.recv())
        assert answer["data"]["code"] == "EXECUTION_ERROR"
        assert "EPISODE_DONE" in answer["data"]["message"]


async def until_sessions(served, count):
    async with httpx2.AsyncClient(base_url=served.url, trust_env=False) as http, asyncio.timeout(30):
        while (await http.get("/api/operations")).json()["sessions"]["active"] != count:  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def test_slots_come_back_however_a_client_leaves(gateway):
    few = gateway(CODEARENA_MAX_SESSIONS="2", CODEARENA_REQUESTS_PER_SECOND="0")

    async def opened():
        session = await websockets.connect(few.ws)
        await session.send(json.dumps({"type": "reset", "data": {"task_id": "easy-1"}}))
        return session, json.loads(await session.recv())

    async def polite(session):
        await session.send(json.dumps({"type": "close"}))
        await session.wait_closed()

    async def rude(session):
        session.transport.abort()

    async def in_the_middle(session):
        await session.send(json.dumps({"type": "step", "data": {"proposed_fix": WRONG}}))
        session.transport.abort()

    async def closing(session):
        await session.close()

    for leave in (polite, rude, in_the_middle, closing):
        (first, one), (second, two) = await opened(), await opened()
        assert one["type"] == two["type"] == "observation"
        third = await websockets.connect(few.ws)
        refused = json.loads(await third.recv())["data"]
        assert (refused["code"], refused["max_sessions"]) == ("CAPACITY_REACHED", 2)
        await third.wait_closed()
        await leave(first)
        await leave(second)
        await until_sessions(few, 0)


async def test_a_client_that_says_goodbye_ends_its_episode_and_one_that_vanishes_may_come_back(served, gateway):
    short = gateway(CODEARENA_RESUME_SECONDS="1")

    async def play(last):
        session = await websockets.connect(short.ws)
        await session.send(json.dumps({"type": "reset", "data": {"task_id": "easy-1"}}))
        episode = json.loads(await session.recv())["data"]["observation"]["episode_id"]
        await last(session)
        return episode

    async def until_done(episode):
        async with httpx2.AsyncClient(base_url=served.url, trust_env=False) as http, asyncio.timeout(30):
            while not (await http.get("/state", params={"episode_id": episode})).json()["done"]:  # noqa: ASYNC110
                await asyncio.sleep(0.05)

    await until_done(await play(lambda session: session.send(json.dumps({"type": "close"}))))
    vanished = await play(lambda session: session.close())
    async with websockets.connect(short.ws) as session:
        await session.send(json.dumps({"type": "reset", "data": {"episode_id": vanished}}))
        assert json.loads(await session.recv())["data"]["done"] is False
        await asyncio.sleep(1.5)
        await session.send(json.dumps({"type": "step", "data": {"proposed_fix": WRONG}}))
        assert json.loads(await session.recv())["type"] == "observation"
    await until_done(vanished)


BAD_REQUESTS = {
    "no JSON": ("POST", "/reset", b"{", 422),
    "a list": ("POST", "/reset", b"[]", 422),
    "a step before a reset": ("POST", "/step", b'{"action": {"proposed_fix": "x"}}', 409),
    "a step without a fix": ("POST", "/step", b'{"action": {}}', 422),
    "an episode that is a number": ("POST", "/step", b'{"action": {"proposed_fix": "x"}, "episode_id": 7}', 422),
    "a fix of many bytes": (
        "POST",
        "/step",
        json.dumps({"action": {"proposed_fix": "é" * 200_000}, "episode_id": "x"}, ensure_ascii=False).encode(),
        404,
    ),
    "no time at all": ("POST", "/step", b'{"action": {"proposed_fix": "x"}, "timeout_s": 0}', 422),
    "no such task": ("POST", "/reset", b'{"task_id": "nothing"}', 404),
    "no such episode": ("GET", "/state?episode_id=ep_0", None, 404),
    "an option nobody knows": ("POST", "/reset", b'{"task": "easy-1"}', 422),
    "a lone surrogate": ("POST", "/run_raw", b'{"code": "\\ud800"}', 422),
    "nothing to run": ("POST", "/run_raw", b'{"code": ""}', 422),
    "white space to run": ("POST", "/run_raw", b'{"code": " "}', 400),
    "two things to fix": ("POST", "/fix", b'{"code": "x", "episode_id": "y"}', 400),
    "nothing to fix": ("POST", "/fix", b"{}", 400),
    "a deep nest": ("POST", "/run_raw", b"[" * 100_000, 400),
    "a body of 2 MB": ("POST", "/run_raw", b'{"code": "' + b"x" * 2_000_000 + b'"}', 413),
    "a body of 6 MB": ("POST", "/run_raw", b'{"code": "' + b"x" * 6_000_000 + b'"}', 413),
    "no such split": ("POST", "/codearena/tasks", b'{"split": "all"}', 400),
    "another environment": ("GET", "/other/splits", None, 404),
    "an index out of range": ("POST", "/codearena/task", b'{"split": "test", "index": 100000}', 400),
    "a time without a zone": ("GET", "/api/steps?run_id=x&after=2026-01-01T00:00:00", None, 400),
    "no time": ("GET", "/api/steps/stream?after=now", None, 422),
    "no such path": ("GET", "/nothing", None, 404),
    "another method": ("DELETE", "/reset", None, 405),
    "another difficulty": ("GET", "/api/tasks?difficulty=trivial", None, 422),
    "a path out of the page": ("GET", "/assets/../index.html", None, 404),
    "a path out of the folder": ("GET", "/assets/%2e%2e/%2e%2e/etc/passwd", None, 404),
}


@pytest.mark.parametrize(("method", "path", "body", "status"), BAD_REQUESTS.values(), ids=BAD_REQUESTS)
def test_a_bad_request_is_answered_with_its_status_and_a_reason(served, method, path, body, status):
    with served.http() as http:
        answer = http.request(method, path, content=body, headers={"Content-Type": "application/json"} if body else {})
    assert answer.status_code == status, answer.text
    error = answer.json()["error"]
    assert error["code"]
    assert error["message"]


def test_a_body_without_a_length_is_bounded_too(served):
    def endless():
        for _ in range(40):
            yield b"x" * 65536

    with served.http() as http:
        answer = http.post("/run_raw", content=endless(), headers={"Content-Type": "application/json"})
    assert answer.status_code == 413


def test_half_open_sockets_keep_nobody_waiting(served):
    host, port = served.url.removeprefix("http://").split(":")
    idle = [socket.create_connection((host, int(port))) for _ in range(50)]
    try:
        for number, each in enumerate(idle):
            each.sendall(
                b"POST /reset HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n" + (b"\r\n{" if number % 2 else b"")
            )
        with served.http() as http:
            assert http.get("/health").status_code == 200
    finally:
        for each in idle:
            each.close()


async def test_an_arena_that_is_down_is_said_to_be_and_never_a_reward(gateway):
    alone = gateway(CODEARENA_ENV_ADDRESS="127.0.0.1:9")
    with alone.http() as http:
        assert http.get("/health").status_code == 200
        for answer in (http.post("/reset", json={}), http.get("/api/tasks")):
            assert answer.status_code == 503
            assert answer.json()["error"]["code"] == "UNAVAILABLE"
            assert int(answer.headers["retry-after"]) >= 1
        services = {each["name"]: each["status"] for each in http.get("/api/operations").json()["services"]}
        assert services["env"] == "unreachable"
    async with websockets.connect(alone.ws) as session:
        await session.send('{"type": "reset", "data": {}}')
        answer = json.loads(await session.recv())
        assert (answer["type"], answer["data"]["code"]) == ("error", "EXECUTION_ERROR")
        assert "UNAVAILABLE" in answer["data"]["message"]
        await session.send('{"type": "state"}')
        assert json.loads(await session.recv())["type"] == "state"
