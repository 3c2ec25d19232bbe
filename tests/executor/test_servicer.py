"""Requests that are malformed: refused with a reason that names the field, and the service lives on."""

from __future__ import annotations

from collections.abc import Callable

import grpc
import pytest

from codearena.v1 import core_pb2 as core
from codearena.v1 import executor_service_pb2 as wire
from tests.executor.conftest import DOUBLE, Executor, double_suite, on_process, refused

pytestmark = on_process


def _suite(change: Callable[[wire.Suite], object]) -> wire.Suite:
    suite = double_suite()
    change(suite)
    return suite


def _grow(*sizes: int, call: str = "double(n)", setup: str = "") -> Callable[[wire.Suite], object]:
    return lambda suite: suite.growth.MergeFrom(wire.Growth(sizes=sizes, call=call, setup=setup))


def _case(**fields: object) -> Callable[[wire.Suite], object]:
    return lambda suite: [setattr(suite.cases[1], name, value) for name, value in fields.items()]


@pytest.mark.parametrize(
    ("code", "reason", "words"),
    [
        ("", "EMPTY_FIX", "is empty"),
        (" \n\t ", "EMPTY_FIX", "is empty"),
        ("x = 1\0", "INVALID_TEXT", "NUL"),
        ("#" * 262145, "FIX_TOO_LARGE", "at most 262144"),
        ("é" * 131073, "FIX_TOO_LARGE", "at most 262144"),
        ("x = 1\n" * 873_814, "FIX_TOO_LARGE", "5242884 bytes"),
    ],
    ids=["empty", "blank", "NUL", "one byte too many", "two bytes a letter", "5 MB"],
)
async def test_a_program_that_is_none(executor: Executor, code: str, reason: str, words: str) -> None:
    for call in (executor.grade(code), executor.run(code)):
        error = await refused(call)
        assert (error.code, error.reason) == (grpc.StatusCode.INVALID_ARGUMENT, reason)
        assert error.metadata["field"] == "code"
        assert words in error.message
        assert len(error.message) < 500
    assert (await executor.grade(DOUBLE)).outcome == core.OUTCOME_PASSED


@pytest.mark.parametrize(
    ("change", "field", "words"),
    [
        (lambda suite: suite.ClearField("cases"), "suite.cases", "1 to 10000"),
        (lambda suite: suite.cases.extend([suite.cases[0]] * 10_000), "suite.cases", "not 10003"),
        (lambda suite: suite.ClearField("reference_code"), "suite.reference_code", "is empty; send"),
        (_case(name=""), "suite.cases[1].name", "1 to 100"),
        (_case(name="x" * 101), "suite.cases[1].name", "1 to 100"),
        (_case(call=" "), "suite.cases[1].call", "is empty"),
        (_case(call="f\0()"), "suite.cases[1].call", "NUL"),
        (_case(setup="x" * (1 << 20) + "y"), "suite.cases[1].setup", "1048576"),
        (_case(checker="fuzzy"), "suite.cases[1].checker", "equal, approx, unordered"),
        (_case(expected_literal="2 +"), "suite.cases[1].expected_literal", "not a Python literal"),
        (_case(expected_literal="open('x')"), "suite.cases[1].expected_literal", "is not allowed"),
        (_case(expected_literal="[" * 2000), "suite.cases[1].expected_literal", "not a Python literal"),
        (_case(expected_literal=""), "suite.cases[1].expected_literal", "not a Python literal"),
        (_case(expected_literal="{[]}"), "suite.cases[1].expected_literal", "not a Python literal"),
        (lambda suite: suite.cases[1].ClearField("expected_literal"), "suite.cases[1]", "needs expected_literal or"),
        (_grow(2, 1), "suite.growth.sizes", "ascending"),
        (_grow(1, 1), "suite.growth.sizes", "ascending"),
        (_grow(0, 1), "suite.growth.sizes", "positive"),
        (_grow(5), "suite.growth.sizes", "2 to 64"),
        (_grow(*range(1, 70)), "suite.growth.sizes", "2 to 64"),
        (_grow(1, 2, call=""), "suite.growth.call", "is empty"),
        (lambda suite: suite.limits.cpu_time.FromSeconds(31), "limits.cpu_time", "from 0.001 to 30"),
        (lambda suite: suite.limits.wall_time.FromSeconds(0), "limits.wall_time", "from 0.001 to 60"),
        (lambda suite: setattr(suite.limits, "memory_bytes", 1), "limits.memory_bytes", "not 1"),
        (lambda suite: setattr(suite.limits, "output_bytes", -1), "limits.output_bytes", "not -1"),
    ],
)
async def test_a_suite_that_is_none(
    executor: Executor, change: Callable[[wire.Suite], object], field: str, words: str
) -> None:
    error = await refused(executor.grade(DOUBLE, _suite(change)))

    reason = {"NUL": "INVALID_TEXT", "is empty; send": "EMPTY_FIX"}.get(words, "INVALID_FIELD")
    assert (error.code, error.reason) == (grpc.StatusCode.INVALID_ARGUMENT, reason)
    assert error.metadata["field"] == field
    assert words in error.message


@pytest.mark.parametrize(
    ("reference", "change", "words"),
    [
        ("def double(x) return x", None, "does not load"),
        ("import time\ntime.sleep(60)", None, "does not load"),
        ("def double(x): return x", None, "fails the case 'two': 2"),
        ("def double(x): __import__('os')._exit(0)", None, "fails the case 'two': the process ended"),
        ("def double(x):\n    while True: pass", None, "the time limit"),
        (DOUBLE, _grow(1, 2, setup="x = \0"), "growing inputs"),
        (DOUBLE, _grow(1, 2, call="double(nothing)"), "growing inputs: "),
        (DOUBLE, _grow(1, 2, call="object()"), "growing inputs: a value of type object"),
    ],
)
async def test_a_reference_that_is_unfit(
    executor: Executor, reference: str, change: Callable[[wire.Suite], object] | None, words: str
) -> None:
    suite = double_suite(cpu_seconds=0.2, wall_seconds=0.5)
    suite.reference_code = reference
    if change is not None:
        change(suite)

    error = await refused(executor.grade(DOUBLE, suite))

    assert (error.code, error.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD")
    assert error.metadata["field"] == "suite.reference_code"
    assert words in error.message


async def test_a_long_stdin_is_refused(executor: Executor) -> None:
    error = await refused(executor.run("print()", "x" * 65537))

    assert (error.code, error.metadata["field"]) == (grpc.StatusCode.INVALID_ARGUMENT, "stdin")
    assert (await executor.run("print(len(input()))", "x" * 65536)).stdout == "65536\n"


@pytest.mark.parametrize(
    "raw", [b"\xff" * 20, b"\x0a\x02\xff\xfe", b"\x0a\x7f"], ids=["noise", "no UTF-8", "cut short"]
)
async def test_bytes_that_are_no_request(executor: Executor, raw: bytes) -> None:
    for method in ("Execute", "RunCode"):
        error = await refused(executor.channel.unary_unary(f"/codearena.v1.ExecutorService/{method}")(raw))
        assert (error.code, error.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_TEXT")


async def test_a_message_over_the_limit_is_refused(executor: Executor) -> None:
    error = await refused(executor.grade("#" * (17 << 20)))

    assert error.code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "larger than max" in error.message


async def test_the_service_lives_and_has_no_slot_taken(executor: Executor) -> None:
    """Runs after the others."""
    assert (await executor.grade(DOUBLE)).outcome == core.OUTCOME_PASSED
    assert (await executor.run("print(1)")).stdout == "1\n"
