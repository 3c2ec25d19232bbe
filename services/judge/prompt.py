"""Prompts from versioned files, and messages whose data stays data."""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_FOLDER = Path(__file__).parent / "prompts"
_NONCE_DIGITS = 16
_SECRET = os.urandom(32)


@dataclass(frozen=True)
class Prompt:
    """The fixed part of what a model is told.

    Attributes:
        text: The system message.
        digest: First 16 hex digits of its SHA-256.
    """

    text: str
    digest: str


def load(name: str) -> Prompt:
    """Reads a prompt file of this package.

    Args:
        name: File name without its ending, e.g. "judge.v2".
    """
    text = (_FOLDER / f"{name}.txt").read_text(encoding="utf-8")
    return Prompt(text, hashlib.sha256(text.encode()).hexdigest()[:16])


def content_key(*parts: str) -> str:
    """Returns the SHA-256 of some texts, in hex, so that no two lists of texts share one."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode("utf-8", "surrogatepass")
        digest.update(len(data).to_bytes(8, "big") + data)
    return digest.hexdigest()


def nonce_of(key: str) -> str:
    """Returns the nonce of a message.

    It depends on the message's whole content and on a secret of this process: equal content gives an equal message
    here, and nobody who writes a part of the message can know it.

    Args:
        key: Identifies the content.
    """
    return hmac.digest(_SECRET, key.encode(), "sha256").hex()[:_NONCE_DIGITS]


def fence(nonce: str, blocks: Mapping[str, str]) -> str:
    """Returns a message that holds each block between two lines with the nonce; empty blocks are left out."""
    parts = [f"NONCE is {nonce}"]
    for name, text in blocks.items():
        if text.strip():
            parts.append(f"<<<{name} {nonce}\n{text}\n{nonce} {name}>>>")
    return "\n\n".join(parts)
