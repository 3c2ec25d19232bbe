"""The settings of the chain of providers, and the chain over gRPC."""

from __future__ import annotations

import json

import grpc
import pytest
from prometheus_client import CollectorRegistry, generate_latest
from pydantic import ValidationError

from codearena.v1 import judge_service_pb2 as wire
from services.common.main import read_settings
from services.judge.service import JudgeService
from services.judge.settings import JudgeSettings
from tests.judge.conftest import KEY
from tests.judge.openai_server import OpenAiServer, Reply, completion, message_of
from tests.judge.test_service import QUICK, judging

FIXED = "def double(x):\n    return 2 * x\n"
BROKEN = FIXED.replace(":", "")
VARIABLE = "CODEARENA_FIXER_PROVIDERS"


def a_provider(**changes):
    return {"name": "mine", "model": "m", "base_url": "http://127.0.0.1:1/v1", "api_key": KEY, **changes}


def settings_of(*providers, **changes):
    return JudgeSettings(fixer_providers=providers, **QUICK, **changes)


def test_each_kind_has_its_usual_address(monkeypatch):
    providers = [
        {"name": "vllm", "model": "qwen", "base_url": "http://10.0.0.2:8000/v1", "deadline_seconds": 7},
        {"name": "hf", "kind": "huggingface", "model": "org/model", "api_key": KEY},
        {"name": "local", "kind": "ollama", "model": "codellama"},
        {"name": "public", "kind": "openai", "model": "gpt", "api_key": KEY, "max_retries": 0},
    ]
    monkeypatch.setenv(VARIABLE, json.dumps(providers))
    fixers = dict(JudgeSettings(judge_prices={"qwen": (1, 2)}).fixers())
    assert [(name, model.base_url, model.name) for name, model in fixers.items()] == [
        ("vllm", "http://10.0.0.2:8000/v1", "qwen"),
        ("hf", "https://router.huggingface.co/v1", "org/model"),
        ("local", "http://127.0.0.1:11434/v1", "codellama"),
        ("public", "https://api.openai.com/v1", "gpt"),
    ]
    assert (fixers["vllm"].deadline_seconds, fixers["vllm"].price.completion) == (7, 2)
    assert (fixers["hf"].api_key, fixers["local"].api_key) == (KEY, "none")
    assert (fixers["hf"].max_retries, fixers["public"].max_retries) == (1, 0)


def test_unset_the_judges_first_model_is_asked(monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    assert JudgeSettings(judge_base_url="").fixers() == ()
    settings = JudgeSettings(judge_base_url="http://127.0.0.1:1/v1", judge_model="m", judge_panel=("n",))
    assert [(name, model.name) for name, model in settings.fixers()] == [("m", "m")]
    assert JudgeSettings(judge_base_url="http://127.0.0.1:1/v1", fixer_providers=()).fixers() == ()


@pytest.mark.parametrize(
    ("providers", "message"),
    [
        ([a_provider(), a_provider()], "several providers are called mine"),
        ([a_provider(name=f"p{n}") for n in range(9)], "at most 8"),
        ([a_provider(name="builtin")], "needs no provider"),
        ([a_provider(model="builtin")], "needs no provider"),
        ([a_provider(name="a b")], "pattern"),
        ([a_provider(model="")], "at least 1"),
        ([a_provider(kind="other")], "'openai', 'huggingface' or 'ollama'"),
        ([a_provider(base_url="127.0.0.1:8000")], "http://"),
        ([a_provider(base_url="ftp://host/v1")], "http://"),
        ([a_provider(base_url="http://")], "http://"),
        ([a_provider(base_url="http://host:x/v1")], "http://"),
        ([a_provider(base_url=f"http://user:{KEY}@host/v1")], "without user"),
        ([a_provider(base_url=f"http://host/v1?key={KEY}")], "without user"),
        ([{"name": "hf", "kind": "huggingface", "model": "m"}], "needs an api_key"),
        ([{"name": "public", "model": "m"}], "needs an api_key"),
        ([a_provider(deadline_seconds=0)], "greater than 0"),
        ([a_provider(key="x")], "Extra inputs"),
        ([a_provider(api_key=[KEY])], "string"),
    ],
)
def test_wrong_settings_are_told_without_the_key(monkeypatch, capsys, providers, message):
    monkeypatch.setenv(VARIABLE, json.dumps(providers))
    with pytest.raises(ValidationError, match=message) as caught:
        JudgeSettings()
    with pytest.raises(SystemExit):
        read_settings(JudgeSettings)
    told = capsys.readouterr().err
    assert told.startswith(f"wrong settings: {VARIABLE}: ")
    assert KEY not in told + str(caught.value) + repr(caught.value)


def test_what_is_no_json_is_told_without_the_key(monkeypatch, capsys):
    monkeypatch.setenv(VARIABLE, f'[{{"api_key": "{KEY}"')
    with pytest.raises(SystemExit):
        read_settings(JudgeSettings)
    told = capsys.readouterr().err
    assert "JSON" in told
    assert KEY not in told


def test_keys_are_masked():
    settings = settings_of(a_provider())
    assert KEY not in repr(settings) + str(settings) + settings.model_dump_json() + repr(settings.fixers())


def test_a_budget_in_dollars_needs_every_price():
    with pytest.raises(ValidationError, match=r"CODEARENA_JUDGE_PRICES of m \["):
        settings_of(a_provider(), judge_model="judge", judge_prices={"judge": (1, 1)}, judge_usd_per_hour=1)


def test_rates_exist_from_zero():
    registry = CollectorRegistry()
    JudgeService(settings_of(a_provider(model="fixer-model")), registry)
    text = generate_latest(registry).decode()
    for labels in ('requests_total{model="fixer-model",outcome="ok"}', 'fallbacks_total{reason="no_change"}'):
        assert f"codearena_judge_{labels} 0.0" in text


@pytest.fixture
def model():
    server = OpenAiServer()
    yield server
    server.close()


async def test_the_chain_crosses_the_wire(model, capfd):
    model.script = lambda request, number: Reply(completion(f"```python\n{FIXED}```\nChange: a colon."))
    down = a_provider(name="down", model="far")
    up = a_provider(name="up", model="near", base_url=model.url)
    settings = settings_of(down, up, judge_prices={"near": (10_000, 50_000)})
    request = wire.JudgeServiceProposeFixRequest(
        code=BROKEN, run_id="grpo-1", best_known_code="best = 1\n", best_known_reward=0.5, last_reward=0.2
    )
    async with judging(settings, CollectorRegistry()) as stub:
        response = await stub.ProposeFix(request, timeout=20)
    assert (response.code, response.method, list(response.explanations)) == (FIXED, "near", ["a colon."])
    assert [(a.provider, a.model, a.outcome) for a in response.attempts] == [
        ("down", "far", "connection"),
        ("up", "near", "ok"),
    ]
    assert all(attempt.duration.ToNanoseconds() > 0 for attempt in response.attempts)
    assert response.diff.startswith("--- before\n+++ after\n@@ ")
    assert (response.usage.prompt_tokens, response.usage.completion_tokens) == (100, 20)
    assert response.usage.cost_usd == pytest.approx(2.0)
    assert "best = 1" in message_of(model.requests[0])
    assert model.headers[0]["authorization"] == f"Bearer {KEY}"
    output = capfd.readouterr()
    assert KEY not in output.out + output.err + str(response)


@pytest.mark.parametrize(
    "field",
    [
        {"run_id": "x" * 129},
        {"run_id": "\n"},
        {"best_known_code": "\0"},
        {"best_known_code": "x" * 300_000},
        {"best_known_reward": 1.5},
        {"best_known_reward": float("nan")},
    ],
)
async def test_a_malformed_request_is_refused(field):
    async with judging(settings_of(), CollectorRegistry()) as stub:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.ProposeFix(wire.JudgeServiceProposeFixRequest(code="x", **field))
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
