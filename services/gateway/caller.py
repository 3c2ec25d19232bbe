"""Whose request is being served, as far as the arena must know."""

from __future__ import annotations

from contextvars import ContextVar

caller_token: ContextVar[str | None] = ContextVar("caller_token", default=None)
"""The bearer token of a client that has one of its own, which the arena is sent; None: the gateway's is sent.

It follows a request or a WebSocket wherever it is served, and what is begun for it.
"""
