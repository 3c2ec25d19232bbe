"""How a client reaches an arena: address, TLS, token, deadlines and retries."""

from __future__ import annotations

import ipaddress
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import grpc

from codearena import _checks
from codearena._patience import BACKOFF_MULTIPLIER, FIRST_BACKOFF_SECONDS, LONGEST_BACKOFF_SECONDS, Patience

MAX_MESSAGE_BYTES: Final = 16 * 1024 * 1024
DEFAULT_ADDRESS: Final = "127.0.0.1:50051"
"""Where an arena of this machine listens."""
MAX_ATTEMPTS: Final = 5

_SERVICE: Final = "codearena.v1.EnvService"
_RETRY_POLICY: Final = {
    "initialBackoff": f"{FIRST_BACKOFF_SECONDS:g}s",
    "maxBackoff": f"{LONGEST_BACKOFF_SECONDS:g}s",
    "backoffMultiplier": BACKOFF_MULTIPLIER,
    "retryableStatusCodes": ["UNAVAILABLE"],
}
_RETRY_THROTTLING: Final = {"maxTokens": 100, "tokenRatio": 0.5}


@dataclass(frozen=True, slots=True)
class TLSConfig:
    """How to encrypt the connection. Each part is PEM: as bytes, or the path of a file that holds it.

    Attributes:
        root_certificates: Authorities to trust; None for those of the system.
        private_key: The client's own key, for mutual TLS. Needs `certificate_chain`.
        certificate_chain: The client's own certificate, for mutual TLS. Needs `private_key`.
        server_name: Name to expect in the server's certificate; None for the address's host.
    """

    root_certificates: bytes | str | os.PathLike[str] | None = None
    private_key: bytes | str | os.PathLike[str] | None = None
    certificate_chain: bytes | str | os.PathLike[str] | None = None
    server_name: str | None = None

    def credentials(self) -> grpc.ChannelCredentials:
        """Returns the credentials for a channel.

        Raises:
            OSError: A file cannot be read.
            InvalidArgumentError: There is a key without a certificate, or the other way round.
        """
        if (self.private_key is None) != (self.certificate_chain is None):
            raise _checks.invalid("private_key and certificate_chain", "must be given together")
        return grpc.ssl_channel_credentials(
            root_certificates=_pem(self.root_certificates),
            private_key=_pem(self.private_key),
            certificate_chain=_pem(self.certificate_chain),
        )


@dataclass(frozen=True, slots=True)
class Connection:
    """All that sync and async clients need to open a channel and to send a call.

    Attributes:
        address: Target in gRPC's syntax, such as "127.0.0.1:50051" or "dns:///arena.example:50051".
        credentials: None for plain text.
        options: Channel options.
        token: The bearer token, or what returns it for each call; None for none.
        timeout_seconds: Deadline of every call; None for each call's own default.
        max_attempts: How often a call is sent at most.
    """

    address: str
    credentials: grpc.ChannelCredentials | None
    options: tuple[tuple[str, str | int], ...]
    token: str | Callable[[], str | None] | None
    timeout_seconds: float | None
    max_attempts: int

    @classmethod
    def build(
        cls,
        address: str,
        *,
        token: str | Callable[[], str | None] | None,
        tls: TLSConfig | None,
        timeout_seconds: float | None,
        max_attempts: int,
    ) -> Connection:
        """Checks a client's arguments; nothing is sent yet.

        Raises:
            TypeError: An argument has a wrong type.
            InvalidArgumentError: An argument has an impossible value.
            OSError: A file of the TLS configuration cannot be read.
        """
        if not _checks.text("address", address).strip():
            raise _checks.invalid("address", "is empty")
        if not 1 <= _checks.integer("max_attempts", max_attempts) <= MAX_ATTEMPTS:
            raise _checks.invalid("max_attempts", f"must be from 1 to {MAX_ATTEMPTS}, not {max_attempts}")
        return cls(
            address=address,
            credentials=None if tls is None else tls.credentials(),
            options=_options(address, max_attempts, None if tls is None else tls.server_name),
            token=token if token is None or callable(token) else _token(token),
            timeout_seconds=None if timeout_seconds is None else _checks.timeout(timeout_seconds),
            max_attempts=max_attempts,
        )

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        """What is sent with a call that begins now. Raises as `build` does for a token that is none."""
        found = self.token() if callable(self.token) else self.token
        return () if found is None else (("authorization", f"Bearer {_token(found)}"),)

    def deadline(self, per_call: float | None, default: float) -> float:
        """Returns the seconds a call may take: its own, else the client's, else the default."""
        if per_call is not None:
            return _checks.timeout(per_call)
        return default if self.timeout_seconds is None else self.timeout_seconds

    def patience(self, per_call: float | None, default: float) -> Patience:
        """Returns how often a stream is opened again, all within the deadline of the call."""
        return Patience(self.max_attempts, self.deadline(per_call, default))


def service_config(max_attempts: int) -> str:
    """Returns the gRPC service config: which calls are retried, how often, and how replicas share the load.

    Only UNAVAILABLE is retried. A step carries a request id, so it is never graded twice; the other calls of
    the arena may be repeated without harm (a repeated Reset may leave an episode that nobody uses). Health
    checks are not retried: they ask about now. Streams of steps are opened again by the clients, which know what
    has been answered.
    """
    config: dict[str, object] = {"loadBalancingConfig": [{"round_robin": {}}]}
    if max_attempts > 1:
        policy = {"maxAttempts": max_attempts, **_RETRY_POLICY}
        config["methodConfig"] = [
            {"name": [{"service": _SERVICE}], "retryPolicy": policy},
            {"name": [{"service": _SERVICE, "method": "StepStream"}]},
        ]
        config["retryThrottling"] = _RETRY_THROTTLING
    return json.dumps(config)


def _options(address: str, max_attempts: int, server_name: str | None) -> tuple[tuple[str, str | int], ...]:
    options: list[tuple[str, str | int]] = [
        ("grpc.service_config", service_config(max_attempts)),
        ("grpc.enable_retries", int(max_attempts > 1)),
        # A call whose request does not fit into this buffer would not be retried.
        ("grpc.per_rpc_retry_buffer_size", MAX_MESSAGE_BYTES),
        ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
        ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
        # Arenas permit a ping every 10 s, also without calls.
        ("grpc.keepalive_time_ms", 30_000),
        ("grpc.keepalive_timeout_ms", 10_000),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.max_pings_without_data", 0),
        # Retries would fail at once while the connection itself waits for its next attempt.
        ("grpc.initial_reconnect_backoff_ms", 200),
        ("grpc.min_reconnect_backoff_ms", 5_000),
        ("grpc.max_reconnect_backoff_ms", 5_000),
        # A name is looked up again when a connection ends; at most this often, and 30 s apart by default.
        ("grpc.dns_min_time_between_resolutions_ms", 1_000),
        ("grpc.primary_user_agent", "codearena-python"),
    ]
    if _is_loopback(address):
        options.append(("grpc.enable_http_proxy", 0))
    if server_name is not None:
        options.append(("grpc.ssl_target_name_override", _checks.text("server_name", server_name)))
    return tuple(options)


def _is_loopback(address: str) -> bool:
    host = address.rpartition("/")[2].rpartition(":")[0].strip("[]")
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _token(token: object) -> str:
    text = _checks.text("token", token)
    if not text or not all("!" <= character <= "~" for character in text):
        raise _checks.invalid("token", "must be printable ASCII without spaces, and not empty")
    return text


def _pem(part: bytes | str | os.PathLike[str] | None) -> bytes | None:
    return part if part is None or isinstance(part, bytes) else Path(part).read_bytes()
