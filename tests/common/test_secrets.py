"""Secrets stay where they are: services at debug level, everything that can fail failing, and every word of it read."""

import contextlib
import io
import json
import logging
import os
import ssl

import httpx2
import pytest
import structlog
from prometheus_client import CollectorRegistry, generate_latest

from codearena import ArenaError, AsyncArenaClient, TLSConfig
from services.common import logs
from services.common.errors import StartError
from services.common.server import serving
from services.common.settings import PeerSettings
from services.common.tokens import fingerprint
from services.env.service import EnvService
from services.env.settings import EnvSettings
from services.gateway.service import gateway
from services.gateway.settings import GatewaySettings
from services.judge.service import JudgeService
from services.judge.settings import JudgeSettings
from tests.common.certificates import Authority
from tests.env.parts import free_port
from tests.judge.openai_server import OpenAiServer, Reply
from tests.task_files import DEMO

SHARED, CLIENT, PEER, WRONG = ("codearena_" + name * 6 for name in ("shared", "client", "peer", "wrong"))
API_KEY, FIXER_KEY, DB, REDIS = ("sk-" + name * 6 for name in ("judge", "fixer", "database", "redis"))
CODE = "def secret_sauce():\n    return 'sauce_of_the_submission'\n"
SECRETS = (SHARED, CLIENT, PEER, WRONG, API_KEY, FIXER_KEY, DB, REDIS, "sauce_of_the_submission")


class Heard:
    """Everything that is said where an operator, a scraper or a client could read it."""

    def __init__(self):
        self.texts = {}

    def add(self, where, text):
        self.texts[where] = self.texts.get(where, "") + str(text) + "\n"

    async def failing(self, where, call):
        """Makes a call that fails, and keeps what it says."""
        with pytest.raises(ArenaError) as caught:
            await call
        error = caught.value
        self.add(where, f"{error} {error!r} {dict(error.metadata)} {error.__cause__!r}")

    def told(self, secret):
        return [where for where, text in self.texts.items() if secret in text]


@pytest.fixture
def model():
    """A model whose server answers each question with its own headers and an error: the worst that it could log."""
    with contextlib.closing(OpenAiServer()) as server:
        statuses = iter([401, 500, 200] * 100)

        def echo(_request, number):
            said = json.dumps(server.headers[number - 1])
            return Reply({"error": {"message": said, "type": "bad", "code": said}}, status=next(statuses))

        server.script = echo
        yield server


@pytest.fixture
def variables(monkeypatch, tmp_path, model):
    """The environment of all services, with secrets of every kind."""
    for name in list(os.environ):
        if name.startswith("CODEARENA_"):
            monkeypatch.delenv(name)
    tokens = [
        {"name": "client", "sha256": fingerprint(CLIENT), "scopes": ["admin"]},
        {"name": "peer", "sha256": fingerprint(PEER), "scopes": ["service"]},
    ]
    (tmp_path / "tokens.yaml").write_text(json.dumps({"tokens": tokens}))
    shown = Authority(tmp_path, "arena").itself
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    (secrets / "codearena_judge_api_key").write_text(API_KEY)
    (secrets / "codearena_token").write_text(SHARED)
    settings = {
        "SECRETS_DIR": secrets,
        "DATA_DIR": tmp_path / "data",
        "TASKS": json.dumps([str(path) for path in DEMO]),
        "PEER_TOKEN": PEER,
        "TOKENS_FILE": tmp_path / "tokens.yaml",
        "AUDIT_FILE": tmp_path / "audit.log",
        "TLS_CERTIFICATE_FILE": shown.certificate,
        "TLS_KEY_FILE": shown.key,
        "PEER_CA_FILE": shown.certificate,
        "JUDGE_BASE_URL": model.url,
        "JUDGE_MAX_RETRIES": "0",
        "JUDGE_CACHE_URL": f"redis://:{REDIS}@127.0.0.1:1",
        "FIXER_PROVIDERS": json.dumps(
            [{"name": "f", "base_url": model.url, "model": "m", "api_key": FIXER_KEY, "max_retries": 0}]
        ),
        "EXECUTOR_ADDRESS": f"127.0.0.1:{free_port()}",
        "DRAIN_SECONDS": "0",
        "LOG_LEVEL": "debug",
        "LOG_FORMAT": "json",
    }
    for name, value in settings.items():
        monkeypatch.setenv(f"CODEARENA_{name}", str(value))
    return monkeypatch


@pytest.fixture
def heard(capfd, tmp_path):
    """Listens to the log, to what libraries log, to stdout and stderr, and to the audit log."""
    found, libraries, own = Heard(), io.StringIO(), io.StringIO()
    handler = logging.StreamHandler(libraries)
    root = logging.getLogger()
    root.addHandler(handler)
    logs.configure("debug", "json")
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(own))
    found.add_all = lambda: [
        found.add("log", own.getvalue()),
        found.add("logs of libraries", libraries.getvalue()),
        found.add("stdout and stderr", "".join(capfd.readouterr())),
        found.add("audit log", (tmp_path / "audit.log").read_text()),
    ]
    yield found
    structlog.reset_defaults()
    root.removeHandler(handler)


async def test_no_secret_and_no_submission_is_ever_said(variables, heard, model, tmp_path):
    registries = [CollectorRegistry() for _ in range(2)]
    variables.setenv("CODEARENA_JUDGE_PORT", "0")
    judge_settings = JudgeSettings(metrics_port=None)
    async with serving(JudgeService(judge_settings, registries[0]), judge_settings, registries[0]) as judge:
        variables.setenv("CODEARENA_JUDGE_ADDRESS", f"127.0.0.1:{judge.port}")
        env_settings = EnvSettings(port=0, metrics_port=None)
        async with serving(EnvService(env_settings, registries[1]), env_settings, registries[1]) as env:
            front = GatewaySettings(port=0, env_address=f"127.0.0.1:{env.port}")
            async with gateway(front, {}) as served:
                await _provoke(heard, f"127.0.0.1:{env.port}", served.url, tmp_path)
                heard.add("metrics", generate_latest(served.registry).decode())
            for settings in (judge_settings, env_settings, front, PeerSettings()):
                heard.add("settings", f"{settings!r} {settings} {settings.model_dump_json()}")
        for registry in registries:
            heard.add("metrics", generate_latest(registry).decode())
    await _start_without_a_database(variables, heard)

    heard.add_all()
    assert {secret: heard.told(secret) for secret in SECRETS if heard.told(secret)} == {}
    for line in (tmp_path / "arena.key").read_text().splitlines()[1:-1]:
        assert heard.told(line) == []
    # the premises: each of them was used, and each of the places was written to
    keys = {headers["authorization"] for headers in model.headers}
    assert f"Bearer {API_KEY}" in keys
    assert f"Bearer {FIXER_KEY}" in keys
    assert all(
        heard.texts[where].strip() for where in ("log", "audit log", "metrics", "settings", "errors", "reviews", "http")
    )
    assert "shared store" in heard.texts["log"]


async def _provoke(heard, address, url, tmp_path):
    """Has everything fail that can: tokens, the model, the executor, the text of requests."""
    tls = TLSConfig(tmp_path / "arena.pem")
    for token in (WRONG, CLIENT, SHARED):
        async with AsyncArenaClient(address, token=token, tls=tls, max_attempts=1, timeout_seconds=20) as arena:
            if token is WRONG:
                await heard.failing("errors", arena.get_task("easy-1"))
                continue
            assert (await arena.get_task("easy-1")).task_id == "easy-1"
            for _ in range(3):
                heard.add("reviews", await arena.review_fix(CODE, task_id="easy-1"))
                heard.add("proposals", (await arena.propose_fix("x = = 1")).method)
            await heard.failing("errors", arena.grade("easy-1", CODE))
            await heard.failing("errors", arena.grade("nothing", CODE))
            await heard.failing("errors", arena.grade("easy-1", CODE + "\0"))
    async with httpx2.AsyncClient(base_url=url, verify=_context(tmp_path), trust_env=False, timeout=30) as http:
        for token in (WRONG, CLIENT, SHARED):
            known = {"Authorization": f"Bearer {token}"}
            for path, body in (("/fix", {"code": 7}), ("/run_raw", {"code": CODE}), ("/step", {"action": CODE})):
                answer = await http.post(path, json=body, headers=known)
                assert answer.status_code >= 400
                heard.add("http", f"{answer.headers} {answer.text}")


def _context(tmp_path):
    return ssl.create_default_context(cafile=tmp_path / "arena.pem")


async def _start_without_a_database(variables, heard):
    variables.setenv("CODEARENA_DATABASE_URL", f"postgresql+psycopg://arena:{DB}@127.0.0.1:1/arena")
    settings, registry = EnvSettings(port=0, metrics_port=None), CollectorRegistry()
    assert DB in settings.store_url()
    with pytest.raises(StartError) as caught:
        async with serving(EnvService(settings, registry), settings, registry):
            pass
    heard.add("errors", f"{caught.value} {caught.value!r}")
    heard.add("settings", repr(settings))
