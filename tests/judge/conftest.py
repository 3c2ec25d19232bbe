"""The judge in front of a local server that speaks the OpenAI protocol."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from services.common.shared_store import SharedStore
from services.judge.budget import Account
from services.judge.chat import ChatModel, ModelSettings
from services.judge.judging import Judge, OnFailure
from services.judge.llm import LlmJudge
from services.judge.llm_fixer import LlmFixer
from services.judge.opinions import Opinions
from services.judge.proposing import Proposer
from services.judge.workers import Reader
from tests.judge.openai_server import OpenAiServer

KEY = "sk-test-0123456789abcdef"  # pragma: allowlist secret
"""The key that the judge sends, and that must be seen nowhere else."""


class Recorder:
    """An observer that keeps what it hears."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str]] = []
        self.used: list[tuple[int, int]] = []
        self.fallbacks: list[str] = []
        self.known: list[bool] = []

    def model_call(self, model: str, outcome: str, seconds: float) -> None:
        assert seconds >= 0
        self.calls.append((model, outcome))

    def tokens(self, model: str, prompt: int, completion: int, cost_usd: float) -> None:
        self.used.append((prompt, completion))

    def fallback(self, reason: str) -> None:
        self.fallbacks.append(reason)

    def asked(self, *, known: bool) -> None:
        self.known.append(known)


@dataclass
class Arena:
    """A judge in front of the local server."""

    server: OpenAiServer
    observer: Recorder
    model: ChatModel
    judge: Judge
    proposer: Proposer


@pytest.fixture
def server():
    server = OpenAiServer()
    yield server
    server.close()


@pytest.fixture(scope="session")
async def reader():
    reader = Reader(1)
    await reader.start()
    yield reader
    await reader.stop()


@pytest.fixture
async def arena(server, reader):
    """Makes a judge in front of the server; keyword arguments change the model's settings."""
    models: list[ChatModel] = []
    judges: list[Judge] = []

    def make(
        cache_entries: int = 100,
        account: Account | None = None,
        on_failure: OnFailure = OnFailure.STATIC,
        samples: int = 1,
        names: Sequence[str] = ("test-model",),
        store: SharedStore | None = None,
        **changes: Any,
    ) -> Arena:
        values: dict[str, Any] = {"deadline_seconds": 10.0, "max_retries": 0, **changes}
        observer = Recorder()
        panel = [ChatModel(ModelSettings(server.url, KEY, name, **values), observer, account) for name in names]
        opinions = Opinions(LlmJudge(panel, samples, reader), cache_entries, store, observer)
        judge, model = Judge(reader, opinions, observer, on_failure), panel[0]
        models.extend(panel)
        judges.append(judge)
        return Arena(server, observer, model, judge, Proposer(reader, [LlmFixer(model)], observer))

    yield make
    for judge in judges:
        await judge.close()
    for model in models:
        await model.close()
