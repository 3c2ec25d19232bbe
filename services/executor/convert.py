"""Between the wire and the executor's own terms."""

from __future__ import annotations

from google.protobuf.duration_pb2 import Duration

from codearena.v1 import core_pb2 as core
from codearena.v1 import error_reason_pb2 as reasons
from codearena.v1 import executor_service_pb2 as wire
from services.common.errors import invalid
from services.common.literals import LiteralError, parse_literal
from services.common.validation import check_source, check_text
from services.executor import values
from services.executor.efficiency import Efficiency
from services.executor.grader import ScriptResult, Verdict
from services.executor.jobs import Attempts, Usage
from services.executor.values import CHECKERS
from services.executor.verdict import CaseVerdict, expectation

MAX_CASES = 10_000
_MAX_SIZES = 64
_MAX_CASE_BYTES = 1 << 20
GROWTH_TEST = "growing inputs"
_SHOWN_CHARACTERS, _HIDDEN_CHARACTERS = 2000, 100


def checked_cases(suite: wire.Suite) -> list[wire.Case]:
    """Checks a suite and returns its cases, visible ones first.

    Raises:
        StatusError: INVALID_ARGUMENT that names the field at fault.
    """
    check_source(suite.reference_code, "suite.reference_code")
    if not 1 <= len(suite.cases) <= MAX_CASES:
        raise _invalid("suite.cases", f"must be 1 to {MAX_CASES} cases, not {len(suite.cases)}")
    for number, case in enumerate(suite.cases):
        _check_case(case, f"suite.cases[{number}]")
    if suite.HasField("growth"):
        _check_growth(suite.growth)
    return sorted(suite.cases, key=lambda case: case.hidden)


def _check_case(case: wire.Case, field: str) -> None:
    if not 1 <= len(case.name) <= 100:
        raise _invalid(f"{field}.name", "must be 1 to 100 characters")
    check_text(case.setup, f"{field}.setup", _MAX_CASE_BYTES)
    check_text(case.call, f"{field}.call", _MAX_CASE_BYTES)
    if not case.call.strip():
        raise _invalid(f"{field}.call", "is empty")
    if case.checker not in CHECKERS:
        raise _invalid(f"{field}.checker", f"must be one of {', '.join(filter(None, CHECKERS))}")
    if case.WhichOneof("expectation") is None:
        raise _invalid(field, "needs expected_literal or raises")
    if case.WhichOneof("expectation") == "expected_literal":
        try:
            parse_literal(case.expected_literal)
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


def execute_response(
    cases: list[wire.Case], verdict: Verdict, backend: core.SandboxBackend.ValueType, execute_seconds: float
) -> wire.ExecuteResponse:
    """Puts a verdict on the wire."""
    tests = [_test(case, result) for case, result in zip(cases, verdict.cases, strict=True)]
    if verdict.growth is not None:
        tests.append(_growth_test(verdict.growth))
    response = wire.ExecuteResponse(
        outcome=verdict.outcome,
        loaded=verdict.load_error is None,
        tests=tests,
        load_error=verdict.load_error or "",
        output=values.clean(verdict.output, 65536),
        usage=usage(verdict.usage),
        violations=violations(verdict.attempts),
        backend=backend,
        stages=wire.StageTimes(
            queue=duration(verdict.lease.queue_seconds),
            provision=duration(verdict.lease.provision_seconds),
            execute=duration(execute_seconds),
        ),
    )
    if verdict.efficiency is not None:
        response.efficiency.CopyFrom(_efficiency(verdict.efficiency))
    return response


def run_code_response(
    result: ScriptResult, backend: core.SandboxBackend.ValueType
) -> wire.ExecutorServiceRunCodeResponse:
    """Puts a script's result on the wire."""
    return wire.ExecutorServiceRunCodeResponse(
        outcome=result.outcome,
        stdout=values.clean(result.stdout, 65536),
        stderr=values.clean(result.stderr, 65536),
        exit_code=result.exit_code,
        usage=usage(result.usage),
        violations=violations(result.attempts),
        backend=backend,
    )


def _test(case: wire.Case, result: CaseVerdict) -> core.TestResult:
    # Nobody reads the texts of a hidden test, and ten thousand of them must fit a message.
    shown = _HIDDEN_CHARACTERS if case.hidden else _SHOWN_CHARACTERS
    return core.TestResult(
        name=case.name,
        passed=result.passed,
        hidden=case.hidden,
        call=values.clean(case.call, shown),
        expected=values.clean(expectation(case), shown),
        actual=values.clean(result.actual, shown),
        outcome=result.outcome,
        cpu_time=duration(result.answer.cpu / 1e9 if result.answer else 0.0),
        peak_memory_bytes=result.answer.memory if result.answer else 0,
    )


def _growth_test(result: CaseVerdict) -> core.TestResult:
    return core.TestResult(
        name=GROWTH_TEST,
        passed=result.passed,
        hidden=True,
        expected="the reference solution's answer at every size",
        actual=result.actual,
        outcome=result.outcome,
        cpu_time=duration(result.answer.cpu / 1e9 if result.answer else 0.0),
        peak_memory_bytes=result.answer.memory if result.answer else 0,
    )


def _efficiency(efficiency: Efficiency) -> core.EfficiencyReport:
    return core.EfficiencyReport(
        score=efficiency.score,
        growth_exponent=efficiency.exponent,
        reference_growth_exponent=efficiency.reference_exponent,
        cpu_ratio=efficiency.ratio,
        reason=efficiency.reason,
        largest_size=efficiency.largest_size,
    )


def usage(used: Usage | None) -> core.ResourceUsage:
    """Puts a resource account on the wire; empty if there is none."""
    if used is None:
        return core.ResourceUsage()
    return core.ResourceUsage(
        cpu_time=duration(used.cpu / 1e9), wall_time=duration(used.wall / 1e9), peak_memory_bytes=used.memory
    )


def violations(attempts: Attempts | None) -> core.Violations:
    """Puts what a program tried on the wire; empty if it is not known."""
    if attempts is None:
        return core.Violations()
    return core.Violations(
        early_exit=attempts.early_exit,
        tampered_frame_count=min(attempts.tampered, 2**31 - 1),
        refused_syscalls=[values.clean(name, 50) for name in attempts.refused[:100]],
        refused_syscall_count=min(attempts.refused_count, 2**31 - 1),
        surviving_process_count=min(attempts.survivors, 2**31 - 1),
        output_flood=attempts.flood,
    )


def duration(seconds: float) -> Duration:
    """Returns seconds as a protobuf duration."""
    result = Duration()
    result.FromNanoseconds(max(0, round(seconds * 1e9)))
    return result
