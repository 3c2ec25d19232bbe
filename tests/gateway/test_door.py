"""Who may come in, how often, how much, and what a browser is told."""

import asyncio
import json
import time

import httpx2
import pytest
import websockets

from services.common.access import Gate
from services.common.audit import Audit
from services.common.tokens import Tokens
from services.gateway.door import Door, Rates
from services.standalone.arena import arena as running_arena
from tests.common.certificates import make_certificate
from tests.conftest import PLAIN_SETTINGS

TOKEN = "a-token-of-the-tests"
KNOWN = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture
def guarded(gateway, dashboard):
    return gateway(
        CODEARENA_TOKEN=TOKEN,
        CODEARENA_DASHBOARD=str(dashboard),
        CODEARENA_CORS_ORIGINS='["https://friend.example"]',
        CODEARENA_REQUESTS_PER_SECOND="5",
        CODEARENA_REQUEST_BURST="60",
        CODEARENA_MAX_STREAMS="1",
    )


async def test_the_door(guarded):
    with guarded.http() as http:
        # health and the files of the page need no token; everything else does
        for path in ("/health", "/", "/arena/hard-1", "/assets/index-abc.js"):
            assert http.get(path).status_code == 200, path
        for path in ("/api/tasks", "/state", "/metrics", "/openapi.json", "/schema", "/metadata", "/nothing"):
            answer = http.get(path)
            assert (answer.status_code, answer.json()["error"]["code"]) == (401, "UNAUTHENTICATED"), path
            assert answer.headers["www-authenticate"] == "Bearer"
        assert http.post("/run_raw", json={"code": "1"}).status_code == 401
        assert http.post("/", json={}).status_code == 401
        for wrong in ("Bearer x", TOKEN, f"bearer {TOKEN}x", "Basic YTpi"):
            assert http.get("/metadata", headers={"Authorization": wrong}).status_code == 401
        assert http.get("/metadata", headers=KNOWN).status_code == 200

        # pages of others may not call, unless they are named; no answer is theirs to read
        for origin, allowed in {
            "https://evil.example": False,
            "null": False,
            "http://[": False,
            "https://friend.example": True,
        }.items():
            answer = http.post("/reset", json={"task_id": "nothing"}, headers=KNOWN | {"Origin": origin})
            assert answer.status_code == (404 if allowed else 403), origin
            assert answer.headers.get("access-control-allow-origin") == (origin if allowed else None)
            asking = {"Origin": origin, "Access-Control-Request-Method": "POST"}
            answer = http.options("/reset", headers=asking)
            assert answer.headers.get("access-control-allow-origin") == (origin if allowed else None)
        own = {"Origin": guarded.url}
        assert http.post("/reset", json={"task_id": "nothing"}, headers=KNOWN | own).status_code == 404

        # what a browser is told
        headers = http.get("/").headers
        assert "default-src 'self'" in headers["content-security-policy"]
        assert "unsafe-eval" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-cache"
        assert "server" not in headers
        assert "immutable" in http.get("/assets/index-abc.js").headers["cache-control"]

    for headers in ({}, {"Authorization": "Bearer x"}, KNOWN | {"Origin": "https://evil.example"}):
        with pytest.raises(websockets.InvalidStatus) as refused:
            await websockets.connect(guarded.ws, additional_headers=headers)
        assert refused.value.response.status_code in {401, 403}
    async with websockets.connect(guarded.ws, additional_headers=KNOWN) as session:
        await session.send('{"type": "state"}')
        assert json.loads(await session.recv())["type"] == "state"

    with guarded.http(headers=KNOWN) as http:
        with http.stream("GET", "/api/steps/stream") as first:
            lines = first.iter_lines()
            assert next(lines).startswith("event: ")
            second = http.get("/api/steps/stream")
            assert (second.status_code, second.json()["error"]["code"]) == (429, "RESOURCE_EXHAUSTED")
        # so many requests at once and no more
        for _ in range(100):
            answer = http.get("/metadata")
            if answer.status_code == 429:
                break
        assert answer.status_code == 429
        assert int(answer.headers["retry-after"]) >= 1
        assert http.get("/health").status_code == 200
        await asyncio.sleep(1.0)
        assert http.get("/metadata").status_code == 200
    said = guarded.log.read_text()
    assert TOKEN not in said


async def test_an_arena_behind_tls_is_reached_by_its_ca(gateway, arena_data, tmp_path):
    own = make_certificate(tmp_path, "arena")
    settings = PLAIN_SETTINGS | {"tls_certificate_file": own.certificate, "tls_key_file": own.key, "slots": 1}
    async with running_arena(
        port=0, private=True, data_dir=arena_data, sandbox_backend="process", **settings
    ) as guarded:
        variables = {"CODEARENA_ENV_ADDRESS": guarded.address, "CODEARENA_PEER_CA_FILE": str(own.certificate)}
        front = await asyncio.to_thread(lambda: gateway(**variables))
        async with httpx2.AsyncClient(base_url=front.url, timeout=60, trust_env=False) as http:
            assert (await http.get("/api/tasks/easy-1")).status_code == 200


async def test_messages_of_a_client_are_paced_whatever_number_of_connections_it_has():
    """The time is a lower bound: what is let in sooner was not waited for."""
    let_in, connected = [], asyncio.Barrier(5)

    async def app(scope, receive, send):
        await connected.wait()
        await receive()
        let_in.append(time.monotonic())

    door = _door(app, Rates(per_second=10, burst=5))
    begun = time.monotonic()
    await asyncio.gather(*(door(_scope("websocket"), _pieces({"type": "websocket.receive"}), None) for _ in range(5)))
    assert max(let_in) - begun > 0.4


@pytest.mark.parametrize("more", [False, True], ids=["the last piece", "not the last one"])
async def test_what_a_client_still_sends_is_read_and_no_more(monkeypatch, more):
    monkeypatch.setattr("services.gateway.door._DISCARD_SECONDS", 3600.0)
    answers, rest = [], [{"type": "http.request", "body": b"x"}] if more else []

    async def app(scope, receive, send):
        await receive()

    async def send(message):
        answers.append(message)

    receive = _pieces({"type": "http.request", "body": b"x" * 2000, "more_body": more}, *rest)
    await asyncio.wait_for(_door(app, Rates(0, 1))(_scope("http"), receive, send), 10)
    assert answers[0]["status"] == 413


def _door(app, rates):
    gate = Gate(Tokens(None, None, Audit("gateway", None)), (), Audit("gateway", None))
    return Door(app, gate=gate, origins=(), rates=rates, max_body_bytes=1024)


def _scope(kind):
    return {"type": kind, "path": "/ws", "method": "POST", "headers": [], "client": ("10.0.0.1", 1)}


def _pieces(*messages):
    """What a connection receives: these messages, and then nothing more."""
    left = list(messages)

    async def receive():
        if not left:
            await asyncio.Event().wait()
        return left.pop(0)

    return receive
