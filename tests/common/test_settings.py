"""Settings from the environment: what is accepted, what is refused and how, what is never shown."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from pydantic import ValidationError

from services.common.errors import StartError
from services.common.main import read_settings, run_until_done, variables
from services.common.settings import PeerSettings, ServiceSettings
from services.env.service import EnvService
from services.env.settings import EnvSettings
from services.gateway.service import gateway
from services.gateway.settings import GatewaySettings
from services.judge.settings import JudgeSettings
from services.standalone import __main__ as standalone

ROOT = Path(__file__).parents[2]
PASSWORD = "tr0ub4dor"  # pragma: allowlist secret


@pytest.fixture(autouse=True)
def clean(monkeypatch):
    for name in list(os.environ):
        if name.startswith("CODEARENA_"):
            monkeypatch.delenv(name)


def start(module, **variables):
    env = {name: value for name, value in os.environ.items() if not name.startswith("CODEARENA_")}
    return subprocess.run(
        [sys.executable, "-m", module],
        env=env | variables,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize(
    ("variable", "words"),
    [
        ("CODEARENA_ENV_PORT", "CODEARENA_ENV_PORT: "),
        ("CODEARENA_TASKS", '"tasks"'),
        ("CODEARENA_TLS_KEY_FILE", "CODEARENA_TLS_CERTIFICATE_FILE and CODEARENA_TLS_KEY_FILE"),
    ],
)
def test_a_wrong_setting_is_one_message_without_its_value(monkeypatch, capsys, variable, words):
    monkeypatch.setenv(variable, PASSWORD)
    with pytest.raises(SystemExit) as caught:
        read_settings(EnvSettings)
    assert caught.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("wrong settings: ")
    assert words in line
    assert PASSWORD not in line


def test_every_wrong_setting_is_named_and_the_status_is_2():
    done = start("services.env", CODEARENA_REWARD_PROFILE="generous", CODEARENA_MAX_STEPS="0")
    assert (done.returncode, done.stdout) == (2, "")
    first, second = done.stderr.splitlines()
    assert "CODEARENA_REWARD_PROFILE: no reward profile 'generous'; there are default, tests_only" in first
    assert "CODEARENA_MAX_STEPS: " in second


def test_the_standalone_arena_checks_the_settings_of_all_its_services():
    done = start("services.standalone", CODEARENA_EXECUTOR_SLOTS="0")
    assert done.returncode == 2
    assert done.stderr.startswith("wrong settings: CODEARENA_EXECUTOR_SLOTS: ")


def test_a_data_directory_that_cannot_be_made_is_one_message_and_status_1(tmp_path):
    (tmp_path / "file").touch()
    done = start("services.env", CODEARENA_DATA_DIR=str(tmp_path / "file" / "data"))
    assert done.returncode == 1
    assert "cannot start: " in done.stderr
    assert "CODEARENA_DATA_DIR" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("url", [PASSWORD, f"postgresql+nosuchdriver://user:{PASSWORD}@host/db"])
def test_a_database_that_cannot_be_used(url):
    with pytest.raises(StartError, match="CODEARENA_DATABASE_URL") as caught:
        EnvService(EnvSettings(database_url=url), CollectorRegistry())
    assert PASSWORD not in str(caught.value)


@pytest.mark.parametrize("text", ["id: 'x\n", "id: nothing-else\n"], ids=["no YAML", "no task"])
def test_tasks_that_are_none(tmp_path, text):
    (tmp_path / "task.yaml").write_text(text)
    with pytest.raises(StartError, match=r"task\.yaml"):
        EnvService(EnvSettings(tasks=(tmp_path,)), CollectorRegistry())


@pytest.mark.parametrize("show", [repr, str, lambda settings: settings.model_dump_json()])
def test_secrets_are_masked(monkeypatch, show):
    for name in ("TOKEN", "DATABASE_URL", "JUDGE_API_KEY"):
        monkeypatch.setenv(f"CODEARENA_{name}", f"sqlite:///{PASSWORD}")
    for settings in (EnvSettings(), JudgeSettings(), PeerSettings()):
        assert PASSWORD not in show(settings)
    assert PASSWORD in EnvSettings().store_url()


PEERS = {"CODEARENA_PEER_KEY_FILE": "peer.key", "CODEARENA_TOKEN": PASSWORD, "CODEARENA_PEER_TOKEN": PASSWORD}


async def _start_env():
    EnvService(EnvSettings(), CollectorRegistry())


async def _start_gateway():
    async with gateway(GatewaySettings(port=0), {}):
        pass


@pytest.mark.parametrize("begin", [_start_env, _start_gateway])
def test_what_is_wrong_about_peers_is_a_message_without_its_values(monkeypatch, capsys, begin):
    for name, value in PEERS.items():
        monkeypatch.setenv(name, value)
    assert run_until_done(begin()) == 2
    said = capsys.readouterr().err
    assert said == "wrong settings: CODEARENA_PEER_CERTIFICATE_FILE and CODEARENA_PEER_KEY_FILE go together\n"


def test_an_error_of_settings_quotes_no_value(monkeypatch):
    for name, value in PEERS.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ValidationError, match="CODEARENA_PEER_CERTIFICATE_FILE") as caught:
        PeerSettings()
    assert PASSWORD not in str(caught.value)


ALLOWED = {
    "CODEARENA_TLS_CERTIFICATE_FILE": "a.pem",
    "CODEARENA_TLS_KEY_FILE": "a.key",
    "CODEARENA_TLS_CLIENT_CA_FILE": "ca.pem",
    "CODEARENA_TLS_ALLOWED_CLIENTS": '["trainer.example"]',
}


def test_the_gateway_refuses_a_list_of_names_that_it_would_not_heed(monkeypatch, capsys):
    for name, value in ALLOWED.items():
        monkeypatch.setenv(name, value)
    assert EnvSettings().tls_allowed_clients == ("trainer.example",)
    with pytest.raises(SystemExit):
        read_settings(GatewaySettings)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("wrong settings: CODEARENA_TLS_ALLOWED_CLIENTS: the gateway does not look at")


@pytest.mark.parametrize(
    ("options", "refused"),
    [((), "CODEARENA_TLS_ALLOWED_CLIENTS"), (("--no-gateway",), "OTEL_TRACES_EXPORTER")],
)
def test_an_arena_without_a_gateway_heeds_it(monkeypatch, capsys, options, refused):
    for name, value in (ALLOWED | {"OTEL_TRACES_EXPORTER": "a wrong one, which is read last"}).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "argv", ["standalone", *options])
    with pytest.raises(SystemExit):
        standalone.main()
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"wrong settings: {refused}: ")


def test_an_empty_variable_is_an_absent_one(monkeypatch):
    for name in ("TOKEN", "PEER_CA_FILE", "DATABASE_URL", "ENV_PORT", "TLS_KEY_FILE"):
        monkeypatch.setenv(f"CODEARENA_{name}", "")
    assert (PeerSettings().token, PeerSettings().peer_ca_file) == (None, None)
    settings = EnvSettings()
    assert (settings.token, settings.port, settings.tls_key_file) == (None, 50051, None)
    assert settings.store_url().startswith("sqlite:////")


def test_the_store_is_in_the_data_directory(monkeypatch, tmp_path):
    monkeypatch.setenv("CODEARENA_DATA_DIR", str(tmp_path))
    assert EnvSettings().store_url() == f"sqlite:///{tmp_path}/codearena.sqlite3"


def test_settings_do_not_change():
    with pytest.raises(ValidationError):
        ServiceSettings().port = 1


@pytest.mark.parametrize(
    "values",
    [
        {"port": -1},
        {"port": 65536},
        {"metrics_port": 70000},
        {"grace_seconds": -1},
        {"drain_seconds": 61},
        {"log_level": "loud"},
        {"max_connection_age_seconds": 0},
        {"tls_certificate_file": "a.pem"},
        {"tls_client_ca_file": "a.pem"},
    ],
)
def test_impossible_values(values):
    with pytest.raises(ValidationError):
        ServiceSettings(**values)


@pytest.mark.parametrize(("host", "loopback"), [("127.0.0.1", True), ("localhost", True), ("0.0.0.0", False)])
def test_what_counts_as_loopback(host, loopback):
    assert ServiceSettings(host=host).loopback_only is loopback


def test_help_names_every_variable():
    text = variables(EnvSettings)
    for name in ("CODEARENA_ENV_PORT (default 50051)", "CODEARENA_MAX_STEPS (default 5)", "CODEARENA_DATABASE_URL"):
        assert name in text
    assert "PydanticUndefined" not in text
