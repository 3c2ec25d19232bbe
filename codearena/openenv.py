"""Typed clients of CodeArena's OpenEnv server, for those who reach it by WebSocket rather than by gRPC.

Needs `pip install "codearena-rl[openenv]"`. Importing it costs milliseconds: the `openenv` package itself is not
needed. A connection that is lost is opened again and the episode goes on, without a step being graded twice::

    from codearena.openenv import OpenEnvClient

    with OpenEnvClient("http://127.0.0.1:7860") as env:
        opened = env.reset(task_id="hard-1", seed=7)
        result = env.step("def max_subarray_sum(arr): ...")
        print(result.reward, result.observation.error_log)
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from types import TracebackType
from typing import Any, Final, Self

from websockets.asyncio.client import ClientConnection as AsyncConnection
from websockets.asyncio.client import connect as async_connect
from websockets.exceptions import InvalidStatus, WebSocketException
from websockets.sync.client import ClientConnection, connect

from codearena._errors import FailedPreconditionError, RetryableError, UnauthenticatedError, UnavailableError
from codearena._openenv_wire import OpenEnvObservation, OpenEnvResult, answered, request, result

__all__ = ["AsyncOpenEnvClient", "OpenEnvClient", "OpenEnvObservation", "OpenEnvResult"]

DEFAULT_TIMEOUT_SECONDS: Final = 120.0
MAX_ATTEMPTS: Final = 5
_OPEN_SECONDS = 10.0
_FIRST_PAUSE_SECONDS = 0.25
_MOST_PAUSE_SECONDS = 8.0
_MOST_BYTES = 32 << 20


class _Session:
    """What both clients know: where they connect, and which episode they play."""

    def __init__(
        self,
        url: str,
        *,
        token: str | None = None,
        timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS,
        max_attempts: int = MAX_ATTEMPTS,
    ) -> None:
        base = url.rstrip("/")
        if not base.startswith(("http://", "https://", "ws://", "wss://")):
            raise ValueError(f"url must begin with http:// or https://, not {url!r}")
        self._url = f"{base.replace('http', 'ws', 1) if base.startswith('http') else base}/ws"
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._timeout_seconds = timeout_seconds
        self._max_attempts = max_attempts
        self._episode_id: str | None = None

    @property
    def episode_id(self) -> str:
        """The episode that is played; it can be gone on with by `reset(episode_id=…)`.

        Raises:
            FailedPreconditionError: There is none.
        """
        return self._held()

    def _held(self) -> str:
        if self._episode_id is None:
            raise FailedPreconditionError("no episode is open: reset first")
        return self._episode_id

    def _options(self) -> dict[str, Any]:
        return {
            "additional_headers": self._headers,
            "open_timeout": _OPEN_SECONDS,
            "max_size": _MOST_BYTES,
            "proxy": None,
        }

    def _step(self, fix: str, request_id: str | None, method: str) -> str:
        self._held()
        data = {"proposed_fix": fix, "request_id": request_id or uuid.uuid4().hex, "method": method or None}
        return request("step", data)

    def _pause(self, attempt: int, error: RetryableError) -> float:
        """Returns how long to wait before the next attempt; raises if there is none."""
        if attempt + 1 >= self._max_attempts:
            raise error
        backoff: float = min(_FIRST_PAUSE_SECONDS * 2**attempt, _MOST_PAUSE_SECONDS)
        return max(backoff, min(error.retry_after_seconds, 1.0))

    def _lost(self, error: Exception) -> UnavailableError:
        if isinstance(error, InvalidStatus) and error.response.status_code == 401:
            raise UnauthenticatedError("the server wants another token") from error
        return UnavailableError(f"no connection to {self._url}: {error}")


class OpenEnvClient(_Session):
    """A session with an OpenEnv server.

    Args:
        url: Of the gateway, such as "http://127.0.0.1:7860".
        token: Bearer token, where the gateway wants one.
        timeout_seconds: For an answer.
        max_attempts: How often something is tried that failed in a way that may pass.
    """

    _socket: ClientConnection | None = None
    _opened: ExitStack | None = None

    def reset(self, task_id: str | None = None, **options: object) -> OpenEnvResult:
        """Opens an episode, or goes on with one.

        Args:
            task_id: A task's id, a category, a difficulty, or "auto".
            options: `seed`, `run_id`, `split`, `index`, `episode_id`, `hints`, `feedback`, … as the server's
                OpenAPI document and docs/openenv.md tell.

        Raises:
            ArenaError: The server refuses, or cannot.
        """
        found = result(self._send(request("reset", {"task_id": task_id, **options}), resume=False))
        self._episode_id = found.observation.episode_id
        return found

    def step(self, fix: str, request_id: str | None = None, *, method: str = "") -> OpenEnvResult:
        """Grades a fix, once, however often it has to be sent.

        Args:
            fix: The whole program.
            request_id: The same id again returns the stored result. Made up if left out.
            method: Who or what made the fix.

        Raises:
            ArenaError: The server refuses, or cannot.
        """
        return result(self._send(self._step(fix, request_id, method), resume=True))

    def state(self) -> Mapping[str, Any]:
        """Returns the episode as it stands, as the server's schema has it."""
        return self._send(request("state"), resume=True)

    def close(self) -> None:
        """Ends the session and its episode."""
        if self._socket is not None:
            with suppress(WebSocketException):  # it is closed already
                self._socket.send(request("close"))
            self._drop()

    def _send(self, message: str, *, resume: bool) -> dict[str, Any]:
        attempt = 0
        while True:
            try:
                if self._socket is None:
                    self._connect(resume)
                assert self._socket is not None
                self._socket.send(message)
                return answered(self._socket.recv(self._timeout_seconds))
            except (OSError, TimeoutError, WebSocketException) as error:
                self._drop()
                pause = self._pause(attempt, self._lost(error))
            except RetryableError as error:
                if error.reason == "CAPACITY_REACHED":
                    self._drop()
                pause = self._pause(attempt, error)
            attempt += 1
            time.sleep(pause)

    def _connect(self, resume: bool) -> None:
        self._opened = ExitStack()
        self._socket = self._opened.enter_context(connect(self._url, **self._options()))
        if resume and self._episode_id is not None:
            self._socket.send(request("reset", {"episode_id": self._episode_id}))
            answered(self._socket.recv(self._timeout_seconds))

    def _drop(self) -> None:
        opened, self._socket, self._opened = self._opened, None, None
        if opened is not None:
            with suppress(OSError, WebSocketException):  # it is gone
                opened.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class AsyncOpenEnvClient(_Session):
    """`OpenEnvClient` for asyncio: the same methods and arguments, as coroutines.

    Args:
        url: As for `OpenEnvClient`.
        token: As for `OpenEnvClient`.
        timeout_seconds: As for `OpenEnvClient`.
        max_attempts: As for `OpenEnvClient`.
    """

    _socket: AsyncConnection | None = None

    async def reset(self, task_id: str | None = None, **options: object) -> OpenEnvResult:
        """Opens an episode, or goes on with one, as `OpenEnvClient.reset` does."""
        found = result(await self._send(request("reset", {"task_id": task_id, **options}), resume=False))
        self._episode_id = found.observation.episode_id
        return found

    async def step(self, fix: str, request_id: str | None = None, *, method: str = "") -> OpenEnvResult:
        """Grades a fix, as `OpenEnvClient.step` does."""
        return result(await self._send(self._step(fix, request_id, method), resume=True))

    async def state(self) -> Mapping[str, Any]:
        """Returns the episode as it stands, as `OpenEnvClient.state` does."""
        return await self._send(request("state"), resume=True)

    async def close(self) -> None:
        """Ends the session and its episode."""
        if self._socket is not None:
            with suppress(WebSocketException):  # it is closed already
                await self._socket.send(request("close"))
            await self._drop()

    async def _send(self, message: str, *, resume: bool) -> dict[str, Any]:
        attempt = 0
        while True:
            try:
                if self._socket is None:
                    await self._connect(resume)
                assert self._socket is not None
                await self._socket.send(message)
                async with asyncio.timeout(self._timeout_seconds):
                    return answered(await self._socket.recv())
            except (OSError, TimeoutError, WebSocketException) as error:
                await self._drop()
                pause = self._pause(attempt, self._lost(error))
            except RetryableError as error:
                if error.reason == "CAPACITY_REACHED":
                    await self._drop()
                pause = self._pause(attempt, error)
            attempt += 1
            await asyncio.sleep(pause)

    async def _connect(self, resume: bool) -> None:
        self._socket = await async_connect(self._url, **self._options())
        if resume and self._episode_id is not None:
            await self._socket.send(request("reset", {"episode_id": self._episode_id}))
            async with asyncio.timeout(self._timeout_seconds):
                answered(await self._socket.recv())

    async def _drop(self) -> None:
        socket, self._socket = self._socket, None
        if socket is not None:
            with suppress(OSError, WebSocketException):  # it is gone
                await socket.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
