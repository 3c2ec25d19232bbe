"""Suites that were checked, ready to grade programs against."""

from __future__ import annotations

from dataclasses import dataclass

from codearena.v1 import executor_service_pb2 as wire
from services.executor.convert import checked_cases
from services.executor.limits import Limits, resolve
from services.executor.references import suite_digest


@dataclass(frozen=True, slots=True)
class CheckedSuite:
    """A suite.

    Attributes:
        message: As it came.
        cases: Its cases, visible ones first.
        limits: Its limits, resolved.
        digest: SHA-256 of its content, as 64 hexadecimal digits.
    """

    message: wire.Suite
    cases: list[wire.Case]
    limits: Limits
    digest: str

    @property
    def test_count(self) -> int:
        """How many tests a response to it has."""
        return len(self.cases) + self.message.HasField("growth")


def check_suite(message: wire.Suite) -> CheckedSuite:
    """Checks a suite.

    Raises:
        StatusError: INVALID_ARGUMENT that names the field at fault.
    """
    cases = checked_cases(message)
    return CheckedSuite(message, cases, resolve(message.limits), suite_digest(message))
