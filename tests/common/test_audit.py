"""The audit log: what is kept, in what form, and that nobody can make it grow without bound."""

import json

import grpc
import pytest
from prometheus_client import CollectorRegistry

from codearena.v1 import env_service_pb2 as wire
from codearena.v1.env_service_pb2_grpc import EnvServiceStub
from services.common.audit import STDOUT, Audit
from services.common.server import serving
from services.common.settings import ServiceSettings
from services.common.tokens import fingerprint
from tests.common.stand import Stand
from tests.waiting import eventually

ADMIN, READER = "codearena_admin", "codearena_reader"
CODE = "password = 'tr0ub4dor'"  # pragma: allowlist secret


class Administered(Stand):
    async def ImportMemories(self, request, context):  # noqa: N802
        return wire.ImportMemoriesResponse()

    async def UpdateRun(self, request, context):  # noqa: N802
        raise ValueError(CODE)


@pytest.fixture
async def env(tmp_path):
    """A service with an audit log; yields how to call it, and the log's lines so far."""
    tokens = [
        {"name": "boss", "sha256": fingerprint(ADMIN), "scopes": ["admin"]},
        {"name": "eye", "sha256": fingerprint(READER), "scopes": ["read"]},
    ]
    (tmp_path / "tokens.yaml").write_text(json.dumps({"tokens": tokens}))
    settings = ServiceSettings(
        host="127.0.0.1",
        port=0,
        drain_seconds=0,
        token="opensesame",
        tokens_file=tmp_path / "tokens.yaml",
        audit_file=tmp_path / "audit.log",
    )
    async with (
        serving(Administered(), settings, CollectorRegistry()) as server,
        grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel,
    ):
        yield Audited(EnvServiceStub(channel), tmp_path)
    last = lines(tmp_path)[-1]
    assert (last["audit"], last["service"]) == ("stopped", "env")
    text = (tmp_path / "audit.log").read_text()
    assert not [secret for secret in (ADMIN, READER, "opensesame", "guessed", "tr0ub4dor") if secret in text]


class Audited:
    def __init__(self, stub, folder):
        self.stub = stub
        self.folder = folder

    async def call(self, method, request, secret):
        return await getattr(self.stub, method)(request, metadata=(("authorization", f"Bearer {secret}"),), timeout=10)

    async def refused(self, method, request, secret):
        with pytest.raises(grpc.aio.AioRpcError):
            await self.call(method, request, secret)

    def lines(self, what):
        return [line for line in lines(self.folder) if line["audit"] == what]


def lines(folder):
    return [json.loads(line) for line in (folder / "audit.log").read_text().splitlines()]


async def test_the_start_with_its_settings_and_without_their_secrets(env):
    (line,) = env.lines("started")
    assert (line["settings"]["token"], line["settings"]["host"]) == ("**********", "127.0.0.1")
    assert line["port"] > 0
    assert line["time"].endswith("+00:00")


async def test_who_was_refused_and_why(env):
    await env.refused("ListTasks", wire.ListTasksRequest(), "guessed")
    await env.refused("UpdateRun", wire.UpdateRunRequest(), READER)
    first, second = env.lines("refused")
    assert (first["code"], first["method"]) == ("UNAUTHENTICATED", "/codearena.v1.EnvService/ListTasks")
    assert first["peer"].startswith("ipv4:127.0.0.1:")
    assert (second["code"], "the token eye has read" in second["why"]) == ("PERMISSION_DENIED", True)


async def test_what_administrators_do_with_how_it_ended(env):
    memory = wire.Memory(code=CODE)
    await env.call("ImportMemories", wire.ImportMemoriesRequest(run_id="r1", memories=[memory]), ADMIN)
    await env.refused("UpdateRun", wire.UpdateRunRequest(run_id="r2"), "opensesame")
    await env.call("ListTasks", wire.ListTasksRequest(), ADMIN)
    await eventually(lambda: len(env.lines("admin call")) == 2)
    told = [(line["method"], line["code"], line["token"], line["run_id"]) for line in env.lines("admin call")]
    service = "/codearena.v1.EnvService"
    assert told == [
        (f"{service}/ImportMemories", "OK", "boss", "r1"),
        (f"{service}/UpdateRun", "INTERNAL", "shared", "r2"),
    ]


async def test_a_flood_of_refusals_is_a_few_lines(env):
    for _ in range(200):
        await env.refused("ListTasks", wire.ListTasksRequest(), "guessed")
    assert 20 <= len(env.lines("refused")) <= 60


def test_how_many_were_left_out_is_said(tmp_path, monkeypatch):
    now = [100.0]
    monkeypatch.setattr("services.common.audit.time.monotonic", lambda: now[0])
    audit = Audit("env", tmp_path / "audit.log")
    for _ in range(50):
        audit.refused("refused")
    now[0] += 1
    audit.refused("refused")
    found = lines(tmp_path)
    assert len(found) == 21
    assert found[-1]["suppressed"] == 30


def test_the_file_is_rotated_and_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr("services.common.audit._FILE_BYTES", 2000)
    first, second = Audit("env", tmp_path / "audit.log"), Audit("judge", tmp_path / "audit.log")
    for number in range(200):
        (first, second)[number % 2].record("admin call", method="x" * 100_000, number=number)
    files = sorted(path.name for path in tmp_path.iterdir())
    assert files == ["audit.log", "audit.log.1", "audit.log.2", "audit.log.3", "audit.log.4"]
    assert all((tmp_path / name).stat().st_size <= 2000 for name in files)
    assert lines(tmp_path)[-1]["number"] == 199


def test_a_file_that_cannot_be_written(tmp_path):
    with pytest.raises(OSError, match="audit"):
        Audit("env", tmp_path / "none" / "audit.log")


def test_on_stdout(capsys):
    Audit("env", STDOUT).record("tokens reloaded", tokens=3)
    line = json.loads(capsys.readouterr().out)
    assert (line["audit"], line["service"], line["tokens"]) == ("tokens reloaded", "env", 3)
