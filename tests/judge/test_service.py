"""The judge over gRPC, its settings and its metrics."""

import contextlib

import grpc
import pytest
from prometheus_client import CollectorRegistry, generate_latest
from pydantic import ValidationError

from codearena.v1 import core_pb2 as core
from codearena.v1 import error_reason_pb2 as reasons
from codearena.v1 import judge_service_pb2 as wire
from codearena.v1.judge_service_pb2_grpc import JudgeServiceStub
from services.common.errors import from_rpc_error
from services.common.server import serving
from services.judge.service import JudgeService
from services.judge.settings import JudgeSettings
from tests.judge.openai_server import OpenAiServer

CODE = "def double(x):\n    return 2 * x\n"
QUICK = {"CODEARENA_JUDGE_PORT": 0, "CODEARENA_JUDGE_METRICS_PORT": None, "drain_seconds": 0, "judge_workers": 1}


@contextlib.asynccontextmanager
async def judging(settings, registry):
    """Serves a judge and gives a stub of it."""
    async with (
        serving(JudgeService(settings, registry), settings, registry) as running,
        grpc.aio.insecure_channel(f"127.0.0.1:{running.port}") as channel,
    ):
        yield JudgeServiceStub(channel)


@pytest.fixture(scope="module")
def model():
    server = OpenAiServer()
    yield server
    server.close()


@pytest.fixture(scope="module")
async def static_judge():
    registry = CollectorRegistry()
    settings = JudgeSettings(**QUICK)
    async with judging(settings, registry) as stub:
        yield stub, registry


@pytest.fixture(scope="module")
async def llm_judge(model):
    registry = CollectorRegistry()
    settings = JudgeSettings(
        judge_base_url=model.url,
        judge_model="test-model",
        judge_prices={"test-model": (10_000, 50_000)},
        **QUICK,
    )
    async with judging(settings, registry) as stub:
        yield stub, registry


async def test_a_static_judgement_crosses_the_wire(static_judge):
    stub, _ = static_judge
    response = (await stub.Judge(wire.JudgeRequest(code=CODE, reference_code=CODE))).opinion
    assert response.provenance.source == core.JUDGE_SOURCE_STATIC
    assert not response.HasField("correctness")
    assert (
        response.security,
        response.provenance.model,
        response.provenance.fallback_reason,
        response.provenance.prompt_digest,
    ) == (1.0, "", "", "")
    assert response.quality > 0.9


async def test_a_models_judgement_crosses_the_wire(llm_judge):
    stub, registry = llm_judge
    response = (await stub.Judge(wire.JudgeRequest(code=CODE, description="Doubles."))).opinion
    assert response.provenance.source == core.JUDGE_SOURCE_LLM
    assert (response.correctness, response.security, response.quality) == (0.9, 0.8, 0.7)
    assert response.provenance.model == "test-model"
    assert len(response.provenance.prompt_digest) == 16
    sample = registry.get_sample_value
    assert sample("codearena_judge_requests_total", {"model": "test-model", "outcome": "ok"}) == 1
    assert sample("codearena_judge_tokens_total", {"model": "test-model", "direction": "prompt"}) == 100
    assert sample("codearena_judge_cost_usd_total", {"model": "test-model"}) == pytest.approx(2.0)
    assert sample("codearena_judge_duration_seconds_count", {"model": "test-model"}) == 1


async def test_a_proposal_crosses_the_wire(static_judge):
    stub, _ = static_judge
    response = await stub.ProposeFix(wire.JudgeServiceProposeFixRequest(code=CODE.replace(":", "")))
    assert (response.code, response.method) == (CODE, "builtin")
    assert list(response.explanations) == ["Line 1: a colon ends the line that opens a block."]


async def test_code_that_needs_no_repair_comes_back_as_it_is(static_judge):
    stub, _ = static_judge
    response = await stub.ProposeFix(wire.JudgeServiceProposeFixRequest(code=CODE))
    assert response.code == CODE
    assert not response.explanations


async def test_earlier_attempts_are_not_proposed_again(static_judge):
    stub, _ = static_judge
    request = wire.JudgeServiceProposeFixRequest(code=CODE.replace(":", ""), previous_attempts=[CODE])
    assert (await stub.ProposeFix(request)).code != CODE


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        (wire.JudgeRequest(code=""), reasons.ERROR_REASON_EMPTY_FIX),
        (wire.JudgeRequest(code=" \n"), reasons.ERROR_REASON_EMPTY_FIX),
        (wire.JudgeRequest(code="x" * 300_000), reasons.ERROR_REASON_FIX_TOO_LARGE),
        (wire.JudgeRequest(code="x\0"), reasons.ERROR_REASON_INVALID_TEXT),
        (wire.JudgeRequest(code="x", description="\0"), reasons.ERROR_REASON_INVALID_TEXT),
        (wire.JudgeRequest(code="x", reference_code="x" * 300_000), reasons.ERROR_REASON_INVALID_FIELD),
        (wire.JudgeServiceProposeFixRequest(code=""), reasons.ERROR_REASON_EMPTY_FIX),
        (
            wire.JudgeServiceProposeFixRequest(code="x", previous_attempts=["y"] * 21),
            reasons.ERROR_REASON_INVALID_FIELD,
        ),
        (wire.JudgeServiceProposeFixRequest(code="x", last_reward=1.5), reasons.ERROR_REASON_INVALID_FIELD),
        (wire.JudgeServiceProposeFixRequest(code="x", last_reward=float("nan")), reasons.ERROR_REASON_INVALID_FIELD),
    ],
)
async def test_a_malformed_request_is_refused(static_judge, request_, reason):
    stub, _ = static_judge
    call = stub.Judge if isinstance(request_, wire.JudgeRequest) else stub.ProposeFix
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call(request_)
    status = from_rpc_error(caught.value, reasons.ERROR_REASON_JUDGE_UNAVAILABLE, "judge")
    assert (status.code, status.reason) == (grpc.StatusCode.INVALID_ARGUMENT, reason)


async def test_hostile_source_is_judged_and_the_judge_lives(static_judge):
    stub, _ = static_judge
    for code in ("(" * 100_000, "-" * 200_000 + "1", "a" + ".b" * 100_000):
        response = (await stub.Judge(wire.JudgeRequest(code=code))).opinion
        assert response.provenance.source == core.JUDGE_SOURCE_STATIC
        assert (await stub.ProposeFix(wire.JudgeServiceProposeFixRequest(code=code))).method == "builtin"
    assert (await stub.Judge(wire.JudgeRequest(code=CODE))).opinion.security == 1.0


def test_rates_exist_from_zero():
    registry = CollectorRegistry()
    JudgeService(JudgeSettings(judge_base_url="http://127.0.0.1:1/v1", judge_model="m"), registry)
    text = generate_latest(registry).decode()
    for line in (
        'codearena_judge_requests_total{model="m",outcome="breaker_open"} 0.0',
        'codearena_judge_requests_total{model="m",outcome="parse_error"} 0.0',
        'codearena_judge_requests_total{model="static",outcome="ok"} 0.0',
        'codearena_judge_fallbacks_total{reason="timeout"} 0.0',
        'codearena_judge_tokens_total{direction="completion",model="m"} 0.0',
        'codearena_judge_cost_usd_total{model="m"} 0.0',
    ):
        assert line in text


def test_settings_name_a_model_only_where_there_is_one(monkeypatch):
    for name in ("BASE_URL", "API_KEY", "MODEL"):
        monkeypatch.delenv(f"CODEARENA_JUDGE_{name}", raising=False)
    assert JudgeSettings().models() == ()
    monkeypatch.setenv("CODEARENA_JUDGE_BASE_URL", "http://127.0.0.1:8000/v1")
    monkeypatch.setenv("CODEARENA_JUDGE_MODEL", "my-model")
    (model,) = JudgeSettings().models()
    assert (model.base_url, model.name) == ("http://127.0.0.1:8000/v1", "my-model")
    monkeypatch.delenv("CODEARENA_JUDGE_BASE_URL")
    monkeypatch.setenv("CODEARENA_JUDGE_API_KEY", "a-secret")
    (model,) = JudgeSettings().models()
    assert model.api_key == "a-secret"  # pragma: allowlist secret
    assert "a-secret" not in repr(JudgeSettings()) + repr(model)
    monkeypatch.setenv("CODEARENA_JUDGE_PANEL", '["other", "my-model"]')
    assert [model.name for model in JudgeSettings().models()] == ["my-model", "other"]


def test_settings_refuse_what_cannot_be():
    with pytest.raises(ValidationError, match="http"):
        JudgeSettings(judge_base_url="127.0.0.1:8000")
    with pytest.raises(ValidationError):
        JudgeSettings(judge_breaker_threshold=0)
    with pytest.raises(ValidationError, match="CODEARENA_JUDGE_PRICES of small, large"):
        JudgeSettings(judge_model="small", judge_panel=("large",), judge_usd_per_run=1.0)
    with pytest.raises(ValidationError, match="redis://"):
        JudgeSettings(judge_cache_url="http://127.0.0.1")
