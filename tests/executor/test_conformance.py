"""What every backend must do: as a source of sandboxes, and as the executor's clients see it."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from codearena.v1 import core_pb2 as core
from codearena.v1 import executor_service_pb2 as wire
from services.executor import jobs
from services.executor.backends import choose
from services.executor.jobs import Call, Reply
from services.executor.limits import Limits
from services.executor.sandbox import HarnessDied, SandboxBackend, SandboxLost
from services.executor.settings import ExecutorSettings
from tests.executor.conftest import DOUBLE, Ahead, Executor, chosen_names, double_suite, on_process, outcome_name
from tests.executor.programs import HONEST

LIMITS = Limits(cpu_seconds=1, wall_seconds=3)
ENDLESS = "while True: pass"


@pytest.fixture(scope="module")
async def backend(executor: Executor) -> SandboxBackend:
    """A backend that has started."""
    return executor.service.chosen.backend


async def ask(backend: SandboxBackend, code: str, *calls: str) -> list[str]:
    """Runs a program in a sandbox of its own; returns the answers' payloads."""
    sandbox = await backend.create()
    try:
        job = jobs.program(code, LIMITS) + batch(*calls)
        return payloads(await sandbox.run(job))
    finally:
        await sandbox.destroy()


def batch(*calls: str) -> bytes:
    return jobs.batch([Call("", call) for call in calls], LIMITS, visible=0)


def payloads(data: bytes) -> list[str]:
    return [answer.payload for answer in Reply.model_validate_json(data).cases]


class TestSandboxes:
    """The protocol of `services.executor.sandbox`."""

    async def test_a_second_run_goes_on_with_the_same_program(self, backend: SandboxBackend) -> None:
        sandbox = await backend.create()
        code = "seen = []\ndef f(x):\n    seen.append(x)\n    return seen\n"

        assert payloads(await sandbox.run(jobs.program(code, LIMITS) + batch("f(1)"))) == ["[1]"]
        assert payloads(await sandbox.run(batch("f(2)", "f(3)"))) == ["[1,2]", "[1,2,3]"]
        await sandbox.destroy()

    async def test_a_sandbox_is_fresh(self, backend: SandboxBackend) -> None:
        leave = (
            "import builtins, os, sys, math\n"
            "builtins.left = math.left = 1\n"
            "os.environ['LEFT'] = 'here'\n"
            "for folder in ('/tmp', '/dev/shm', '.'):\n"
            "    try: open(folder + '/left.txt', 'w').write('here')\n"
            "    except OSError: pass\n"
        )
        look = (
            "import builtins, os, math\n"
            "found = [hasattr(builtins, 'left'), hasattr(math, 'left'), 'LEFT' in os.environ,\n"
            "    any(os.path.exists(f + '/left.txt') for f in ('/tmp', '/dev/shm', '.'))]\n"
        )
        assert await ask(backend, leave + "ok = os.path.exists('/tmp/left.txt')", "ok") == ["true"]
        assert await ask(backend, look, "found") == ["[false,false,false,false]"]

    async def test_destroying_twice_and_at_once_is_fine(self, backend: SandboxBackend) -> None:
        sandbox = await backend.create()
        await asyncio.gather(sandbox.destroy(), sandbox.destroy())
        await sandbox.destroy()
        with pytest.raises(SandboxLost):
            await sandbox.run(jobs.program(DOUBLE, LIMITS) + batch("double(1)"))

    async def test_destroying_a_running_one_is_not_the_submissions_failure(self, backend: SandboxBackend) -> None:
        sandbox = await backend.create()
        running = asyncio.create_task(sandbox.run(jobs.program(ENDLESS, LIMITS) + batch()))
        await asyncio.sleep(0.1)

        await asyncio.wait_for(sandbox.destroy(), 15)

        with pytest.raises(SandboxLost):
            await asyncio.wait_for(running, 15)

    async def test_a_cancelled_run_can_be_destroyed(self, backend: SandboxBackend) -> None:
        sandbox = await backend.create()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(sandbox.run(jobs.program(ENDLESS, LIMITS) + batch()), 0.1)
        await sandbox.destroy()

    async def test_a_frame_that_is_no_job_ends_the_harness(self, backend: SandboxBackend) -> None:
        sandbox = await backend.create()
        with pytest.raises(HarnessDied):
            await sandbox.run(b"\0\0\0\1{")
        await sandbox.destroy()

    async def test_ping_returns(self, backend: SandboxBackend) -> None:
        await backend.ping()

    async def test_cancelled_creations_leave_nothing_and_stopping_destroys_the_rest(
        self, backend_name: str, data_dir: Path
    ) -> None:
        settings = ExecutorSettings(sandbox_backend=backend_name, data_dir=data_dir)
        backend = (await choose(settings)).backend
        for steps in (0, 1, 3, 10):
            creating = asyncio.create_task(backend.create())
            for _ in range(steps):
                await asyncio.sleep(0.002)
            creating.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await (await creating).destroy()
        sandboxes = await asyncio.gather(backend.create(), backend.create())
        running = asyncio.create_task(sandboxes[0].run(jobs.program(ENDLESS, LIMITS) + batch()))
        await asyncio.sleep(0.1)

        await asyncio.gather(backend.stop(), backend.stop())

        with pytest.raises(SandboxLost):
            await asyncio.wait_for(running, 15)
        with pytest.raises(SandboxLost, match="not running"):
            await backend.create()
        await asyncio.gather(*(sandbox.destroy() for sandbox in sandboxes))


@pytest.fixture(scope="module")
async def graded(executor: Executor, backend_name: str, request: pytest.FixtureRequest) -> AsyncIterator[Ahead]:
    """What became of each honest program."""
    ahead = Ahead()
    ahead.begin(chosen_names(request, "honest", backend_name), lambda name: executor.grade(HONEST[name]))
    yield ahead
    await ahead.end()


@pytest.mark.parametrize("honest", HONEST)
async def test_an_honest_oddity_is_not_punished(graded: Ahead, honest: str) -> None:
    response = await graded.result(honest)

    assert outcome_name(response.outcome) == "PASSED", (response.load_error, [test.actual for test in response.tests])
    assert response.loaded
    assert response.violations == core.Violations()
    assert response.efficiency.score == 1.0 or "slow" in honest


CASES = """
import time
calls = []
def echo(x):
    calls.append(x)
    print('got', x)
    return x
def die(): __import__('os')._exit(0)
def spin(seconds):
    start = time.process_time()
    while time.process_time() - start < seconds: pass
"""


def suite(*cases: tuple[str, str], hidden: int = 0, **limits: float) -> wire.Suite:
    """Cases of call and expected literal ("!X": an exception; "checker::" in front). The first `hidden` are hidden."""
    made = double_suite(**limits)
    made.reference_code = CASES
    del made.cases[:]
    for number, (call, expected) in enumerate(cases):
        case = made.cases.add(name=str(number), call=call, hidden=number < hidden)
        checker, found, rest = expected.partition("::")
        if expected.startswith("!"):
            case.raises = expected[1:]
        else:
            case.expected_literal = rest if found else expected
            case.checker = checker if found else ""
    return made


async def test_every_kind_of_value_crosses(executor: Executor) -> None:
    values = {
        "2.0": "2",
        "True": "1",
        "float('nan')": "nan",
        "[float('-inf'), -0.0]": "[-inf, 0]",
        "10 ** 40 + 1": str(10**40 + 1),
        "(1, (2, [3, None]))": "(1, (2, [3, None]))",
        "{'a': {(1, 2): {3.5}}, None: b'\\x00\\xff'}": "{'a': {(1, 2): {3.5}}, None: b'\\x00\\xff'}",
        "{2, 1}": "{1, 2}",
        "frozenset()": "set()",
        "'é\\u2028😀\\0'": "'é\\u2028😀\\0'",
        "2j - 1": "approx::-1",
        "0.1 + 0.2": "approx::0.3",
        "[3, 1, 2, 1]": "unordered::(1, 1, 2, 3)",
        "int('x')": "!ValueError",
        "{}['x']": "!LookupError",
    }
    cases = [(f"echo({call})", expected) for call, expected in values.items()]
    cases[10] = ("echo(2j - 1) + 1 - 2j", "approx::0")

    response = await executor.grade(CASES, suite(*cases))

    assert [(test.call, test.actual) for test in response.tests if not test.passed] == []
    wrong = await executor.grade(CASES.replace("return x", "return [x]"), suite(*cases))
    assert [test.call for test in wrong.tests if test.passed] == ["echo(int('x'))", "echo({}['x'])"]
    assert wrong.outcome == core.OUTCOME_TESTS_FAILED


async def test_visible_cases_run_first_and_only_their_output_comes_back(executor: Executor) -> None:
    cases = [(f"echo('secret-{n}')", f"'secret-{n}'") for n in range(2)] + [("echo('shown')", "'shown'")]

    response = await executor.grade("print('loading')\n" + CASES, suite(*cases, hidden=2))

    assert response.outcome == core.OUTCOME_PASSED
    assert [test.hidden for test in response.tests] == [False, True, True]
    assert response.output == "loading\ngot shown\n"
    assert "secret" not in response.output


@on_process
async def test_no_trick_prints_hidden_inputs(executor: Executor) -> None:
    code = (
        "import atexit, os, sys, threading, time\n"
        "kept = []\n"
        "atexit.register(lambda: os.write(1, str(kept).encode()))\n"
        "def leak():\n"
        "    while True:\n"
        "        os.write(2, ('%s' % kept).encode())\n"
        "        time.sleep(0.01)\n"
        "threading.Thread(target=leak, daemon=True).start()\n"
        "def echo(x):\n"
        "    kept.append(x)\n"
        "    sys.stderr.write(str(x))\n"
        "    if x == 'secret-1': os._exit(0)\n"
        "    return x\n"
    )
    cases = [(f"echo('secret-{n}')", f"'secret-{n}'") for n in range(3)] + [("echo('shown')", "'shown'")]

    response = await executor.grade(code, suite(*cases, hidden=3))

    assert [outcome_name(test.outcome) for test in response.tests] == ["PASSED", "PASSED", "CRASHED", "PASSED"]
    assert "secret" not in response.output
    assert "secret" not in response.load_error


async def test_a_case_after_a_crash_gets_a_fresh_child(executor: Executor) -> None:
    cases = [("echo(1)", "1"), ("len(calls)", "1"), ("die()", "None"), ("len(calls)", "1"), ("echo(2)", "2")]
    made = suite(*cases)
    made.reference_code = (
        CASES.replace("__import__('os')._exit(0)", "calls[1:] = []")
        .replace("calls = []", "calls = [0]")
        .replace("calls.append(x)", "calls[:] = [x]")
    )

    response = await executor.grade(CASES, made)

    assert [outcome_name(test.outcome) for test in response.tests] == [
        "PASSED",
        "PASSED",
        "CRASHED",
        "TESTS_FAILED",
        "PASSED",
    ]
    assert response.tests[3].actual == "0"
    assert response.outcome == core.OUTCOME_CRASHED
    assert response.violations.early_exit


@on_process
async def test_many_cases_are_each_answered_whatever_becomes_of_one(executor: Executor) -> None:
    cases = [(f"echo({number})", str(number)) for number in range(200)]
    cases[70] = ("die()", "None")
    made = suite(*cases, hidden=190)
    made.reference_code = CASES.replace("__import__('os')._exit(0)", "return None")

    response = await executor.grade(CASES, made)

    failed = [test for test in response.tests if not test.passed]
    assert [(test.name, outcome_name(test.outcome)) for test in failed] == [("70", "CRASHED")]
    spent = sum(test.cpu_time.ToNanoseconds() for test in response.tests)
    assert 0 < spent < response.usage.cpu_time.ToNanoseconds()


@on_process
async def test_too_much_output_is_that_of_all_cases_that_were_handed_out_with_it(executor: Executor) -> None:
    code = CASES + "def flood(): print('x' * 3000)\n"
    cases = [("echo(1)", "1"), ("echo(2)", "2"), ("flood()", "None"), ("echo(3)", "3")]
    made = suite(*cases, hidden=4, output_bytes=2000)
    made.cases.insert(0, wire.Case(name="seen", call="echo(0)", expected_literal="0"))
    made.reference_code = CASES + "def flood(): pass\n"

    response = await executor.grade(code, made)

    assert [outcome_name(test.outcome) for test in response.tests] == ["PASSED"] + ["OUTPUT_LIMIT_EXCEEDED"] * 4
    assert response.violations.output_flood


@on_process
async def test_setup_runs_before_the_call(executor: Executor) -> None:
    made = suite(("echo(total)", "6"))
    made.cases[0].setup = "values = [1, 2, 3]\ntotal = sum(values)"

    assert (await executor.grade(CASES, made)).outcome == core.OUTCOME_PASSED


async def test_time_is_the_kernels(executor: Executor) -> None:
    code = (
        "import threading, time\n"
        "def work(kind):\n"
        "    if kind == 'sleep': time.sleep(0.3)\n"
        "    if kind == 'compute': spin(0.3)\n"
        "    if kind == 'lie':\n"
        "        spin(0.3)\n"
        "        time.process_time = time.perf_counter = lambda: 0.0\n"
        "    if kind == 'thread':\n"
        "        thread = threading.Thread(target=spin, args=(0.3,))\n"
        "        thread.start()\n"
        "        thread.join()\n"
        "    return kind\n"
        "def spin(seconds, clock=time.thread_time):\n"
        "    start = clock()\n"
        "    while clock() - start < seconds: pass\n"
    )
    made = suite(*((f"work({kind!r})", repr(kind)) for kind in ("sleep", "compute", "thread", "lie")))
    made.reference_code = "def work(kind): return kind"

    response = await executor.grade(code, made)

    assert response.outcome == core.OUTCOME_PASSED
    slept, *computed = (test.cpu_time.ToNanoseconds() / 1e9 for test in response.tests)
    assert slept < 0.15
    assert all(0.29 < seconds < 0.9 for seconds in computed), computed
    assert response.usage.cpu_time.ToNanoseconds() / 1e9 > 0.85
    assert response.usage.wall_time.ToNanoseconds() / 1e9 > 1.15


async def test_memory_is_the_kernels(executor: Executor) -> None:
    code = "def hold(mib): return len(b'x' * (mib << 20)) >> 20\n"
    made = suite(("hold(1)", "1"), ("hold(100)", "100"))
    made.reference_code = "def hold(mib): return mib"

    response = await executor.grade(code, made)

    small, large = (test.peak_memory_bytes >> 20 for test in response.tests)
    assert small < 60
    assert 100 <= large < 200
    assert response.usage.peak_memory_bytes >> 20 == large


async def test_a_task_may_allow_more_memory_than_usual(executor: Executor) -> None:
    code = "def hold(mib): return len(b'x' * (mib << 20)) >> 20\n"
    made = suite(("hold(500)", "500"), memory_bytes=700 << 20)
    made.reference_code = "def hold(mib): return mib"

    response = await executor.grade(code, made)

    assert response.outcome == core.OUTCOME_PASSED
    assert 500 <= response.tests[0].peak_memory_bytes >> 20 < 600


@pytest.mark.parametrize(
    ("code", "limits", "outcome"),
    [
        ("def double(x):\n    while True: pass", {"cpu_seconds": 0.2}, "TIMED_OUT"),
        ("import time\ndef double(x): time.sleep(60)", {"wall_seconds": 0.3}, "TIMED_OUT"),
        ("def double(x): return len(bytearray(90 << 20))", {"memory_bytes": 80 << 20}, "OUT_OF_MEMORY"),
        ("def double(x): print('x' * 3000)", {"output_bytes": 2000}, "OUTPUT_LIMIT_EXCEEDED"),
        ("def double(x): return 'x' * (2 << 20)", {}, "OUTPUT_LIMIT_EXCEEDED"),
    ],
    ids=["cpu", "wall", "memory", "output", "value"],
)
async def test_a_limit_holds(executor: Executor, code: str, limits: dict[str, float], outcome: str) -> None:
    response = await executor.grade(code, double_suite(**limits))

    assert {outcome_name(test.outcome) for test in response.tests} == {outcome}
    assert outcome_name(response.outcome) == outcome
    assert response.violations.output_flood == ("print" in code)
    if "cpu_seconds" in limits:
        assert 0.2 <= response.tests[0].cpu_time.ToNanoseconds() / 1e9 < 0.5


async def test_files_and_threads_are_bounded(executor: Executor) -> None:
    code = (
        "import threading, time\n"
        "def size():\n"
        "    try:\n"
        "        with open('/tmp/large', 'wb') as file:\n"
        "            while True: file.write(bytes(1 << 20))\n"
        "    except OSError: pass\n"
        "    import os\n"
        "    return 8 << 20 < os.path.getsize('/tmp/large') <= 16 << 20\n"
        "def threads():\n"
        "    gate, count = threading.Event(), 0\n"
        "    try:\n"
        "        while count < 1000:\n"
        "            threading.Thread(target=gate.wait, daemon=True).start()\n"
        "            count += 1\n"
        "    except (RuntimeError, MemoryError): pass\n"
        "    gate.set()\n"
        "    return 8 <= count < 100\n"
        "def files():\n"
        "    kept = []\n"
        "    try:\n"
        "        while True: kept.append(open('/dev/null'))\n"
        "    except OSError: return 16 <= len(kept) < 300\n"
    )
    made = suite(("size()", "True"), ("threads()", "True"), ("files()", "True"), cpu_seconds=2.0)
    made.reference_code = "def size(): return True\nthreads = files = size\n"

    response = await executor.grade(code, made)

    assert [test.actual for test in response.tests] == ["True"] * 3


@on_process
@pytest.mark.parametrize(
    ("code", "outcome", "words"),
    [
        ("def double(x) return 2 * x", "COMPILE_ERROR", "SyntaxError"),
        ("x = 1\nimport nothing_of_this_name", "COMPILE_ERROR", "line 2"),
        ("raise RuntimeError('no')", "COMPILE_ERROR", "RuntimeError: no"),
        ("import ctypes\nctypes.string_at(0)", "CRASHED", ""),
        ("def other(x): return x", "TESTS_FAILED", ""),
    ],
)
async def test_a_program_that_is_no_use(executor: Executor, code: str, outcome: str, words: str) -> None:
    response = await executor.grade(code)

    assert outcome_name(response.outcome) == outcome
    assert response.loaded == (outcome == "TESTS_FAILED")
    assert words in response.load_error
    assert len(response.tests) == 3
    assert not any(test.passed for test in response.tests)


def without_marks(text: str) -> list[str]:
    """Returns the lines of a traceback but for those that underline a part of a frame's line."""
    lines = text.splitlines()
    return [line for line in lines if line.strip(" ~^") or "SyntaxError" in text]


FORGE = """
import os, struct
def send(kind, number, payload=b''):
    frame = struct.pack('>cI', kind, number) + payload
    for descriptor in range(3, 64):
        try: os.write(descriptor, struct.pack('>I', len(frame)) + frame)
        except OSError: pass
"""
COLLIDING = 'COLLIDING = [b\'{"int":"%x"}\' % (n * (2**61 - 1)) for n in range(99_999)]  # one hash for all\n'


@on_process
@pytest.mark.parametrize(
    "forgery",
    [
        "send(b'V', 0, b'4')",
        "send(b'X', 0, b'{}')",
        "send(b'U', 0)",
        "send(b'E', 0)",
        "send(b'L', 0); send(b'V', 0, b'4')",
        "send(b'M', 0, b'\\xff' * 8); send(b'L', 0)",
        "send(b'?', 7)",
        "def double(x): send(b'V', 0, b'{\"complex\":[]}')",
        "def double(x): send(b'X', 0, b'\\xff' * 100)",
        "def double(x): send(b'E', 2 ** 32 - 1)",
        COLLIDING + "def double(x): send(b'V', 0, b'{\"set\":[%s]}' % b','.join(COLLIDING))",
        "def double(x): send(b'M', 0, b'\\xff' * 8); return 4",
    ],
)
async def test_a_forged_frame_is_the_submissions_failure(executor: Executor, forgery: str) -> None:
    response = await executor.grade(FORGE + forgery)

    assert outcome_name(response.outcome) in {"CRASHED", "TESTS_FAILED"}
    assert not response.HasField("efficiency")


class TestScripts:
    """RunCode."""

    @pytest.mark.parametrize(
        ("code", "outcome", "status", "stdout", "stderr"),
        [
            ("print('héllo 😀', input(), end='')", "PASSED", 0, "héllo 😀 text", ""),
            ("import sys; sys.exit(3)", "CRASHED", 3, "", ""),
            ("exit()", "PASSED", 0, "", ""),
            ("print(1); raise SystemExit('bye')", "CRASHED", 1, "1\n", "bye\n"),
            ("print(", "CRASHED", 1, "", "SyntaxError: '(' was never closed\n"),
            ("def f(): 1 / 0\nprint('a')\nf()", "CRASHED", 1, "a\n", "ZeroDivisionError: division by zero\n"),
            ("import os; os.abort()", "CRASHED", None, "", ""),
            ("while True: pass", "TIMED_OUT", None, "", ""),
            ("print('x' * (2 << 20))", "OUTPUT_LIMIT_EXCEEDED", None, "x" * 65536, ""),
            ("x = bytearray(1 << 40)", "CRASHED", 1, "", "MemoryError\n"),
            ("import sys; print(__name__, sys.argv); sys.stdout.close()", "PASSED", 0, "__main__ ['fix.py']\n", ""),
        ],
        ids=[
            "print",
            "exit 3",
            "exit()",
            "exit text",
            "syntax",
            "traceback",
            "abort",
            "endless",
            "flood",
            "memory",
            "name",
        ],
    )
    async def test_a_script(
        self, executor: Executor, code: str, outcome: str, status: int | None, stdout: str, stderr: str
    ) -> None:
        limits = wire.Limits()
        limits.cpu_time.FromMilliseconds(300)
        request = wire.ExecutorServiceRunCodeRequest(code=code, stdin="text\nmore", limits=limits)

        response = await executor.stub.RunCode(request, timeout=60)

        assert outcome_name(response.outcome) == outcome, response.stderr
        assert (response.exit_code if response.HasField("exit_code") else None) == status
        assert response.stdout == stdout
        assert response.stderr.endswith(stderr)
        if "ZeroDivision" in stderr:
            assert response.stderr.startswith("Traceback (most recent call last):\n")
            assert 'File "fix.py", line 1, in f' in response.stderr
            assert "harness" not in response.stderr

    @on_process
    @pytest.mark.parametrize(
        "code",
        [
            "def f(x):\n    return 1 / x\n\ndef g():\n    f(0)\n\ng()\n",
            "class Odd(Exception): pass\nraise Odd\n",
            "error = ValueError('a\\nb')\nerror.add_note('look here')\nraise error\n",
            "class Bad(Exception):\n    def __str__(self): return 1 / 0\nraise Bad('text')\n",
            "import decimal\nraise decimal.InvalidOperation(['x'])\n",
            "x = (1,\n\ny = 2\n",
            "x = 'no end\n",
        ],
    )
    async def test_an_exception_reads_as_in_an_interpreter(self, executor: Executor, tmp_path: Path, code: str) -> None:
        (tmp_path / "fix.py").write_text(code)
        bare = await asyncio.create_subprocess_exec(sys.executable, "fix.py", cwd=tmp_path, stderr=subprocess.PIPE)
        _, expected = await bare.communicate()

        response = await executor.run(code)

        assert without_marks(response.stderr) == without_marks(expected.decode().replace(f"{tmp_path}/", ""))

    @on_process
    @pytest.mark.parametrize("forgery", ["send(b'E', 2 ** 32 - 1)", "send(b'L', 0)", "send(b'V', 0, b'4')"])
    async def test_a_forged_end(self, executor: Executor, forgery: str) -> None:
        response = await executor.run(FORGE + forgery)

        assert response.outcome == core.OUTCOME_CRASHED


@on_process
async def test_growing_inputs_tell_growths_apart(executor: Executor) -> None:
    made = double_suite()
    made.reference_code = "def total(xs): return sum(xs)\n" + DOUBLE
    made.growth.setup = "xs = [(i * seed) % 101 for i in range(n)]"
    made.growth.call = "total(xs)"
    made.growth.sizes.extend([500, 1000, 2000, 4000, 8000, 16000])
    quadratic = (
        DOUBLE + "def total(xs):\n    return sum(x for i, x in enumerate(xs) for j in range(len(xs)) if i == j)\n"
    )
    wrong = DOUBLE + "def total(xs): return sum(xs) if len(xs) < 3000 else 0\n"

    good = await executor.grade(made.reference_code, made)
    slow = await executor.grade(quadratic, made)
    bad = await executor.grade(wrong, made)

    assert (good.efficiency.score, good.outcome) == (1.0, core.OUTCOME_PASSED)
    assert slow.outcome == core.OUTCOME_PASSED
    assert slow.efficiency.score < 0.7
    assert 1.5 < slow.efficiency.growth_exponent < 2.5
    assert bad.outcome == core.OUTCOME_TESTS_FAILED
    assert bad.tests[-1].name == "growing inputs"
    assert "size 4000" in bad.tests[-1].actual
    assert not bad.HasField("efficiency")


@on_process
async def test_what_noise_could_decide_is_measured_again(executor: Executor) -> None:
    """One of the programs costs about sixteen times the reference, where the step is; which one, the machine says."""
    made = double_suite()
    made.reference_code = "def total(xs): return [sum(xs) for _ in range(20)][0]\n" + DOUBLE
    made.growth.setup = "xs = list(range(seed % 7, seed % 7 + n))"  # far cheaper than the call
    made.growth.call = "total(xs)"
    made.growth.sizes.extend([10_000, 20_000, 40_000])
    near = [f"{DOUBLE}def total(xs): return [sum(xs) for _ in range({times})][0]\n" for times in (280, 320, 360)]

    await executor.grade(made.reference_code, made)
    calm, *nearby = [await sandboxes_for(executor, code, made) for code in (made.reference_code, *near)]

    assert calm == 1
    assert set(nearby) <= {1, 3, 5}, "program, reference and program again; once or twice"
    assert max(nearby) > 1


async def sandboxes_for(executor: Executor, code: str, made: wire.Suite) -> float:
    def started() -> float:
        name = "codearena_sandbox_start_duration_seconds_count"
        return sum(executor.gauge(name, backend="process", path=path) or 0 for path in ("warm", "cold"))

    before = started()
    response = await executor.grade(code, made)
    assert response.outcome == core.OUTCOME_PASSED
    return started() - before
