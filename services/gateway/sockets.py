"""What stands between a WebSocket and OpenEnv's handler of it.

The handler ends a session at a message that is no JSON object, is binary, nests too deeply, holds a number that no
float can, or a lone surrogate. A client should not lose its session to a typing error: such a message is answered here,
with an error frame in OpenEnv's own form, and the handler never sees it.
"""

from __future__ import annotations

import json
from typing import Any, NoReturn

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.gateway.environment import Socket, current_socket

PATHS = frozenset({"/ws", "/mcp"})
_MOST_DEPTH = 64


class Refused(ValueError):
    """A message that is answered with an error frame.

    Attributes:
        code: As OpenEnv names it: INVALID_JSON or VALIDATION_ERROR.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def checked(message: Message, most_bytes: int) -> Any:  # noqa: ANN401 - JSON
    """Returns what a message holds.

    Raises:
        Refused: It is nothing that the handler could take.
    """
    text = message.get("text")
    if text is None:
        raise Refused("INVALID_JSON", "send text, not bytes")
    if len(text) > most_bytes or len(text.encode(errors="surrogatepass")) > most_bytes:
        raise Refused("VALIDATION_ERROR", f"the message is longer than {most_bytes} bytes")
    try:
        value = json.loads(text, parse_constant=_refuse)
    except RecursionError as error:
        raise Refused("INVALID_JSON", "Invalid JSON: it nests too deeply") from error
    except ValueError as error:
        raise Refused("INVALID_JSON", f"Invalid JSON: {error}") from error
    if not isinstance(value, dict):
        raise Refused("VALIDATION_ERROR", "send a JSON object with a type")
    _check(value, 0)
    return value


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")


def _check(value: Any, depth: int) -> None:  # noqa: ANN401 - JSON
    if depth > _MOST_DEPTH:
        raise Refused("VALIDATION_ERROR", f"it nests deeper than {_MOST_DEPTH} levels")
    if isinstance(value, dict):
        for key, each in value.items():
            _check(key, depth)
            _check(each, depth + 1)
    elif isinstance(value, list):
        for each in value:
            _check(each, depth + 1)
    elif isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise Refused("VALIDATION_ERROR", "it holds a lone surrogate, which is no Unicode text") from error


class SocketGuard:
    """ASGI middleware: lets only messages through that the handler can take.

    Args:
        app: What handles them.
        max_frame_bytes: Largest message.
    """

    def __init__(self, app: ASGIApp, max_frame_bytes: int) -> None:
        self._app = app
        self._max_frame_bytes = max_frame_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one connection."""
        if scope["type"] != "websocket" or scope["path"] not in PATHS:
            await self._app(scope, receive, send)
            return
        socket = Socket()
        plain = scope["path"] == "/mcp"

        async def guarded() -> Message:
            while True:
                message = await receive()
                if message["type"] != "websocket.receive":
                    return message
                try:
                    value = checked(message, self._max_frame_bytes)
                except Refused as refused:
                    await send({"type": "websocket.send", "text": _frame(refused, plain=plain)})
                    continue
                socket.said_close = value.get("type") == "close"
                return message

        token = current_socket.set(socket)
        try:
            await self._app(scope, guarded, send)
        finally:
            current_socket.reset(token)


def _frame(refused: Refused, *, plain: bool) -> str:
    if plain:
        code = -32700 if refused.code == "INVALID_JSON" else -32600
        return json.dumps({"jsonrpc": "2.0", "id": None, "error": {"code": code, "message": str(refused)}})
    return json.dumps({"type": "error", "data": {"message": str(refused), "code": refused.code}})
