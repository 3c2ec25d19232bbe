"""The gateway's client of the arena, made anew when its certificates change."""

from __future__ import annotations

import asyncio

from codearena import AsyncArenaClient, TLSConfig
from services.common.certificates import CertificateFiles, Certificates
from services.gateway.caller import caller_token
from services.gateway.settings import GatewaySettings

_ATTEMPTS = 2
"""How often an arena is asked that is not there: enough for a pod that goes, and then its clients are told."""
_OLD_SECONDS = 600.0
"""Calls that go on with old certificates get so long to end."""


class ArenaClients:
    """Makes clients. Each call is sent the token of the client on whose behalf it is, if that has one of its own.

    Args:
        settings: Address and token of the arena.
        certificates: What to show and to trust; None for plain text.
    """

    def __init__(self, settings: GatewaySettings, certificates: CertificateFiles | None) -> None:
        self._settings = settings
        self._certificates = certificates
        self._shown = None if certificates is None else certificates.current()
        self._client = self._made()
        self._closing: set[asyncio.Task[None]] = set()

    def current(self) -> AsyncArenaClient:
        """Returns the client for the next call. Not to be kept."""
        if self._certificates is not None and (found := self._certificates.current()) is not self._shown:
            closing = asyncio.create_task(_close_later(self._client))
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)
            self._shown = found
            self._client = self._made()
        return self._client

    async def aclose(self) -> None:
        """Closes all of them; calls under way are cancelled."""
        for closing in self._closing:
            closing.cancel()
        await asyncio.gather(*self._closing, return_exceptions=True)
        await self._client.close()

    def _made(self) -> AsyncArenaClient:
        tls = None if self._shown is None else _tls(self._shown)
        return AsyncArenaClient(self._settings.env_address, token=self._token, tls=tls, max_attempts=_ATTEMPTS)

    def _token(self) -> str | None:
        return caller_token.get() or self._settings.token_for_env()


async def _close_later(client: AsyncArenaClient) -> None:
    try:
        await asyncio.sleep(_OLD_SECONDS)
    finally:
        await client.close()


def _tls(certificates: Certificates) -> TLSConfig:
    return TLSConfig(certificates.authorities, certificates.key, certificates.chain)
