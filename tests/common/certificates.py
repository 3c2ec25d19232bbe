"""Certificates that a test makes for itself with the openssl command."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import require

_SUBJECT = "/CN=arena.test"
_NAMES = "subjectAltName=IP:127.0.0.1,DNS:localhost,DNS:arena.test"


@dataclass(frozen=True)
class Certificate:
    """A self-signed certificate, which is its own authority, and its key; paths of PEM files."""

    certificate: Path
    key: Path


def make_certificate(folder: Path, name: str) -> Certificate:
    """Makes a self-signed certificate for loopback; skips the test where there is no openssl."""
    require("openssl", shutil.which("openssl") is not None, "there is no openssl command")
    made = Certificate(folder / f"{name}.pem", folder / f"{name}.key")
    request = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    subject = ["-days", "2", "-subj", _SUBJECT, "-addext", _NAMES]
    files = ["-keyout", str(made.key), "-out", str(made.certificate)]
    done = subprocess.run([*request, *subject, *files], capture_output=True, text=True)
    if done.returncode:
        pytest.fail(done.stderr)
    return made
