"""The HTTP client through which a model is asked: what a server can do to it is bounded."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx2
import openai

MAX_ANSWER_BYTES = 512 * 1024
_CONNECT_SECONDS = 10.0
_IDENTITY = ("", "identity")


class AnswerTooLarge(httpx2.RequestError):
    """A server sent more than `MAX_ANSWER_BYTES`, or something packed."""


def bounded_client(timeout_seconds: float) -> httpx2.AsyncClient:
    """Returns a client that follows no redirect, so that a key reaches no other host, and reads no endless answer.

    Args:
        timeout_seconds: Longest silence of a server.
    """
    return openai.DefaultAsyncHttpxClient(
        follow_redirects=False,
        headers={"Accept-Encoding": "identity"},
        timeout=httpx2.Timeout(timeout_seconds, connect=min(_CONNECT_SECONDS, timeout_seconds)),
        event_hooks={"response": [_bound]},
    )


async def _bound(response: httpx2.Response) -> None:
    """Puts a limit on what is read of a response. A packed one, which nobody asked for, could unpack to anything."""
    if response.headers.get("Content-Encoding", "").strip().lower() not in _IDENTITY:
        raise AnswerTooLarge("the answer is packed")
    if isinstance(response.stream, httpx2.AsyncByteStream):
        response.stream = _BoundedStream(response.stream)


class _BoundedStream(httpx2.AsyncByteStream):
    def __init__(self, stream: httpx2.AsyncByteStream) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        left = MAX_ANSWER_BYTES
        async for chunk in self._stream:
            left -= len(chunk)
            if left < 0:
                raise AnswerTooLarge(f"the answer is larger than {MAX_ANSWER_BYTES} bytes")
            yield chunk

    async def aclose(self) -> None:
        await self._stream.aclose()
