"""Channels from one service to another."""

from __future__ import annotations

import json

import grpc

from services.common.settings import PeerSettings

MAX_MESSAGE_BYTES = 16 * 1024 * 1024
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


def peer_channel(address: str, settings: PeerSettings) -> grpc.aio.Channel:
    """Opens a channel to another service.

    Args:
        address: A gRPC target, e.g. "127.0.0.1:50052" or "dns:///executor:50052".
        settings: TLS of the peers.
    """
    if settings.peer_ca_file is None:
        return grpc.aio.insecure_channel(address, options=_OPTIONS)
    credentials = grpc.ssl_channel_credentials(settings.peer_ca_file.read_bytes())
    return grpc.aio.secure_channel(address, credentials, options=_OPTIONS)


def call_metadata(settings: PeerSettings) -> tuple[tuple[str, str], ...]:
    """Returns the metadata that authenticates a call to a peer."""
    if settings.token is None:
        return ()
    return (("authorization", f"Bearer {settings.token.get_secret_value()}"),)
