"""The gateway's own certificate, which may change while it serves."""

from __future__ import annotations

import asyncio
import ssl

import structlog
from prometheus_client import CollectorRegistry

from services.common.audit import Audit
from services.common.certificates import CertificateFiles, CertificateMetrics, CertificatePaths, Certificates
from services.gateway.settings import GatewaySettings

_LOOK_SECONDS = 2.0


class WebTls:
    """Shows each new connection the certificate that is good then.

    New authorities of clients are trusted beside the old ones, which are forgotten at the next start.

    Args:
        settings: Where the files are.
        registry: Where their metrics go.
        audit: Told of every change.

    Raises:
        StartError: The files cannot be used.
    """

    def __init__(self, settings: GatewaySettings, registry: CollectorRegistry, audit: Audit) -> None:
        metrics = CertificateMetrics(registry, "codearena_certificate")
        self._paths = CertificatePaths(
            settings.tls_certificate_file, settings.tls_key_file, authorities=settings.tls_client_ca_file
        )
        self._files = None
        if settings.tls_certificate_file is not None:
            self._files = CertificateFiles("the gateway's certificates", self._paths, metrics, audit)

    async def renew(self, context: ssl.SSLContext | None) -> None:
        """Has a server's context show new certificates as they come, until it is cancelled."""
        if self._files is None or context is None:
            return
        shown = self._files.current()
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            found = self._files.current()
            if found is shown:
                continue
            try:
                self._load(found, context)
            except (ssl.SSLError, OSError) as error:  # they have changed again since they were found good
                structlog.get_logger("tls").warning("new certificates are tried again", why=type(error).__name__)
            else:
                shown = found

    def _load(self, found: Certificates, context: ssl.SSLContext) -> None:
        assert self._paths.chain is not None
        context.load_cert_chain(self._paths.chain, self._paths.key)
        if found.authorities is not None:
            context.load_verify_locations(cafile=self._paths.authorities)
