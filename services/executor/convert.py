"""Between the wire and the executor's own terms."""

from __future__ import annotations

from google.protobuf.duration_pb2 import Duration

from codearena.v1 import core_pb2 as core
from codearena.v1 import executor_service_pb2 as wire
from services.executor import values
from services.executor.efficiency import Efficiency
from services.executor.graded import Verdict
from services.executor.grader import ScriptResult
from services.executor.jobs import Answer, Attempts, Usage
from services.executor.suites import CheckedCase, CheckedSuite
from services.executor.verdict import CaseVerdict

GROWTH_TEST = "growing inputs"


def execute_response(
    suite: CheckedSuite, verdict: Verdict, backend: core.SandboxBackend.ValueType
) -> wire.ExecuteResponse:
    """Puts a verdict on the wire."""
    tests = [_test(case, result) for case, result in zip(suite.cases, verdict.cases, strict=True)]
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
            execute=duration(verdict.execute_seconds),
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


def _test(case: CheckedCase, verdict: CaseVerdict) -> core.TestResult:
    result = core.TestResult()
    result.CopyFrom(case.result)
    result.passed = verdict.passed
    result.actual = values.clean(verdict.actual, case.shown_characters)
    result.outcome = verdict.outcome
    _set_usage(result, verdict.answer)
    return result


def _set_usage(result: core.TestResult, answer: Answer | None) -> None:
    result.cpu_time.FromNanoseconds(answer.cpu if answer else 0)
    result.peak_memory_bytes = answer.memory if answer else 0


def _growth_test(verdict: CaseVerdict) -> core.TestResult:
    result = core.TestResult(
        name=GROWTH_TEST,
        passed=verdict.passed,
        hidden=True,
        expected="the reference solution's answer at every size",
        actual=verdict.actual,
        outcome=verdict.outcome,
    )
    _set_usage(result, verdict.answer)
    return result


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
