"""Channels from one service to another."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Generic, TypeVar

import grpc

from services.common.certificates import CertificateFiles
from services.common.settings import PeerSettings
from services.common.tls import channel_credentials

Stub = TypeVar("Stub")

MAX_MESSAGE_BYTES = 16 * 1024 * 1024
_OLD_SECONDS = 600.0
_SERVICE_CONFIG = json.dumps({"loadBalancingConfig": [{"round_robin": {}}]})
_OPTIONS = (
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    ("grpc.initial_reconnect_backoff_ms", 100),
    # Names are looked up again when a connection ends; at most this often, and 30 s apart by default, which is longer
    # than two replicas take to be replaced one after the other.
    ("grpc.dns_min_time_between_resolutions_ms", 1_000),
    ("grpc.service_config", _SERVICE_CONFIG),
)


class PeerChannel(Generic[Stub]):
    """A channel to another service, made anew when the certificates change.

    Calls that are under way on an old channel end there; it is closed after ten minutes.

    Args:
        address: A gRPC target, e.g. "127.0.0.1:50052" or "dns:///executor:50052".
        make_stub: Makes the stub of a channel.
        certificates: What to show and to trust; None for plain text.
    """

    def __init__(
        self, address: str, make_stub: Callable[[grpc.aio.Channel], Stub], certificates: CertificateFiles | None
    ) -> None:
        self._address = address
        self._make_stub = make_stub
        self._certificates = certificates
        self._shown = None if certificates is None else certificates.current()
        self._channel, self._stub = self._open()
        self._closing: dict[grpc.aio.Channel, asyncio.Task[None]] = {}

    @property
    def stub(self) -> Stub:
        """The stub for the next call. Not to be kept."""
        if self._certificates is not None and (found := self._certificates.current()) is not self._shown:
            old, self._shown = self._channel, found
            self._channel, self._stub = self._open()
            closing = self._closing[old] = asyncio.create_task(_close_later(old))
            closing.add_done_callback(lambda _: self._closing.pop(old))
        return self._stub

    async def close(self) -> None:
        """Closes every channel; calls under way are cancelled."""
        for closing in self._closing.values():
            closing.cancel()
        closed = [channel.close() for channel in (self._channel, *self._closing)]
        await asyncio.gather(*closed, *self._closing.values(), return_exceptions=True)

    def _open(self) -> tuple[grpc.aio.Channel, Stub]:
        if self._shown is None:
            channel = grpc.aio.insecure_channel(self._address, options=_OPTIONS)
        else:
            channel = grpc.aio.secure_channel(self._address, channel_credentials(self._shown), options=_OPTIONS)
        return channel, self._make_stub(channel)


async def _close_later(channel: grpc.aio.Channel) -> None:
    # not by its grace: a channel that waits for its calls can no longer be told to cancel them
    await asyncio.sleep(_OLD_SECONDS)
    await channel.close()


def call_metadata(settings: PeerSettings) -> tuple[tuple[str, str], ...]:
    """Returns the metadata that authenticates a call to a peer."""
    token = settings.peer_token or settings.token
    return () if token is None else (("authorization", f"Bearer {token.get_secret_value()}"),)
