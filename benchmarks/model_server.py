"""A model's server for benchmarks: speaks the OpenAI protocol on loopback, and is as slow and as faulty as it is told.

Runs as a process of its own: `python -m benchmarks.model_server '{"seconds": 2}'` prints its port and answers until
its standard input ends; `GET /counts` tells what it was asked.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

from benchmarks import obedient

_NONCE = re.compile(r"^NONCE is (\w+)", re.MULTILINE)
_SCORES = {"correctness": 0.9, "security": 0.8, "quality": 0.7}
_PROMPT_TOKENS, _COMPLETION_TOKENS = 900, 100


@dataclass
class Behaviour:
    """How it behaves.

    Attributes:
        seconds: Time of an answer.
        error_share: Share of requests that get a 500.
        burst_every: Requests from one burst of 429 to the next; 0 for none.
        burst_length: Requests of a burst.
        seed: Of the draws.
        obedient: Whether its scores follow what the fix says.
    """

    seconds: float = 0.0
    error_share: float = 0.0
    burst_every: int = 0
    burst_length: int = 0
    seed: int = 0
    obedient: bool = False


@dataclass
class Counts:
    """What it was asked and did.

    Attributes:
        requests: All.
        answered: Those that got an answer.
        refused: Those that got a 429.
        failed: Those that got a 500.
        tokens: That it billed.
        most_at_once: Requests at a time, at most.
        held_seconds: How long it held each one that it answered.
    """

    requests: int = 0
    answered: int = 0
    refused: int = 0
    failed: int = 0
    tokens: int = 0
    most_at_once: int = 0
    held_seconds: list[float] = field(default_factory=list)


class _Server:
    def __init__(self, behaviour: Behaviour) -> None:
        self._behaviour = behaviour
        self._random = random.Random(behaviour.seed)
        self._running = 0
        self.counts = Counts()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answers the requests of one connection."""
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                found = re.search(r"^content-length: (\d+)", head, re.IGNORECASE | re.MULTILINE)
                body = await reader.readexactly(int(found.group(1))) if found else b""
                status, answer = await self._answer(head, body)
                data = json.dumps(answer).encode()
                writer.write(
                    f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nRetry-After: 1\r\n"
                    f"Content-Length: {len(data)}\r\n\r\n".encode()
                    + data
                )
                await writer.drain()
        writer.close()

    async def _answer(self, head: str, body: bytes) -> tuple[int, Any]:
        if head.startswith("GET"):
            return 200, asdict(self.counts)
        began = time.perf_counter()
        counts, how = self.counts, self._behaviour
        counts.requests += 1
        self._running += 1
        counts.most_at_once = max(counts.most_at_once, self._running)
        try:
            if how.burst_every and counts.requests % how.burst_every < how.burst_length:
                counts.refused += 1
                return 429, {"error": {"message": "slow down"}}
            if self._random.random() < how.error_share:
                counts.failed += 1
                return 500, {"error": {"message": "no"}}
            text = _judgement(json.loads(body), how.obedient)
            await asyncio.sleep(max(0.0, how.seconds - (time.perf_counter() - began)))
            counts.answered += 1
            counts.tokens += _PROMPT_TOKENS + _COMPLETION_TOKENS
            counts.held_seconds.append(time.perf_counter() - began)
            return 200, _completion(text)
        finally:
            self._running -= 1


def _judgement(request: dict[str, Any], is_obedient: bool) -> str:
    message = request["messages"][-1]["content"]
    found = _NONCE.search(message)
    nonce = found.group(1) if found else ""
    scores = obedient.scores(message, nonce) if is_obedient else _SCORES
    reasons = {f"{name}_reason": "It is what it is." for name in scores}
    return json.dumps({"nonce": nonce, **scores, **reasons})


def _completion(text: str) -> dict[str, Any]:
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 0,
        "model": "slow",
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}],
        "usage": {
            "prompt_tokens": _PROMPT_TOKENS,
            "completion_tokens": _COMPLETION_TOKENS,
            "total_tokens": _PROMPT_TOKENS + _COMPLETION_TOKENS,
        },
    }


@dataclass(frozen=True)
class RunningServer:
    """A server that serves.

    Attributes:
        url: Base URL of its API.
    """

    url: str

    def counts(self) -> Counts:
        """Asks it what it was asked."""
        with urllib.request.urlopen(f"{self.url}/counts", timeout=10) as page:
            return Counts(**json.load(page))


@contextlib.contextmanager
def model_server(behaviour: Behaviour) -> Iterator[RunningServer]:
    """Runs a server, in a process of its own, while the block runs."""
    command = [sys.executable, "-m", "benchmarks.model_server", json.dumps(asdict(behaviour))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield RunningServer(f"http://127.0.0.1:{int(process.stdout.readline())}/v1")
        finally:
            process.stdin.close()
            process.wait(10)


async def _main(behaviour: Behaviour) -> None:
    server = await asyncio.start_server(_Server(behaviour).serve, "127.0.0.1", 0, backlog=1024, limit=2**20)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.read)
    server.close()


if __name__ == "__main__":
    asyncio.run(_main(Behaviour(**json.loads(sys.argv[1]))))
