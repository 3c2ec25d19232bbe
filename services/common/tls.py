"""TLS of the gRPC servers and channels, with certificates that may change at any time; and who is at the other end."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping

import grpc
from prometheus_client import CollectorRegistry

from services.common.audit import Audit
from services.common.certificates import CertificateFiles, CertificateMetrics, CertificatePaths, Certificates
from services.common.settings import PeerSettings, ServiceSettings


class ServerTls:
    """The certificates of one server.

    Each connection gets those that are good when it is made; connections that there are stay as they are, and end at
    the server's `max_connection_age`.

    Raises:
        StartError: The files cannot be used.
    """

    def __init__(self, settings: ServiceSettings, metrics: CertificateMetrics, audit: Audit) -> None:
        paths = CertificatePaths(
            settings.tls_certificate_file, settings.tls_key_file, authorities=settings.tls_client_ca_file
        )
        self._files = CertificateFiles("the server's certificates", paths, metrics, audit)
        self._given = self._files.current()
        self._lock = threading.Lock()

    def look(self) -> None:
        """Looks at the files, also when nobody connects."""
        self._files.current()

    def credentials(self) -> grpc.ServerCredentials:
        """Returns what a server is bound with."""
        return grpc.dynamic_ssl_server_credentials(
            _configuration(self._given),
            self._changed,  # type: ignore[arg-type]  # None is "no change", which its types do not know
            self._given.authorities is not None,
        )

    def _changed(self) -> grpc.ServerCertificateConfiguration | None:
        """Returns new certificates once, to the connection that is first made with them. Called on gRPC's threads."""
        with self._lock:
            now = self._files.current()
            if now is self._given:
                return None
            self._given = now
            return _configuration(now)


def server_tls(settings: ServiceSettings, registry: CollectorRegistry, audit: Audit) -> ServerTls | None:
    """Returns the certificates of a server, or None for plain text."""
    metrics = CertificateMetrics(registry, "codearena_certificate")
    return None if settings.tls_certificate_file is None else ServerTls(settings, metrics, audit)


def peer_certificates(settings: PeerSettings, registry: CollectorRegistry, audit: Audit) -> CertificateFiles | None:
    """Returns what a service shows to others and trusts of them, or None for plain text.

    Raises:
        StartError: The files cannot be used.
    """
    metrics = CertificateMetrics(registry, "codearena_peer_certificate")
    if settings.peer_ca_file is None:
        return None
    paths = CertificatePaths(settings.peer_certificate_file, settings.peer_key_file, authorities=settings.peer_ca_file)
    return CertificateFiles("the certificates for peers", paths, metrics, audit)


def channel_credentials(certificates: Certificates) -> grpc.ChannelCredentials:
    """Returns what a channel is opened with."""
    return grpc.ssl_channel_credentials(certificates.authorities, certificates.key, certificates.chain)


def names_of(auth_context: Mapping[str, Iterable[bytes]]) -> tuple[str, ...]:
    """Returns the URIs (SPIFFE ids among them) and DNS names of a caller's certificate; none without one.

    A name of one kind never passes for one of the other: a DNS name that looks like a URI is left out.
    """
    uris = tuple(name.decode() for name in auth_context.get("peer_uri", ()))
    return uris + tuple(name for name in (raw.decode() for raw in auth_context.get("peer_dns", ())) if ":" not in name)


def _configuration(certificates: Certificates) -> grpc.ServerCertificateConfiguration:
    assert certificates.chain is not None
    assert certificates.key is not None
    return grpc.ssl_server_certificate_configuration([(certificates.key, certificates.chain)], certificates.authorities)
