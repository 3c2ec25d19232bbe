"""What the executor asks of a sandbox backend."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from codearena.v1 import core_pb2
from services.common.errors import StartError


class SandboxLost(StartError):
    """The sandbox could not be had or went away for reasons of ours; grading may be retried.

    Never raised for something a submission did: that is `HarnessDied`.
    """


class HarnessDied(Exception):
    """The harness ended without an answer because of the submission it ran.

    Attributes:
        out_of_memory: Whether the kernel ended it at its memory limit.
    """

    def __init__(self, detail: str, *, out_of_memory: bool = False) -> None:
        super().__init__(detail)
        self.out_of_memory = out_of_memory


class Sandbox(Protocol):
    """A booted, single-use sandbox: run one program, then destroy it."""

    @property
    def alive(self) -> bool:
        """False once it is known to be of no use: its streams have ended. Asks nobody, so it may say True too long."""
        ...

    async def run(self, job: bytes) -> bytes:
        """Sends frames to the harness and returns its next reply.

        Args:
            job: The frames of the job. A further call continues with the same program: it sends one more frame.

        Returns:
            The payload of the reply frame, at most `protocol.MAX_REPLY_BYTES`. Untrusted.

        Raises:
            HarnessDied: The submission ended the harness.
            SandboxLost: The engine, or somebody outside, ended the sandbox.

        A caller bounds the time with a timeout or by cancelling; the sandbox is then good for nothing
        but `destroy`.
        """
        ...

    async def destroy(self) -> None:
        """Removes the sandbox and all that is in it. May be called at any time, and again; raises nothing."""
        ...


@dataclass(frozen=True, slots=True)
class BackendInfo:
    """What a backend is, for logs and readiness.

    Attributes:
        kind: The backend's enum value on the wire.
        isolation: One line for people: what keeps a submission in.
        isolated: Whether it may serve beyond loopback.
        digest: What its sandboxes are made from, harness included: equal ones give equal verdicts. Empty if that is
            not known; then no verdict is kept.
    """

    kind: core_pb2.SandboxBackend.ValueType
    isolation: str
    isolated: bool
    digest: str = ""


class SandboxBackend(Protocol):
    """A source of sandboxes."""

    @property
    def orphans_removed(self) -> int:
        """How many sandboxes that nobody owned any more were found and removed, since the start."""
        ...

    async def start(self) -> BackendInfo:
        """Prepares images or a zygote and removes what a killed executor left behind.

        Raises:
            SandboxLost: The engine does not answer or refuses; the message says what to do.
        """
        ...

    async def create(self) -> Sandbox:
        """Makes a sandbox whose harness has booted and said that it is ready.

        Raises:
            SandboxLost: None could be had.
        """
        ...

    async def ping(self) -> None:
        """Returns if the engine answers.

        Raises:
            SandboxLost: It does not.
        """
        ...

    async def stop(self) -> None:
        """Ends the backend and every sandbox it made. Idempotent."""
        ...
