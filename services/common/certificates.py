"""Certificates in files that change while a service runs."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import structlog
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from prometheus_client import CollectorRegistry, Counter, Gauge

from services.common.audit import Audit
from services.common.errors import StartError
from services.common.watched_files import UnusableFile, WatchedFiles, read_file


@dataclass(frozen=True, slots=True)
class Certificates:
    """What the files held at one moment, found good.

    Attributes:
        chain: PEM of a service's own certificate and those between it and its authority; None if it shows none.
        key: PEM of its key; None likewise.
        authorities: PEM of the authorities that it trusts; None if it asks for no certificate.
        expires: When the first of them that is needed expires, in seconds since 1970.
    """

    chain: bytes | None
    key: bytes | None
    authorities: bytes | None
    expires: float


@dataclass(frozen=True, slots=True)
class CertificatePaths:
    """Where they are. A certificate and its key go together."""

    chain: Path | None
    key: Path | None
    authorities: Path | None

    def every(self) -> tuple[Path | None, ...]:
        """Returns all three."""
        return self.chain, self.key, self.authorities


class CertificateMetrics:
    """Until when certificates are good, and how often new ones were taken or refused.

    Args:
        registry: Where to.
        prefix: "codearena_certificate" for those of a server, "codearena_peer_certificate" for those it shows others.
    """

    def __init__(self, registry: CollectorRegistry, prefix: str) -> None:
        self._expiry = Gauge(
            f"{prefix}_expiry_timestamp_seconds",
            "When the first of the certificates in use expires, in seconds since 1970; +Inf without TLS.",
            registry=registry,
        )
        self._expiry.set(float("inf"))
        self._reloads = Counter(
            f"{prefix}_reloads", "Changed certificate files, by what became of them.", ("result",), registry=registry
        )
        for result in ("ok", "refused"):
            self._reloads.labels(result)

    def taken(self, expires: float, *, first: bool) -> None:
        """Certificates are in use from now on."""
        self._expiry.set(expires)
        if not first:
            self._reloads.labels("ok").inc()

    def refused(self) -> None:
        """Changed files were refused."""
        self._reloads.labels("refused").inc()


class CertificateFiles:
    """Certificates that are read again when their files change. What is broken is refused, and what was read stays.

    Args:
        what: Whose, for people, e.g. "the server's certificate".
        paths: Where they are.
        metrics: Told of every change.
        audit: Told of every change.

    Raises:
        StartError: The files cannot be used from the beginning.
    """

    def __init__(self, what: str, paths: CertificatePaths, metrics: CertificateMetrics, audit: Audit) -> None:
        self._what = what
        self._metrics = metrics
        self._audit = audit
        self._log = structlog.get_logger("tls")
        files = (path for path in paths.every() if path is not None)
        try:
            self._files = WatchedFiles(files, lambda: read_certificates(paths), self._changed, self._refused)
        except UnusableFile as error:
            raise StartError(f"{what}: {error}") from error
        metrics.taken(self._files.current().expires, first=True)

    def current(self) -> Certificates:
        """Returns what is good now; looks at the files at most once a second. May be called from any thread."""
        return self._files.current()

    def _changed(self, _before: Certificates, found: Certificates) -> None:
        self._metrics.taken(found.expires, first=False)
        self._audit.record("certificates reloaded", whose=self._what, expires=found.expires)

    def _refused(self, why: str) -> None:
        self._metrics.refused()
        self._log.error("changed certificates are refused, the old ones stay", what=self._what, why=why)
        self._audit.record("certificates refused", whose=self._what, why=why)


def read_certificates(paths: CertificatePaths) -> Certificates:
    """Reads and checks certificates.

    Raises:
        UnusableFile: A file cannot be read or parsed, the key belongs to another certificate, the certificate is
            not good at this time, or no authority is.
    """
    chain, key, authorities = (None if path is None else read_file(path) for path in paths.every())
    ends: list[float] = []
    if chain is not None and key is not None:
        ends.append(_check_pair(chain, key, paths))
    if authorities is not None:
        ends.append(_check_authorities(authorities, paths.authorities))
    return Certificates(chain, key, authorities, min(ends, default=float("inf")))


def _check_pair(chain: bytes, key: bytes, paths: CertificatePaths) -> float:
    found = _parse(chain, paths.chain)
    try:
        private = load_pem_private_key(key, None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise UnusableFile(f"{paths.key} holds no PEM key without a password") from error
    try:
        belongs = private.public_key() == found[0].public_key()
    except (ValueError, UnsupportedAlgorithm) as error:
        raise UnusableFile(f"{paths.chain} has a key of a kind that is not supported; use RSA or ECDSA") from error
    if not belongs:
        raise UnusableFile(f"{paths.key} is not the key of the first certificate in {paths.chain}")
    for certificate in found:
        _check_time(certificate, paths.chain)
    return min(_ends(found))


def _check_authorities(pem: bytes, path: Path | None) -> float:
    """An old authority may stand beside its successor, so the last one to expire counts."""
    found = _parse(pem, path)
    _check_time(max(found, key=lambda each: each.not_valid_after_utc), path)
    return max(_ends(found))


def _check_time(certificate: x509.Certificate, path: Path | None) -> None:
    now = time.time()
    first, last = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if now > last.timestamp():
        raise UnusableFile(f"{path} expired at {last:%Y-%m-%dT%H:%M:%SZ}; renew it")
    if now < first.timestamp():
        raise UnusableFile(f"{path} is not valid before {first:%Y-%m-%dT%H:%M:%SZ}; is the clock right?", may_pass=True)


def _ends(certificates: Iterable[x509.Certificate]) -> list[float]:
    return [certificate.not_valid_after_utc.timestamp() for certificate in certificates]


def _parse(pem: bytes, path: Path | None) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(pem)
    except ValueError as error:
        raise UnusableFile(f"{path} holds no PEM certificate") from error
