"""A local server that speaks the OpenAI protocol, scripted by the tests."""

from __future__ import annotations

import contextlib
import json
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

NONCE = re.compile(r"^NONCE is (\w+)", re.MULTILINE)


@dataclass
class Reply:
    """What the server answers to one request."""

    body: Any = ""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    delay_seconds: float = 0.0
    cut_after: int | None = None
    """Bytes of the body after which the connection is closed."""
    stall_after: int | None = None
    """Bytes of the body after which nothing more comes for `delay_seconds`."""


Script = Callable[[dict[str, Any], int], Reply]


def message_of(request: dict[str, Any]) -> str:
    """Returns the user's message of a request."""
    return request["messages"][-1]["content"]


def completion(text: str) -> dict[str, Any]:
    """Returns a chat completion that says `text`."""
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 0,
        "model": "test-model",
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}],
        "usage": {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120},
    }


def judgement(request: dict[str, Any], **changes: Any) -> str:
    """Returns a well-formed answer to a request of the judge."""
    answer = {
        "nonce": NONCE.search(message_of(request)).group(1),
        "correctness": 0.9,
        "correctness_reason": "It is right.",
        "security": 0.8,
        "security_reason": "It is safe.",
        "quality": 0.7,
        "quality_reason": "It is clear.",
    }
    return json.dumps(answer | changes)


def good(request: dict[str, Any], number: int) -> Reply:
    """Answers every request well."""
    return Reply(completion(judgement(request)))


class _Server(ThreadingHTTPServer):
    request_queue_size = 128


class OpenAiServer:
    """Answers by `script`, which gets each request and its number from 1; keeps the requests."""

    def __init__(self) -> None:
        self.script: Script = good
        self.requests: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self._lock = threading.Lock()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with outer._lock:
                    outer.requests.append(request)
                    outer.headers.append({name.lower(): value for name, value in self.headers.items()})
                    number = len(outer.requests)
                reply = outer.script(request, number)
                if reply.stall_after is None:
                    time.sleep(reply.delay_seconds)
                with contextlib.suppress(ConnectionError):
                    self._answer(reply)

            def _answer(self, reply):
                body = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
                self.send_response(reply.status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                for name, value in reply.headers.items():
                    self.send_header(name, value)
                self.end_headers()
                if reply.cut_after is not None:
                    self.wfile.write(body[: reply.cut_after])
                    self.close_connection = True
                    return
                if reply.stall_after is not None:
                    self.wfile.write(body[: reply.stall_after])
                    time.sleep(reply.delay_seconds)
                    body = body[reply.stall_after :]
                self.wfile.write(body)

            def log_message(self, *arguments):
                pass

        self._server = _Server(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    @property
    def url(self) -> str:
        """Base URL of the API."""
        return f"http://127.0.0.1:{self._server.server_port}/v1"

    def close(self) -> None:
        """Stops the server."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
