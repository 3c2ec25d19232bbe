"""Flake certificates: what was measured of a task, and which tasks are kept out of `auto` for it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field, ValidationError

MAX_FILE_BYTES = 64 * 1024 * 1024
Verdict = Literal["certified", "failed", "unmeasured"]
Count = Annotated[int, Field(ge=0)]
Rate = Annotated[float, Field(ge=0, le=1)]


class MalformedCertificates(ValueError):
    """The file is there and is no certificate file; the message names it and says what to do."""


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Spread(_Model):
    """How one number was spread over some gradings; the deviation is that of the whole, not of a sample."""

    count: Annotated[int, Field(ge=1)]
    mean: float
    deviation: Annotated[float, Field(ge=0)]
    lowest: float
    highest: float


class Figures(_Model):
    """What the gradings of one program of a task came to.

    Attributes:
        program: "reference", "bug" or the name of a slow one.
        gradings: How many ended in a verdict.
        failures: How many ended in a failure of the arena instead; they count nowhere else.
        outcome: The most frequent outcome; REFUSED where the task itself was refused, empty without any grading.
        tests_passed: Tests passed in the most frequent result.
        tests_total: All tests.
        flakes: Gradings whose outcome or number of passed tests differs from the most frequent one.
        reward: Of all gradings.
        idle: The reward of those on an idle machine.
        loaded: The reward of those under full load.
        cpu_ratio: CPU time divided by the reference's, where efficiency was measured.
        excess: Exponent of growth less the reference's, likewise.
    """

    program: str
    gradings: Count
    failures: Count
    outcome: str
    tests_passed: Count
    tests_total: Count
    flakes: Count
    reward: Spread | None
    idle: Spread | None
    loaded: Spread | None
    cpu_ratio: Spread | None
    excess: Spread | None

    @property
    def outcome_words(self) -> str:
        """The outcome for people, e.g. "tests failed"; "-" without any grading."""
        return self.outcome.lower().replace("_", " ") or "-"

    @property
    def flake_rate(self) -> float:
        """Flakes divided by gradings."""
        return self.flakes / self.gradings if self.gradings else 0.0


class Machine(_Model):
    """Where it was measured: cores, the system and its release, Python's version, the sandbox backend."""

    cores: Count
    system: str
    python: str
    backend: str


class Limits(_Model):
    """What a task may not exceed, and how it was tried.

    Attributes:
        flake_rate: Highest flake rate of a program.
        deviation: Highest standard deviation of a program's reward.
        runs: Gradings of each program, half of them under load.
        burners: Processes that made the load.
    """

    flake_rate: Rate
    deviation: Annotated[float, Field(ge=0)]
    runs: Count
    burners: Count


class Certificate(_Model):
    """The verdict on one task, by the digest of its content. A failed one has its reasons."""

    task_id: str
    digest: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    verdict: Verdict
    reasons: tuple[str, ...]
    issued: datetime
    machine: Machine
    limits: Limits
    programs: tuple[Figures, ...]


class CertificateFile(_Model):
    """All certificates that are in force; at most one for each task."""

    version: Literal[1]
    certificates: tuple[Certificate, ...] = ()

    def updated(self, fresh: Iterable[Certificate]) -> CertificateFile:
        """Returns the file with new certificates in the place of older ones of the same tasks.

        An unmeasured one does not replace a verdict on the same content: a failure of ours mends no task.
        """
        by_id = {certificate.task_id: certificate for certificate in self.certificates}
        for certificate in fresh:
            known = by_id.get(certificate.task_id)
            if known is None or certificate.verdict != "unmeasured" or known.digest != certificate.digest:
                by_id[certificate.task_id] = certificate
        return CertificateFile(version=1, certificates=tuple(by_id[task_id] for task_id in sorted(by_id)))


class Certified(Protocol):
    """What a certificate is about."""

    @property
    def id(self) -> str:
        """The task's id."""
        ...

    @property
    def digest(self) -> str:
        """The digest of its content."""
        ...


def read_certificates(file: Path) -> CertificateFile:
    """Reads a certificate file; one that does not exist holds no certificates.

    Raises:
        MalformedCertificates: It cannot be read, or is no certificate file.
    """
    try:
        with file.open("rb") as stream:
            content = stream.read(MAX_FILE_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError):
        return CertificateFile(version=1)
    except OSError as error:
        raise MalformedCertificates(f"{file} cannot be read: {error.strerror or error}") from error
    if len(content) > MAX_FILE_BYTES:
        raise MalformedCertificates(f"{file} is larger than {MAX_FILE_BYTES} bytes and no certificate file")
    try:
        return CertificateFile.model_validate_json(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise MalformedCertificates(
            f"{file} is no certificate file: {where + ': ' if where else ''}{first['msg']}; "
            "make it anew with `codearena tasks certify`, or remove it"
        ) from error


def quarantined(certificates: CertificateFile, tasks: Iterable[Certified]) -> dict[str, str]:
    """Returns the ids of tasks whose content, as it is now, has a failed certificate, and why it failed."""
    failed = {
        certificate.digest: "; ".join(certificate.reasons)
        for certificate in certificates.certificates
        if certificate.verdict == "failed"
    }
    return {task.id: failed[task.digest] for task in tasks if task.digest in failed}
