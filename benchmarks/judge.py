"""What the judge adds to a model's own answer, and what becomes of a crowd in front of a slow one.

The model is a server on loopback that answers after a set time. The judge runs as a process of its own and is asked
over gRPC. What it adds is the time of a call less the time that the server held it. A bare `openai` call is the
baseline.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, cast

import grpc
import openai

from benchmarks.command import main_of
from benchmarks.figures import Figures, median, milliseconds
from benchmarks.model_server import Behaviour, RunningServer, model_server
from benchmarks.processes import service
from benchmarks.workloads import catalogue
from codearena.v1 import core_pb2 as core
from codearena.v1 import judge_service_pb2 as wire
from codearena.v1.judge_service_pb2_grpc import JudgeServiceStub

if TYPE_CHECKING:
    from codearena.v1.judge_service_pb2_grpc import JudgeServiceAsyncStub

_TASK = "medium-1"
_ANSWER_SECONDS = 0.05
_GROUP = 16
_SLOW = Behaviour(seconds=2.0, error_share=0.05, burst_every=100, burst_length=20)
_TOKENS_OF_A_CALL = 3_000  # at most: what is sent and 1,024 tokens of answer
_CROWD_SECONDS = 240.0


@contextmanager
def _judge(server: RunningServer, variables: dict[str, str]) -> Iterator[str]:
    own = {"CODEARENA_JUDGE_BASE_URL": server.url, "CODEARENA_JUDGE_MODEL": "slow", **variables}
    with tempfile.TemporaryDirectory() as folder, service("judge", Path(folder), own) as running:
        yield running.address


def _requests(run_id: str = "", first: int = 0) -> Iterator[wire.JudgeRequest]:
    task = next(task for task in catalogue() if task.id == _TASK)
    for number in itertools.count(first):
        yield wire.JudgeRequest(
            code=f"{task.reference}\nNUMBER = {number}\n",
            description=task.description,
            buggy_code=task.buggy_code,
            reference_code=task.reference,
            run_id=run_id,
        )


async def _overhead(address: str, server: RunningServer, rounds: int) -> tuple[list[float], list[float], list[float]]:
    """Returns the seconds of judgements, of bare calls, and of what the server held the judgements, in turn."""
    judged, bare = [], []
    requests = _requests()
    client = openai.AsyncOpenAI(base_url=server.url, api_key="none", max_retries=0)
    async with grpc.aio.insecure_channel(address) as channel:
        stub = _stub(channel)
        for number in range(rounds + 3):
            started = time.perf_counter()
            await _one(stub, next(requests))
            between = time.perf_counter()
            await client.chat.completions.create(model="slow", messages=[{"role": "user", "content": "NONCE is 1"}])
            if number >= 3:
                judged.append(between - started)
                bare.append(time.perf_counter() - between)
    await client.close()
    held = server.counts().held_seconds[6:]
    return judged, bare, held[::2]


async def _group(address: str) -> None:
    async with grpc.aio.insecure_channel(address) as channel:
        stub, request = _stub(channel), next(_requests("group", first=10**6))
        async with asyncio.TaskGroup() as group:
            for _ in range(_GROUP):
                group.create_task(_one(stub, request))


def _stub(channel: grpc.aio.Channel) -> JudgeServiceAsyncStub:
    return cast("JudgeServiceAsyncStub", JudgeServiceStub(channel))


async def _one(stub: JudgeServiceAsyncStub, request: wire.JudgeRequest, timeout: float | None = None) -> core.Opinion:
    return (await stub.Judge(request, timeout=timeout)).opinion


async def _crowd(address: str, count: int, seconds: float) -> tuple[Counter[str], list[float]]:
    """Returns how many judgements had which source or status, and how long each took."""
    ended: Counter[str] = Counter()
    took: list[float] = []

    async with grpc.aio.insecure_channel(address) as channel:
        stub = _stub(channel)

        async def one(request: wire.JudgeRequest) -> None:
            started = time.perf_counter()
            try:
                provenance = (await _one(stub, request, seconds)).provenance
                ended[f"static: {provenance.fallback_reason}" if provenance.fallback_reason else "model"] += 1
            except grpc.aio.AioRpcError as error:
                ended[f"lost: {error.code().name}"] += 1
            took.append(time.perf_counter() - started)

        await asyncio.gather(*(one(request) for request in itertools.islice(_requests("crowd"), count)))
    return ended, took


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of this benchmark."""
    parser.add_argument("--rounds", type=int, default=200, help="judgements one after the other (default 200)")
    parser.add_argument("--crowd", type=int, default=500, help="judgements at once (default 500)")


def measure(arguments: argparse.Namespace) -> Iterator[Figures]:
    """Yields two tables."""
    yield _overhead_table(arguments.rounds)
    yield _crowd_table(arguments.crowd)


def _overhead_table(rounds: int) -> Figures:
    with model_server(Behaviour(seconds=_ANSWER_SECONDS)) as server, _judge(server, {}) as address:
        judged, bare, held = asyncio.run(_overhead(address, server, rounds))
        before = server.counts().requests
        asyncio.run(_group(address))
        group = server.counts().requests - before
    added = [total - own for total, own in zip(judged, held, strict=True)]
    rows = [
        ("judgement, p50 ms", milliseconds(median(judged))),
        ("the model's own answer, p50 ms", milliseconds(median(held))),
        ("added to the model's own answer, network included, p50 ms", milliseconds(median(added))),
        ("a bare openai call, p50 ms", milliseconds(median(bare))),
        ("added to a bare call, p50 ms", milliseconds(median(judged) - median(bare))),
        (f"calls for a group of {_GROUP} equal fixes", str(group)),
    ]
    note = f"A model that answers after {_ANSWER_SECONDS * 1000:g} ms; each fix is another one."
    command = f".venv/bin/python -m benchmarks.judge --rounds {rounds}"
    return Figures("What the judge adds to a model", command, ("what", "figure"), rows, note)


def _crowd_table(count: int) -> Figures:
    budgets = {"no budget": 0, "tokens for a third": count // 3 * 1_000 + _TOKENS_OF_A_CALL}
    columns = [_crowd_column(count, tokens) for tokens in budgets.values()]
    rows = [(what, *(column[what] for column in columns)) for what in columns[0]]
    note = (
        f"{count} different fixes at once; the server takes {_SLOW.seconds:g} s, fails {_SLOW.error_share:.0%} and "
        f"answers {_SLOW.burst_length} of {_SLOW.burst_every} requests in a row with 429."
    )
    title = f"{count} judgements at once in front of a slow model"
    return Figures(title, f".venv/bin/python -m benchmarks.judge --crowd {count}", ("what", *budgets), rows, note)


def _crowd_column(count: int, tokens: int) -> dict[str, str]:
    variables = {"CODEARENA_JUDGE_DEADLINE_SECONDS": "200", "CODEARENA_JUDGE_ANSWER_TOKENS": "1024"}
    variables |= {"CODEARENA_JUDGE_TOKENS_PER_RUN": str(tokens)} if tokens else {}
    with model_server(_SLOW) as server, _judge(server, variables) as address:
        ended, took = asyncio.run(_crowd(address, count, _CROWD_SECONDS))
        counts = server.counts()

    def of(kind: str) -> str:
        found = [f"{number} {what[len(kind) :]}" for what, number in sorted(ended.items()) if what.startswith(kind)]
        return ", ".join(found) or "0"

    return {
        "judged by the model": str(ended["model"]),
        "by the static judge": of("static: "),
        "lost": of("lost: "),
        "requests to the server": str(counts.requests),
        "of them 429": str(counts.refused),
        "of them 500": str(counts.failed),
        "at once, at most": str(counts.most_at_once),
        "tokens billed": f"{counts.tokens:,} of {tokens:,}" if tokens else f"{counts.tokens:,}",
        "seconds until the last": f"{max(took):.0f}",
    }


if __name__ == "__main__":
    main_of("judge", __doc__, add_arguments, measure)
