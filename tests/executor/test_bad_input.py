"""Bad programs, bad suites and bad clocks: each has a named outcome or a named status, and nothing leaks.

Bad engines are in `test_bad_engine.py`; the table of all of it is in docs/sandbox.md, "What can go wrong".
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
import textwrap
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest

from codearena.v1 import core_pb2 as core
from codearena.v1 import executor_service_pb2 as wire
from codearena.v1.executor_service_pb2_grpc import ExecutorServiceStub
from tests.executor.conftest import (
    DOUBLE,
    Executor,
    double_suite,
    on_process,
    outcome_name,
    pods_of,
    refused,
    started,
    until,
)
from tests.executor.traces import Family, containers, cpu_seconds, is_well, returns_to, traces

REPOSITORY = Path(__file__).parents[2]
MIB = 1 << 20
SENDING = """
import os, struct
def send(kind, number, payload):
    frame = struct.pack('>cI', kind, number) + payload
    left = memoryview(struct.pack('>I', len(frame)) + frame)
    while left: left = left[os.write(3, left):]
"""


def outcomes(response: wire.ExecuteResponse) -> list[str]:
    return [outcome_name(test.outcome) for test in response.tests]


# Values

VALUES = {
    "bytes of 1 GB": ("return bytes(1 << 30)", "OUT_OF_MEMORY", "MemoryError"),
    "a text of 150 MB": ("return 'x' * (150 << 20)", "OUTPUT_LIMIT_EXCEEDED", "larger than 1048576 bytes"),
    "an integer of 1 Gbit": ("return 1 << (1 << 30)", "OUTPUT_LIMIT_EXCEEDED", "larger than 1048576 bytes"),
    "a billion references to one list": (
        "a = [0] * 1000\n    for _ in range(2): a = [a] * 1000\n    return a",
        "OUTPUT_LIMIT_EXCEEDED",
        "more than 200000 elements",
    ),
    "a list that holds itself twice": ("a = []; a += [a, a]; return a", "TESTS_FAILED", "refers to itself"),
    "a dictionary that holds itself": ("a = {}; a[1] = a; return a", "TESTS_FAILED", "refers to itself"),
    "a list and a tuple that hold each other": ("a = []; b = (a,); a.append(b); return b", "TESTS_FAILED", "itself"),
    "a range of 10 ** 12": ("return range(10 ** 12)", "TESTS_FAILED", "range(0, 1000000000000)"),
    "an object": ("return object()", "TESTS_FAILED", "of type object"),
    "a subclass of ours": ("return type('int', (int,), {})(2 * x)", "TESTS_FAILED", "of type int, not a plain builtin"),
    "a Decimal": ("from decimal import Decimal; return Decimal(4)", "TESTS_FAILED", "of type Decimal"),
    "a generator": ("return (x for _ in 'ab')", "TESTS_FAILED", "of type generator"),
    "a coroutine": ("async def later(): return 2 * x\n    return later()", "TESTS_FAILED", "of type coroutine"),
    "a class": ("return int", "TESTS_FAILED", "of type type"),
    "a module": ("import sys; return sys", "TESTS_FAILED", "of type module"),
    "a memoryview": ("return memoryview(b'4')", "TESTS_FAILED", "of type memoryview"),
    "an ellipsis": ("return ...", "TESTS_FAILED", "of type ellipsis"),
    "a type whose name is not Unicode": (
        "return type(chr(0xd800), (), {})()",
        "TESTS_FAILED",
        "surrogates not allowed",
    ),
    "a type with a name of 10 MB": ("return type('n' * 10_000_000, (), {})()", "TESTS_FAILED", "of type nnn"),
}


@on_process
@pytest.mark.parametrize("name", VALUES)
async def test_a_value_that_cannot_be_an_answer_is_named(executor: Executor, name: str) -> None:
    body, outcome, words = VALUES[name]

    response = await executor.grade(f"def double(x):\n    {body}\n", double_suite(cpu_seconds=5, wall_seconds=20))

    assert set(outcomes(response)) == {outcome}
    assert outcome_name(response.outcome) == outcome
    assert words in response.tests[0].actual
    await is_well(executor)


FLOODS = {
    "a forged answer of 1 GB": (
        "data = b'\\xff' * (1 << 20)\ndef double(x):\n    for _ in range(1024): os.write(3, data)\n",
        {"CRASHED"},
    ),
    "a hundred forged answers of 9 MB": (
        "data = b'\"%s\"' % (b'x' * (9 << 20))\ndef double(x):\n    for n in range(100): send(b'V', n % 3, data)\n",
        {"TESTS_FAILED", "CRASHED", "OUTPUT_LIMIT_EXCEEDED"},
    ),
    "a value of 900 MB where so much may be used": (
        "def double(x): return bytes(900 << 20)\n",
        {"OUTPUT_LIMIT_EXCEEDED", "OUT_OF_MEMORY"},
    ),
}


@pytest.mark.parametrize("name", FLOODS)
async def test_an_answer_too_large_for_any_sandbox_is_the_programs_failure(executor: Executor, name: str) -> None:
    code, honest = FLOODS[name]

    response = await executor.grade(
        SENDING + code, double_suite(cpu_seconds=5, wall_seconds=20, memory_bytes=1024 * MIB)
    )

    assert outcome_name(response.outcome) in honest
    assert not any(test.passed for test in response.tests)
    await is_well(executor)


# Ten thousand cases


def many(count: int, *, hidden: bool = True, call: str = "double({0})", expected: str = "") -> wire.Suite:
    suite = double_suite()
    del suite.cases[:]
    for number in range(count):
        literal = expected.format(number) or str(2 * number)
        suite.cases.add(name=str(number), call=call.format(number), expected_literal=literal, hidden=hidden)
    return suite


async def test_a_job_of_ten_thousand_cases_is_graded(executor: Executor) -> None:
    suite = many(10_000)

    right = await executor.grade(DOUBLE, suite)
    stuck = await executor.grade("def double(x):\n    while x > 4_999: pass\n    return 2 * x if x else 1\n", suite)

    assert outcomes(right) == ["PASSED"] * 10_000
    assert outcome_name(right.outcome) == "PASSED"
    assert outcomes(stuck) == ["TESTS_FAILED"] + ["PASSED"] * 4_999 + ["TIMED_OUT"] * 5_000
    assert outcome_name(stuck.outcome) == "TIMED_OUT"
    await is_well(executor)


@on_process
async def test_more_than_ten_thousand_cases_are_refused(executor: Executor) -> None:
    error = await refused(executor.grade(DOUBLE, many(10_001)))

    assert (error.code, error.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD")
    assert error.metadata["field"] == "suite.cases"


@on_process
async def test_ten_thousand_visible_cases_with_long_texts_fit_a_message(executor: Executor) -> None:
    """A response that does not fit would be a status that no retry mends."""
    text = "'" + "x" * 700 + "'"
    suite = many(10_000, hidden=False, call=f"double({{0}}) or {text}", expected=text)
    suite.reference_code = "def double(x): return ''\n"

    right = await executor.grade(suite.reference_code, suite)
    wrong = await executor.grade("def double(x): raise ValueError('y' * 900)\n", suite)

    assert outcomes(right) == ["PASSED"] * 10_000
    assert set(outcomes(wrong)) == {"TESTS_FAILED"}


@on_process
async def test_exceptions_with_more_text_than_a_reply_may_have_are_not_taken_for_forged_ones(
    executor: Executor,
) -> None:
    suite = many(10_000)
    for case in suite.cases:
        case.raises = "ValueError"
    suite.reference_code = "def double(x): raise ValueError\n"

    response = await executor.grade("def double(x): raise ValueError('x' * 2000)\n", suite)

    assert set(outcomes(response)) == {"PASSED", "OUTPUT_LIMIT_EXCEEDED"}
    assert outcome_name(response.outcome) == "OUTPUT_LIMIT_EXCEEDED"


# Late answers

LATE = {
    "a thread that answers when the time is up": (
        """
        import threading, time
        def late():
            time.sleep(0.6)
            for number, answer in enumerate((b'4', b'"abab"', b'1.0')): send(b'V', number, answer)
        def double(x):
            if x == 2:
                threading.Thread(target=late).start()
                time.sleep(60)
        """,
        ["TIMED_OUT", "TESTS_FAILED", "TESTS_FAILED"],
    ),
    "a thread that answers the case before again, with the right answer to this one": (
        """
        import threading, time
        def late():
            time.sleep(0.1)
            send(b'V', 0, b'"abab"')
        def double(x):
            if x == 2: threading.Thread(target=late).start()
            if x == 'ab': time.sleep(60)
            return 2 * x
        """,
        ["PASSED", "CRASHED", "PASSED"],
    ),
    "a limit that a program means to catch": (
        """
        import signal, time
        for number in (signal.SIGTERM, signal.SIGXCPU, signal.SIGALRM, signal.SIGINT):
            signal.signal(number, lambda *_: None)
        def double(x):
            while True:
                try: time.sleep(60)
                except BaseException: return 2 * x
        """,
        ["TIMED_OUT", "TIMED_OUT", "TIMED_OUT"],
    ),
}


@pytest.mark.parametrize("name", LATE)
async def test_a_late_answer_is_nobody_elses(executor: Executor, name: str) -> None:
    code, expected = LATE[name]

    response = await executor.grade(SENDING + textwrap.dedent(code), double_suite(wall_seconds=0.4))

    assert outcomes(response) == expected
    assert outcome_name(response.outcome) != "PASSED"
    await is_well(executor)


@pytest.mark.parametrize("limits", [{"cpu_seconds": 0.3}, {"wall_seconds": 0.3}], ids=["cpu", "wall"])
async def test_an_answer_after_the_limit_is_late_though_the_harness_was_held_up(
    data_dir: Path, limits: dict[str, float]
) -> None:
    """Else the same program passes on a busy machine and not on an idle one."""
    spinning = """
    import time
    def double(x):
        start = time.process_time()
        while time.process_time() - start < 0.6: pass
        return 2 * x
    """
    family = Family()
    async with started("process", data_dir, slots=1) as executor:
        await executor.grade(DOUBLE, double_suite(**limits))
        await until(executor.all_free)
        grading = asyncio.create_task(executor.grade(textwrap.dedent(spinning), double_suite(**limits)))
        await until(lambda: any(cpu_seconds(pid) > 0.1 for pid in family.programs()))
        harnesses = family.supervisors()
        for pid in harnesses:
            os.kill(pid, signal.SIGSTOP)
        await asyncio.sleep(2)
        for pid in harnesses:
            os.kill(pid, signal.SIGCONT)
        response = await grading

    assert outcomes(response) == ["TIMED_OUT"] * 3


# Clocks

SPINNING = """
def double(x, total=0):
    for number in range(4_000_000): total += number
    return 2 * x
"""
PATCHED = """
import time
steps = iter(range(10 ** 9))
for name in dir(time):
    if callable(getattr(time, name)) and name not in ('sleep', 'struct_time'):
        setattr(time, name, lambda *_: -next(steps))
for name in ('clock_settime', 'clock_settime_ns'): assert not getattr(time, name)(time.CLOCK_REALTIME, 0) > 0
"""
SETTING = """
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
now = (ctypes.c_long * 2)(0, 0)
assert libc.clock_settime(0, now) == -1 and libc.settimeofday(now, None) == -1
"""


@on_process
async def test_a_program_cannot_turn_back_the_clock_that_it_is_charged_by(executor: Executor) -> None:
    suite = double_suite(cpu_seconds=5, wall_seconds=20)

    honest, patched = [await executor.grade(code + SPINNING, suite) for code in ("", PATCHED)]

    assert honest.outcome == patched.outcome == core.OUTCOME_PASSED
    assert honest.efficiency.score == patched.efficiency.score == 0.5
    charged = [response.usage.cpu_time.ToNanoseconds() for response in (honest, patched)]
    assert charged[1] > charged[0] / 3


async def test_no_sandbox_lets_a_program_set_the_clock(executor: Executor) -> None:
    assert (await executor.grade(SETTING + DOUBLE)).outcome == core.OUTCOME_PASSED
    await is_well(executor)


BACKWARDS = """
import time
def backwards(began=time.monotonic(), real=time.time): return real() - 86_400 - 100 * (time.monotonic() - began)
time.time = backwards
time.time_ns = lambda: int(backwards() * 1e9)
"""


@contextlib.asynccontextmanager
async def with_a_clock_that_runs_backwards(backend: str, data_dir: Path, folder: Path) -> AsyncIterator[Executor]:
    """An executor in a process of its own, whose wall clock goes back by a day and then a hundred seconds a second."""
    (folder / "sitecustomize.py").write_text(BACKWARDS)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    variables = {
        "PYTHONPATH": str(folder),
        "CODEARENA_EXECUTOR_PORT": str(port),
        "CODEARENA_EXECUTOR_METRICS_PORT": "0",
        "CODEARENA_SANDBOX_BACKEND": backend,
        "CODEARENA_SANDBOX_IMAGE_SOURCE": "host",
        "CODEARENA_DATA_DIR": str(data_dir),
        "CODEARENA_DRAIN_SECONDS": "0",
    }
    with (folder / "log").open("wb") as log:
        command = (sys.executable, "-m", "services.executor")
        process = await asyncio.create_subprocess_exec(
            *command, cwd=REPOSITORY, env=os.environ | variables, stdout=log, stderr=log
        )
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            await asyncio.wait_for(channel.channel_ready(), 60)
            yield Executor(ExecutorServiceStub(channel), None, None, channel)
    finally:
        process.terminate()
        assert await asyncio.wait_for(process.wait(), 30) == 0, (folder / "log").read_text()


async def test_a_wall_clock_that_runs_backwards_changes_nothing(
    backend_name: str, data_dir: Path, tmp_path: Path
) -> None:
    sleepy = "import time\ntime.sleep({0})\n" + DOUBLE
    async with with_a_clock_that_runs_backwards(backend_name, data_dir, tmp_path) as executor:
        graded = await asyncio.gather(
            executor.grade(DOUBLE),
            executor.grade(sleepy.format(0.3)),
            executor.grade(sleepy.format(60), double_suite(wall_seconds=0.4)),
        )
        late = await refused(executor.grade(sleepy.format(2), timeout=0.5))
        again = await executor.grade(DOUBLE)

    assert [outcome_name(response.outcome) for response in graded] == ["PASSED", "PASSED", "TIMED_OUT"]
    assert late.code is grpc.StatusCode.DEADLINE_EXCEEDED
    assert again.outcome == core.OUTCOME_PASSED
    assert again.efficiency.score == graded[0].efficiency.score == 1.0
    for response in graded:
        seconds = [part.ToNanoseconds() / 1e9 for part in (response.stages.queue, response.stages.execute)]
        assert all(0 <= part < 60 for part in seconds)


async def test_nothing_is_left_of_any_of_it(backend_name: str, data_dir: Path, request: pytest.FixtureRequest) -> None:
    programs = [f"def double(x):\n    {VALUES[name][0]}\n" for name in ("a text of 150 MB", "a generator")]
    programs += [SENDING + FLOODS["a forged answer of 1 GB"][0]]
    programs += [SENDING + textwrap.dedent(LATE[name][0]) for name in list(LATE)[1:]]
    endless = "def double(x):\n    while True: pass\n"
    async with started(backend_name, data_dir) as executor:
        await is_well(executor)  # what gRPC opens once it keeps
    before = traces()

    async with started(backend_name, data_dir) as executor:
        limits = double_suite(cpu_seconds=1, wall_seconds=1)
        graded = [asyncio.create_task(executor.grade(program, limits)) for program in programs]
        late = [asyncio.create_task(refused(executor.grade(endless, limits, timeout=0.3))) for _ in range(2)]
        left = [asyncio.create_task(executor.grade(endless, limits)) for _ in range(2)]
        await asyncio.wait(late)
        for call in left:
            call.cancel()
        assert "PASSED" not in {outcome_name(response.outcome) for response in await asyncio.gather(*graded)}
        await is_well(executor)

    await returns_to(before)
    if backend_name == "kubernetes":
        assert await pods_of(executor) == []
    if backend_name == "docker":
        assert containers(executor, request.getfixturevalue("docker_engine")) == []
