"""Certificates that a test makes for itself."""

from __future__ import annotations

import datetime
import ipaddress
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

DAY = datetime.timedelta(days=1)
LOOPBACK: tuple[x509.GeneralName, ...] = (
    x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
    x509.DNSName("localhost"),
    x509.DNSName("arena.test"),
)


@dataclass(frozen=True)
class Certificate:
    """A certificate and its key; paths of PEM files."""

    certificate: Path
    key: Path

    def replace(self, other: Certificate) -> None:
        """Has the files hold another certificate and key, as an operator who copies them would."""
        self.certificate.write_bytes(other.certificate.read_bytes())
        self.key.write_bytes(other.key.read_bytes())


def make_certificate(folder: Path, name: str) -> Certificate:
    """Makes a self-signed certificate for loopback, which is its own authority."""
    return Authority(folder, name).itself


class Authority:
    """Signs certificates, from a day ago to in two days unless told otherwise."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _named(name)
        builder = self._builder(name, self._key, LOOPBACK).add_extension(x509.BasicConstraints(True, None), True)
        self.itself = self._written(name, builder, self._key)

    def sign(
        self,
        name: str,
        *names: x509.GeneralName,
        begins: datetime.timedelta = -DAY,
        ends: datetime.timedelta = 2 * DAY,
    ) -> Certificate:
        """Makes a certificate with these names; for loopback without any."""
        key = ec.generate_private_key(ec.SECP256R1())
        return self._written(name, self._builder(name, key, names or LOOPBACK, begins, ends), key)

    def _builder(
        self,
        name: str,
        key: ec.EllipticCurvePrivateKey,
        names: tuple[x509.GeneralName, ...],
        begins: datetime.timedelta = -DAY,
        ends: datetime.timedelta = 2 * DAY,
    ) -> x509.CertificateBuilder:
        now = datetime.datetime.now(datetime.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(_named(name))
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + begins)
            .not_valid_after(now + ends)
            .add_extension(x509.SubjectAlternativeName(names), False)
        )

    def _written(self, name: str, builder: x509.CertificateBuilder, key: ec.EllipticCurvePrivateKey) -> Certificate:
        made = Certificate(self._folder / f"{name}.pem", self._folder / f"{name}.key")
        made.certificate.write_bytes(builder.sign(self._key, hashes.SHA256()).public_bytes(Encoding.PEM))
        made.key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return made


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
