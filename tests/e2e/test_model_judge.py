"""Episodes with a language model as the judge, which is a local server that speaks its protocol."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from codearena import AsyncArenaClient, JudgeSource, UnavailableError
from services.standalone.arena import arena
from tests.conftest import PLAIN_SETTINGS
from tests.judge.openai_server import OpenAiServer, Reply, completion, good, judgement

TASK = "type_errors-1"
FIX = 'def describe(name, age):\n    return f"{name} is {age} years old"\n'


@pytest.fixture
def model() -> Iterator[OpenAiServer]:
    server = OpenAiServer()
    yield server
    server.close()


@pytest.fixture
async def judged(
    model: OpenAiServer, tmp_path: Path, request: pytest.FixtureRequest
) -> AsyncIterator[AsyncArenaClient]:
    settings: dict[str, Any] = PLAIN_SETTINGS | {
        "judge_base_url": model.url,
        "judge_model": "test-model",
        "judge_prices": {"test-model": (10.0, 50.0)},
        "judge_max_retries": 0,
        "sandbox_backend": "process",
    }
    settings |= getattr(request, "param", {})
    async with (
        arena(port=0, private=True, data_dir=tmp_path, **settings) as running,
        AsyncArenaClient(running.address, max_attempts=1) as client,
    ):
        yield client


async def test_a_grade_tells_where_the_judges_scores_come_from(judged: AsyncArenaClient, model: OpenAiServer) -> None:
    grade = await judged.grade(TASK, FIX)
    assert (grade.judge_source, grade.judge.source) == (JudgeSource.LLM, JudgeSource.LLM)
    assert (grade.breakdown["llm_correctness"], grade.breakdown["llm_quality"]) == (0.9, 0.7)
    assert grade.breakdown.reasons["llm_quality"] == "It is clear."
    assert (grade.judge.model, len(grade.judge.prompt_digest), grade.judge.answer_count) == ("test-model", 16, 1)
    assert (grade.judge.usage.prompt_tokens, grade.judge.usage.completion_tokens) == (100, 20)
    assert grade.judge.usage.cost_usd == pytest.approx(0.002)


async def test_a_group_of_equal_fixes_is_one_question(judged: AsyncArenaClient, model: OpenAiServer) -> None:
    grades = [grade async for _, grade in judged.grade_group(TASK, [FIX] * 16)]
    assert len(grades) == 16
    assert len(model.requests) == 1


async def test_a_slow_model_does_not_delay_a_step_past_its_deadline(
    judged: AsyncArenaClient, model: OpenAiServer
) -> None:
    await judged.grade(TASK, FIX)  # measures the reference
    model.script = lambda request, number: Reply(completion(judgement(request)), delay_seconds=5.0)
    episode = await judged.reset(TASK)
    began = time.monotonic()
    result = await episode.step(FIX + "n = 1\n", timeout_seconds=3.0)
    assert time.monotonic() - began < 3.0
    assert result.grade.judge.source is JudgeSource.STATIC
    assert result.grade.judge.fallback_reason == "timeout"
    assert result.grade.breakdown["llm_correctness"] == result.grade.breakdown["test_pass_ratio"]


async def test_a_model_that_is_down_costs_no_step(judged: AsyncArenaClient, model: OpenAiServer) -> None:
    model.script = lambda request, number: Reply({"error": {}}, status=500)
    grade = await judged.grade(TASK, FIX)
    assert (grade.judge_source, grade.judge.fallback_reason) == (JudgeSource.STATIC, "server_error")


@pytest.mark.parametrize("judged", [{"judge_on_failure": "fail"}], indirect=True)
async def test_a_step_may_fail_instead_and_is_not_consumed(judged: AsyncArenaClient, model: OpenAiServer) -> None:
    episode = await judged.reset(TASK)
    model.script = lambda request, number: Reply({"error": {}}, status=500)
    with pytest.raises(UnavailableError, match="server_error"):
        await episode.step(FIX)
    assert (await judged.get_state(episode.episode_id)).observation.step == 0
    model.script = good
    assert (await episode.step(FIX)).observation.step == 1


async def test_a_fix_is_reviewed_without_being_run(judged: AsyncArenaClient, model: OpenAiServer) -> None:
    review = await judged.review_fix(FIX, task_id=TASK)
    assert (review.correctness, review.security, review.quality) == (0.9, 0.8, 0.7)
    assert review.provenance.source is JudgeSource.LLM
    assert "BUGGY_CODE" in str(model.requests[-1])
