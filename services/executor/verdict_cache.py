"""Verdicts that are known, by what decides them."""

from __future__ import annotations

import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from google.protobuf.message import DecodeError

from codearena.v1 import core_pb2 as core
from codearena.v1 import executor_service_pb2 as wire
from services.executor.sandbox import BackendInfo
from services.executor.suites import CheckedSuite

KEY_PREFIX = "codearena:verdict:1:"
"""Before the keys of verdicts in a store that executors share."""

_OVERHEAD_BYTES = 300


def judge_digest(backend: BackendInfo) -> str:
    """Returns the SHA-256 of what verdicts are made with: sandbox, harness, and the executor's own sources.

    So executors of two versions share no verdict.
    """
    here = Path(__file__).parent
    sources = (path.read_text() for path in sorted([*here.glob("*.py"), *here.glob("inside/*.py")]))
    return _digest_of(core.SandboxBackend.Name(backend.kind), backend.digest, *sources)


def verdict_key(code: str, suite: CheckedSuite, judge: str) -> str:
    """Returns the SHA-256 of all that decides a verdict: the program, its suite, and `judge_digest`."""
    return _digest_of(judge, suite.digest, code)


def _digest_of(*parts: str) -> str:
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode()
        digest.update(len(data).to_bytes(8, "big") + data)
    return digest.hexdigest()


def read_verdict(data: bytes, suite: CheckedSuite, kind: core.SandboxBackend.ValueType) -> wire.ExecuteResponse:
    """Reads a verdict that was kept elsewhere.

    Raises:
        ValueError: It is none, or not one of this suite and backend.
    """
    try:
        response = wire.ExecuteResponse.FromString(data)
    except (DecodeError, ValueError) as error:
        raise ValueError("not a response") from error
    if response.outcome not in core.Outcome.values()[1:] or response.backend != kind:
        raise ValueError("not a verdict of this backend")
    if suite.test_count is not None and len(response.tests) != suite.test_count:
        raise ValueError("not a verdict of this suite")
    return response


def repeated(response: wire.ExecuteResponse) -> wire.ExecuteResponse:
    """Returns a verdict as one has it who asks for it again: it took no time and is flagged."""
    again = wire.ExecuteResponse()
    again.CopyFrom(response)
    again.cached = True
    again.stages.CopyFrom(wire.StageTimes())
    return again


@dataclass(frozen=True, slots=True)
class CacheLimits:
    """How much is kept, and how long.

    Attributes:
        entries: Verdicts; 0 keeps none.
        size_bytes: Bytes of all verdicts together.
        age_seconds: Age at which a verdict is forgotten.
    """

    entries: int
    size_bytes: int
    age_seconds: float


@dataclass(frozen=True, slots=True)
class _Entry:
    data: bytes
    expires: float

    @property
    def size(self) -> int:
        return len(self.data) + _OVERHEAD_BYTES


class VerdictCache:
    """The verdicts used last, in memory."""

    def __init__(self, limits: CacheLimits, clock: Callable[[], float] = time.monotonic) -> None:
        self._limits = limits
        self._clock = clock
        self._entries: OrderedDict[str, _Entry] = OrderedDict()
        self._bytes = 0

    def get(self, key: str) -> wire.ExecuteResponse | None:
        """Returns a verdict, flagged as known; None if it is not known or too old."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        if self._clock() >= entry.expires:
            self._forget(key)
            return None
        self._entries.move_to_end(key)
        return wire.ExecuteResponse.FromString(entry.data)

    def put(self, key: str, response: wire.ExecuteResponse, seconds: float | None = None) -> bytes:
        """Keeps a verdict, unless it is larger than all of them may be.

        Args:
            key: From `verdict_key`.
            response: The verdict.
            seconds: How long it is good for; None for as long as any.

        Returns:
            The verdict as it is kept.
        """
        data = repeated(response).SerializeToString()
        age = self._limits.age_seconds if seconds is None else min(seconds, self._limits.age_seconds)
        self._forget(key)
        entry = _Entry(data, self._clock() + age)
        if entry.size <= self._limits.size_bytes:
            self._entries[key] = entry
            self._bytes += entry.size
        while self._bytes > self._limits.size_bytes or len(self._entries) > self._limits.entries:
            self._forget(next(iter(self._entries)))
        return data

    def _forget(self, key: str) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._bytes -= entry.size
