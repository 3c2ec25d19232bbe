"""Clients with tokens of their own: the arena behind the gateway knows who they are."""

import asyncio
import contextlib
import functools
import json
import os
import ssl
import urllib.request

import httpx2
import pytest
import websockets
from prometheus_client import CollectorRegistry

from codearena.v1 import env_service_pb2 as wire
from services.common.server import serving
from services.common.settings import ServiceSettings
from services.common.tokens import fingerprint
from services.gateway.service import gateway as running_gateway
from services.gateway.settings import GatewaySettings
from tests.common.certificates import Authority
from tests.common.stand import FULL_NAME, Stand
from tests.waiting import eventually

READER, TRAINER, OWN = "codearena_reader", "codearena_trainer", "codearena_gateway"


class Told(Stand):
    """Keeps the token of each call."""

    def __init__(self):
        super().__init__()
        self.tokens = []

    async def ListTasks(self, request, context):  # noqa: N802
        self.tokens.append(dict(context.invocation_metadata()).get("authorization"))
        return await super().ListTasks(request, context)

    async def GetState(self, request, context):  # noqa: N802
        return wire.GetStateResponse(episode_id=request.episode_id, task_id="easy-1")

    async def GetTask(self, request, context):  # noqa: N802
        return wire.GetTaskResponse(task=wire.Task(task_id=request.task_id))

    async def CloseEpisode(self, request, context):  # noqa: N802
        self.tokens.append(dict(context.invocation_metadata()).get("authorization"))
        return wire.CloseEpisodeResponse()


@pytest.fixture(autouse=True)
def clean(monkeypatch):
    for name in list(os.environ):
        if name.startswith("CODEARENA_"):
            monkeypatch.delenv(name)


@pytest.fixture
def tokens(tmp_path):
    scopes = {READER: ["read"], TRAINER: ["train"], OWN: ["train"], "codearena_service": ["service"]}
    entries = [
        {"name": secret.partition("_")[2], "sha256": fingerprint(secret), "scopes": scope}
        for secret, scope in scopes.items()
    ]
    file = tmp_path / "tokens.yaml"
    file.write_text(json.dumps({"tokens": entries}))
    return file


@contextlib.asynccontextmanager
async def arena(tokens, **settings):
    """An env service and a gateway that know the same tokens; yields what env was told, and the gateway's URL.

    How many calls of a method ended with a status is `stand.handled(method, code)`.
    """
    stand = Told()
    plain = {"host": "127.0.0.1", "port": 0, "drain_seconds": 0, "grace_seconds": 5, "tokens_file": tokens}
    registry = CollectorRegistry()
    stand.handled = functools.partial(_handled, registry)
    async with serving(stand, ServiceSettings(**plain), registry) as env:
        front = {"env_address": f"127.0.0.1:{env.port}", "env_token": OWN} | settings
        async with running_gateway(GatewaySettings(**plain | front), {}) as served:
            yield stand, served.url


def _handled(registry, method, code):
    labels = {"grpc_service": FULL_NAME, "grpc_method": method, "grpc_code": code}
    return registry.get_sample_value("grpc_server_handled_total", labels)


def known(secret):
    return {"Authorization": f"Bearer {secret}"}


async def test_a_client_s_token_goes_through_to_the_arena(tokens):
    async with arena(tokens) as (env, url), httpx2.AsyncClient(base_url=url, trust_env=False, timeout=30) as http:
        assert (await http.get("/api/tasks", headers=known(READER))).status_code == 200
        assert (await http.get("/api/tasks", headers=known(TRAINER))).status_code == 200
        assert env.tokens == [f"Bearer {READER}", f"Bearer {TRAINER}"]

        denied = await http.post("/run_raw", json={"code": "1"}, headers=known(READER))
        error = denied.json()["error"]
        assert (denied.status_code, error["code"], error["reason"]) == (403, "PERMISSION_DENIED", "SCOPE_MISSING")
        for headers, status, reason in (
            ({}, 401, "BAD_TOKEN"),
            (known("codearena_guessed"), 401, "BAD_TOKEN"),
            (known("codearena_service"), 403, "SCOPE_MISSING"),
        ):
            answer = await http.get("/api/tasks", headers=headers)
            assert (answer.status_code, answer.json()["error"]["reason"]) == (status, reason)
        assert len(env.tokens) == 2


async def test_a_websocket_is_its_client_s_all_along(tokens):
    async with arena(tokens) as (_, url):
        address = url.replace("http", "ws", 1) + "/ws"
        with pytest.raises(websockets.InvalidStatus) as refused:
            await websockets.connect(address)
        assert refused.value.response.status_code == 401
        async with websockets.connect(address, additional_headers=known(READER)) as session:
            await session.send(json.dumps({"type": "reset", "data": {"task_id": "easy-1"}}))
            said = json.loads(await session.recv())
            assert said["type"] == "error"
            assert "the token reader has read" in json.dumps(said)


@pytest.mark.parametrize("says_close", [True, False])
async def test_an_episode_is_closed_in_the_name_of_the_client_that_left_it(tokens, says_close):
    async with arena(tokens, resume_seconds=0) as (env, url):
        address = url.replace("http", "ws", 1) + "/ws"

        async def join(secret):
            async with websockets.connect(address, additional_headers=known(secret)) as session:
                await session.send(json.dumps({"type": "reset", "data": {"episode_id": "ep_1"}}))
                assert json.loads(await session.recv())["type"] == "observation"
                if says_close:
                    await session.send(json.dumps({"type": "close"}))

        await join(READER)
        await eventually(lambda: env.handled("CloseEpisode", "PERMISSION_DENIED") == 1)
        assert env.tokens == []
        await join(TRAINER)
        await eventually(lambda: env.handled("CloseEpisode", "OK") == 1)
        assert env.tokens == [f"Bearer {TRAINER}"]


async def test_an_episode_that_is_left_for_another_one_is_closed_so_too(tokens):
    async with arena(tokens) as (env, url):
        address = url.replace("http", "ws", 1) + "/ws"
        async with websockets.connect(address, additional_headers=known(READER)) as session:
            for episode in ("ep_1", "ep_2"):
                await session.send(json.dumps({"type": "reset", "data": {"episode_id": episode}}))
                assert json.loads(await session.recv())["type"] == "observation"
            await eventually(lambda: env.handled("CloseEpisode", "PERMISSION_DENIED") == 1)


async def test_who_has_the_shared_token_is_sent_on_with_the_gateway_s(tokens):
    async with (
        arena(tokens, token="opensesame") as (env, url),
        httpx2.AsyncClient(base_url=url, trust_env=False, timeout=30) as http,
    ):
        assert (await http.get("/api/tasks", headers=known("opensesame"))).status_code == 200
        assert env.tokens == [f"Bearer {OWN}"]


async def test_certificates_of_the_gateway_change_while_it_serves(monkeypatch, tokens, tmp_path):
    monkeypatch.setattr("services.gateway.web_tls._LOOK_SECONDS", 0.02)
    monkeypatch.setattr("services.common.watched_files._LOOK_SECONDS", 0.0)
    old, new = Authority(tmp_path, "old"), Authority(tmp_path, "new")
    shown = old.sign("gateway")
    async with arena(tokens, tls_certificate_file=shown.certificate, tls_key_file=shown.key) as (_, url):
        assert await asyncio.to_thread(healthy, url, old)
        shown.replace(new.sign("next"))

        async def changed():
            return await asyncio.to_thread(healthy, url, new)

        await eventually(changed)
        assert not await asyncio.to_thread(healthy, url, old)


async def test_authorities_with_words_beside_them(monkeypatch, tokens, tmp_path):
    monkeypatch.setattr("services.gateway.web_tls._LOOK_SECONDS", 0.02)
    monkeypatch.setattr("services.common.watched_files._LOOK_SECONDS", 0.0)
    old, new = Authority(tmp_path, "old"), Authority(tmp_path, "new")
    shown, clients = old.sign("gateway"), tmp_path / "clients.pem"
    clients.write_bytes(old.itself.certificate.read_bytes())
    settings = {"tls_certificate_file": shown.certificate, "tls_key_file": shown.key, "tls_client_ca_file": clients}
    async with arena(tokens, **settings) as (_, url):
        assert await asyncio.to_thread(healthy, url, old, old.itself)
        assert not await asyncio.to_thread(healthy, url, old, new.itself)
        words = "# Zertifizierungsstelle für Clients\n".encode()
        clients.write_bytes(words + old.itself.certificate.read_bytes() + new.itself.certificate.read_bytes())

        async def trusted():
            return await asyncio.to_thread(healthy, url, old, new.itself)

        await eventually(trusted)
        assert await asyncio.to_thread(healthy, url, old, old.itself)


async def test_what_the_gateway_shows_the_arena_may_change(monkeypatch, tokens, tmp_path):
    monkeypatch.setattr("services.common.watched_files._LOOK_SECONDS", 0.0)
    authority = Authority(tmp_path, "authority")
    server, shown = authority.sign("env"), authority.sign("gateway")
    for name, path in (("CA", authority.itself.certificate), ("CERTIFICATE", shown.certificate), ("KEY", shown.key)):
        monkeypatch.setenv(f"CODEARENA_PEER_{name}_FILE", str(path))
    stand = Told()
    settings = ServiceSettings(
        host="127.0.0.1",
        port=0,
        drain_seconds=0,
        tls_certificate_file=server.certificate,
        tls_key_file=server.key,
        tls_client_ca_file=authority.itself.certificate,
    )
    async with serving(stand, settings, CollectorRegistry()) as env:
        front = GatewaySettings(host="127.0.0.1", port=0, drain_seconds=0, env_address=f"127.0.0.1:{env.port}")
        async with (
            running_gateway(front, {}) as served,
            httpx2.AsyncClient(base_url=served.url, trust_env=False, timeout=30) as http,
        ):
            assert (await http.get("/api/tasks")).status_code == 200
            shown.replace(authority.sign("gateway2"))
            assert (await http.get("/api/tasks")).status_code == 200
            reloads = served.registry.get_sample_value("codearena_peer_certificate_reloads_total", {"result": "ok"})
            assert reloads == 1


def healthy(url, authority, client=None):
    context = ssl.create_default_context(cafile=authority.itself.certificate)
    if client is not None:
        context.load_cert_chain(client.certificate, client.key)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))
    try:
        return opener.open(f"{url}/health", timeout=10).status == 200
    except OSError:
        return False
