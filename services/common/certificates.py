"""Certificates in files that change while a service runs."""

from __future__ import annotations

import threading
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

_LOOK_SECONDS = 1.0
_MAX_BYTES = 1 << 20


class BadCertificates(Exception):
    """What files hold cannot be used; the message says why, and quotes nothing of them."""


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
        self._paths = paths
        self._metrics = metrics
        self._audit = audit
        self._log = structlog.get_logger("tls")
        self._lock = threading.Lock()
        self._looked = time.monotonic()
        self._stamp = _stamp(paths)
        self._refused: object = None
        try:
            self._current = read_certificates(paths)
        except BadCertificates as error:
            raise StartError(f"{what}: {error}") from error
        metrics.taken(self._current.expires, first=True)

    def current(self) -> Certificates:
        """Returns what is good now; looks at the files at most once a second. May be called from any thread."""
        with self._lock:
            now = time.monotonic()
            if now - self._looked >= _LOOK_SECONDS:
                self._looked = now
                self._look()
            return self._current

    def _look(self) -> None:
        stamp = _stamp(self._paths)
        if stamp == self._stamp:
            return
        try:
            found = read_certificates(self._paths)
        except BadCertificates as error:
            # Half a change looks like this too: the files are looked at again, and told of once for each state of them.
            if self._refused != (stamp, str(error)):
                self._refused = (stamp, str(error))
                self._metrics.refused()
                self._log.error("changed certificates are refused, the old ones stay", what=self._what, why=str(error))
                self._audit.record("certificates refused", whose=self._what, why=str(error))
            return
        self._stamp, self._refused = stamp, None
        if found != self._current:
            self._current = found
            self._metrics.taken(found.expires, first=False)
            self._audit.record("certificates reloaded", whose=self._what, expires=found.expires)


def read_certificates(paths: CertificatePaths) -> Certificates:
    """Reads and checks certificates.

    Raises:
        BadCertificates: A file cannot be read or parsed, the key belongs to another certificate, the certificate is
            not good at this time, or no authority is.
    """
    chain, key, authorities = (None if path is None else _bytes(path) for path in paths.every())
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
        raise BadCertificates(f"{paths.key} holds no PEM key without a password") from error
    if private.public_key() != found[0].public_key():
        raise BadCertificates(f"{paths.key} is not the key of the first certificate in {paths.chain}")
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
        raise BadCertificates(f"{path} expired at {last:%Y-%m-%dT%H:%M:%SZ}; renew it")
    if now < first.timestamp():
        raise BadCertificates(f"{path} is not valid before {first:%Y-%m-%dT%H:%M:%SZ}; is the clock right?")


def _ends(certificates: Iterable[x509.Certificate]) -> list[float]:
    return [certificate.not_valid_after_utc.timestamp() for certificate in certificates]


def _parse(pem: bytes, path: Path | None) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(pem)
    except ValueError as error:
        raise BadCertificates(f"{path} holds no PEM certificate") from error


def _bytes(path: Path) -> bytes:
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise BadCertificates(f"{path} is longer than {_MAX_BYTES} bytes")
        return path.read_bytes()
    except OSError as error:
        raise BadCertificates(f"{path} cannot be read: {error.strerror}") from error


def _stamp(paths: CertificatePaths) -> tuple[object, ...]:
    """Returns what changes when a file does, also when it is a link that is turned to another one."""
    stamps: list[object] = []
    for path in paths.every():
        try:
            found = None if path is None else path.stat()
        except OSError as error:
            stamps.append(error.errno)
        else:
            stamps.append(found and (found.st_mtime_ns, found.st_size, found.st_ino))
    return tuple(stamps)
