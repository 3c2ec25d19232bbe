"""Suites that were checked, ready to grade programs against."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

from codearena.v1 import core_pb2 as core
from codearena.v1 import error_reason_pb2 as reasons
from codearena.v1 import executor_service_pb2 as wire
from services.common import test_points
from services.common.errors import invalid
from services.common.literals import LiteralError, parse_literal
from services.common.validation import MAX_SOURCE_BYTES, check_source, check_text
from services.executor import values
from services.executor.jobs import Call
from services.executor.limits import Limits, resolve
from services.executor.values import CHECKERS, Wanted

MAX_CASES = 10_000
FIX_MODULE = "fix"
_MAX_SIZES = 64
_MAX_MODULES, _MAX_DRAWS, _MAX_DRAWN = 32, 20, 100
_MAX_CASE_BYTES = 1 << 20
SHOWN_CHARACTERS, HIDDEN_CHARACTERS = 2000, 100
_SHOWN_TOGETHER = 500_000
_KEPT_SUITES, _KEPT_BYTES = 1000, 64 << 20


@dataclass(frozen=True, slots=True)
class CheckedCase:
    """A case.

    Attributes:
        call: What of it may enter a sandbox.
        wanted: The value that is expected; None where an exception is.
        raises: The built-in exception that is expected, or "".
        shown_characters: Of a text about it, at most this many are of use: nobody reads those of a hidden case, and
            those of ten thousand cases must fit a message.
        result: What a response says of it, whatever becomes of it. Never changed.
    """

    call: Call
    wanted: Wanted | None
    raises: str
    shown_characters: int
    result: core.TestResult


@dataclass(frozen=True, slots=True)
class Recording:
    """What tests that are code ask of a right solution.

    Attributes:
        calls: What they call, in order.
        visible: How many of the calls are made by tests that may be shown; these come first.
        digests: SHA-256 of the right answer to each, see `inside/codearena_oracle.py`.
        points: For each script, which of its tests a right solution reaches.
        spans: For each test that it reaches, the number of its first call, and one more than that of its last one.
    """

    calls: tuple[Call, ...]
    visible: int
    digests: tuple[str, ...]
    points: tuple[tuple[bool, ...], ...]
    spans: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class CheckedSuite:
    """A suite.

    Attributes:
        message: As it came.
        cases: Its cases, visible ones first.
        visible: How many of them are visible.
        limits: Its limits, resolved.
        digest: SHA-256 of its content, as 64 hexadecimal digits: equal suites share what is known of them.
        cost_digest: The same of what the reference solution is measured on; what is drawn is not among it.
        recording: Of a suite whose tests are code: what they ask of a right solution. None for others, and until the
            suite is prepared.
    """

    message: wire.Suite
    cases: tuple[CheckedCase, ...]
    visible: int
    limits: Limits
    digest: str
    cost_digest: str
    recording: Recording | None = None

    @property
    def calls(self) -> list[Call]:
        """What of the cases may enter a sandbox."""
        return [case.call for case in self.cases]

    @property
    def measured_calls(self) -> Sequence[Call]:
        """What the reference solution is measured on."""
        if self.recording is not None:
            return self.recording.calls
        return [case.call for case in self.cases[: len(self.message.cases)]]

    @property
    def test_count(self) -> int | None:
        """How many tests a response to it has; None if that is known only once it is prepared."""
        if self.message.HasField("tests"):
            return None
        drawn = sum(draw.count for draw in self.message.draws)
        return len(self.message.cases) + drawn + self.message.HasField("growth")


class Suites:
    """Checks suites, and remembers those that it has checked; bounded in number and size."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, tuple[CheckedSuite, int]] = OrderedDict()
        self._bytes = 0

    def check(self, message: wire.Suite) -> CheckedSuite:
        """Returns a suite, ready to grade against.

        Raises:
            StatusError: INVALID_ARGUMENT that names the field at fault.
        """
        data = message.SerializeToString(deterministic=True)
        digest = hashlib.sha256(data).hexdigest()
        if digest in self._known:
            self._known.move_to_end(digest)
            return self._known[digest][0]
        suite = _checked(message, digest)
        self._known[digest] = suite, len(data)
        self._bytes += len(data)
        while len(self._known) > _KEPT_SUITES or self._bytes > _KEPT_BYTES:
            _, (_, size) = self._known.popitem(last=False)
            self._bytes -= size
        return suite


def _checked(message: wire.Suite, digest: str) -> CheckedSuite:
    check_source(message.reference_code, "suite.reference_code")
    if len(message.cases) > MAX_CASES or not (message.cases or message.HasField("tests")):
        raise _invalid("suite.cases", f"must be 1 to {MAX_CASES} cases, not {len(message.cases)}")
    visible = sum(not case.hidden for case in message.cases)
    shown = max(HIDDEN_CHARACTERS, min(SHOWN_CHARACTERS, _SHOWN_TOGETHER // max(1, visible)))
    cases = [check_case(case, f"suite.cases[{number}]", shown) for number, case in enumerate(message.cases)]
    _check_modules(message)
    _check_draws(message)
    if message.HasField("tests"):
        _check_tests(message)
    if message.HasField("growth"):
        _check_growth(message.growth)
    ordered = tuple(sorted(cases, key=lambda case: case.result.hidden))
    return CheckedSuite(message, ordered, visible, resolve(message.limits), digest, _cost_digest(message, digest))


def _cost_digest(message: wire.Suite, digest: str) -> str:
    if not message.draws:
        return digest
    fixed = wire.Suite()
    fixed.CopyFrom(message)
    fixed.ClearField("draws")
    fixed.ClearField("draw_seed")
    return hashlib.sha256(fixed.SerializeToString(deterministic=True)).hexdigest()


def _check_modules(message: wire.Suite) -> None:
    if len(message.modules) > _MAX_MODULES:
        raise _invalid("suite.modules", f"must be at most {_MAX_MODULES}")
    for name, source in message.modules.items():
        if not name.isidentifier() or name == FIX_MODULE:
            raise _invalid("suite.modules", f"{name!r} is no name of a module")
        check_text(source, f"suite.modules[{name}]", MAX_SOURCE_BYTES)


def _check_draws(message: wire.Suite) -> None:
    if len(message.draws) > _MAX_DRAWS:
        raise _invalid("suite.draws", f"must be at most {_MAX_DRAWS}")
    for number, draw in enumerate(message.draws):
        field = f"suite.draws[{number}]"
        if not 1 <= len(draw.name) <= 80:
            raise _invalid(f"{field}.name", "must be 1 to 80 characters")
        if not 1 <= draw.count <= _MAX_DRAWN:
            raise _invalid(f"{field}.count", f"must be 1 to {_MAX_DRAWN}")
        if not draw.names or not all(name.isidentifier() for name in draw.names):
            raise _invalid(f"{field}.names", "must be at least one name")
        for part in ("inputs", "setup", "call"):
            check_text(getattr(draw, part), f"{field}.{part}", _MAX_CASE_BYTES)
        if not draw.call.strip():
            raise _invalid(f"{field}.call", "is empty")
        if draw.checker not in CHECKERS:
            raise _invalid(f"{field}.checker", f"must be one of {', '.join(filter(None, CHECKERS))}")


def _check_tests(message: wire.Suite) -> None:
    if message.cases or message.draws or message.HasField("growth"):
        raise _invalid("suite.tests", "stand in place of cases, draws and growth")
    if not message.functions or not all(name.isidentifier() for name in message.functions):
        raise _invalid("suite.functions", "must name the functions under repair")
    if message.tests.module and not message.tests.module.isidentifier():
        raise _invalid("suite.tests.module", "is no name of a module")
    are_functions = message.tests.style == wire.TEST_STYLE_FUNCTIONS
    for part in ("visible", "hidden"):
        source = getattr(message.tests, part)
        check_text(source, f"suite.tests.{part}", _MAX_CASE_BYTES)
        try:
            test_points.find(source, are_functions=are_functions)
        except ValueError as error:
            raise _invalid(f"suite.tests.{part}", str(error)) from error


def check_case(case: wire.Case, field: str, shown_characters: int = SHOWN_CHARACTERS) -> CheckedCase:
    """Checks one case of a suite.

    Args:
        case: It.
        field: Where it is, for messages.
        shown_characters: Of a text about it that are shown if it is visible.

    Raises:
        StatusError: INVALID_ARGUMENT that names the field at fault.
    """
    if not 1 <= len(case.name) <= 100:
        raise _invalid(f"{field}.name", "must be 1 to 100 characters")
    check_text(case.setup, f"{field}.setup", _MAX_CASE_BYTES)
    check_text(case.call, f"{field}.call", _MAX_CASE_BYTES)
    if not case.call.strip():
        raise _invalid(f"{field}.call", "is empty")
    if case.checker not in CHECKERS:
        raise _invalid(f"{field}.checker", f"must be one of {', '.join(filter(None, CHECKERS))}")
    wanted, expected = _expectation(case, field)
    shown = HIDDEN_CHARACTERS if case.hidden else shown_characters
    result = core.TestResult(
        name=case.name,
        hidden=case.hidden,
        call=values.clean(case.call, shown),
        expected=values.clean(expected, shown),
    )
    return CheckedCase(Call(case.setup, case.call), wanted, case.raises, shown, result)


def _expectation(case: wire.Case, field: str) -> tuple[Wanted | None, str]:
    """Returns the value that is expected, if it is one, and what is expected, for people."""
    kind = case.WhichOneof("expectation")
    if kind is None:
        raise _invalid(field, "needs expected_literal or raises")
    if kind == "raises":
        return None, f"raises {case.raises}"
    try:
        return Wanted.of(parse_literal(case.expected_literal), case.checker), case.expected_literal
    except LiteralError as error:
        raise _invalid(f"{field}.expected_literal", str(error)) from error


def _check_growth(growth: wire.Growth) -> None:
    sizes = list(growth.sizes)
    if not 2 <= len(sizes) <= _MAX_SIZES or sizes[0] < 1 or sizes != sorted(set(sizes)):
        raise _invalid("suite.growth.sizes", f"must be 2 to {_MAX_SIZES} positive sizes in ascending order")
    if not growth.call.strip():
        raise _invalid("suite.growth.call", "is empty")


def _invalid(field: str, message: str) -> Exception:
    return invalid(reasons.ERROR_REASON_INVALID_FIELD, field, message)
