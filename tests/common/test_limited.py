"""The pool of limited workers, with functions that misbehave as hostile text makes them."""

import asyncio
import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from services.common.limited import FailureKind, LimitedWorkers, WorkerFailed, WorkerLimits

_FUNCTIONS = """
    import ast, os, resource, sys, time

    def echo(value):
        return value

    def pid():
        return os.getpid()

    def environment():
        return dict(os.environ)

    def parse(source):
        return type(ast.parse(source)).__name__

    def descend(depth):
        return 0 if depth == 0 else 1 + descend(depth - 1)

    def devour():
        return len(bytearray(10 ** 10))

    def hoard():
        kept = []
        while True:
            kept.append("x" * 10 ** 6 + str(len(kept)))

    def leave(status):
        os._exit(status)

    def spin():
        while True:
            pass

    def doze(seconds):
        time.sleep(seconds)
        return seconds

    def chatter():
        print("a line that is no frame")
        os.write(1, b"more of the same")
        sys.stdout.flush()
        return "done"

    def write_file(path):
        with open(path, "w") as file:
            file.write("x")

    def unserialisable():
        return {1, 2}

    def hard_limits():
        kinds = (resource.RLIMIT_AS, resource.RLIMIT_FSIZE, resource.RLIMIT_NPROC)
        return [resource.getrlimit(kind)[1] for kind in kinds]
"""
_NAMES = (
    *("echo", "pid", "environment", "parse", "descend", "devour", "hoard", "leave", "spin", "doze"),
    *("chatter", "write_file", "unserialisable", "hard_limits"),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("functions")
    (path / "hostile.py").write_text(textwrap.dedent(_FUNCTIONS))
    return path


@pytest.fixture(scope="module")
async def workers(folder):
    pool = LimitedWorkers(
        [f"hostile:{name}" for name in _NAMES],
        size=1,
        max_waiting=2,
        limits=WorkerLimits(memory_bytes=256 * 1024 * 1024, message_bytes=8 * 1024 * 1024),
        python_path=[folder],
    )
    await pool.start()
    yield pool
    await pool.stop()


async def _call(workers, name, timeout_seconds=20.0, cpu_seconds=None, **arguments):
    return await workers.call(f"hostile:{name}", arguments, timeout_seconds=timeout_seconds, cpu_seconds=cpu_seconds)


async def _failure(workers, name, **arguments):
    with pytest.raises(WorkerFailed) as caught:
        await _call(workers, name, **arguments)
    return caught.value


async def _end(workers, name, **arguments):
    """Returns the value of a call, or the kind of its failure."""
    try:
        return await _call(workers, name, **arguments)
    except WorkerFailed as failure:
        return failure.kind


async def test_a_value_comes_back(workers):
    value = {"text": "ä\n", "list": [1, 2.5, None, True]}
    assert await _call(workers, "echo", value=value) == value


async def test_a_worker_serves_many_calls(workers):
    assert len({await _call(workers, "pid") for _ in range(5)}) == 1


async def test_a_worker_has_no_secrets(workers, monkeypatch):
    monkeypatch.setenv("CODEARENA_JUDGE_API_KEY", "a-secret")
    environment = await _call(workers, "environment")
    assert "a-secret" not in environment.values()
    assert not any(name.startswith("CODEARENA") for name in environment)


@pytest.mark.parametrize(
    "source",
    ["(" * 10_000 + ")" * 10_000, "-" * 10_000 + "1", "a" + ".b" * 10_000, "x = " + "[" * 150 + "]" * 150],
    ids=["parentheses", "signs", "attributes", "lists"],
)
async def test_nested_source_leaves_the_pool_usable(workers, source):
    end = await _end(workers, "parse", source=source)
    assert end in {"Module", FailureKind.ERROR, FailureKind.MEMORY, FailureKind.CRASH}
    assert await _call(workers, "echo", value=1) == 1


async def test_five_megabytes_of_source(workers):
    source = "a = 1\n" * (5_000_000 // 6)
    assert await _end(workers, "parse", source=source) in {"Module", FailureKind.MEMORY}
    assert await _call(workers, "echo", value=1) == 1


async def test_recursion_is_deep_but_bounded(workers):
    assert await _call(workers, "descend", depth=5_000) == 5_000
    assert (await _failure(workers, "descend", depth=50_000)).exception == "RecursionError"


@pytest.mark.parametrize("name", ["devour", "hoard"])
async def test_memory_is_bounded_and_the_worker_replaced(workers, name):
    before = await _call(workers, "pid")
    assert (await _failure(workers, name)).kind is FailureKind.MEMORY
    assert await _call(workers, "pid") != before


@pytest.mark.parametrize("status", [0, 3])
async def test_a_worker_that_leaves_is_replaced(workers, status):
    before = await _call(workers, "pid")
    assert (await _failure(workers, "leave", status=status)).kind is FailureKind.CRASH
    assert await _call(workers, "pid") != before


async def test_an_endless_loop_ends_by_elapsed_time(workers):
    failure = await _failure(workers, "spin", timeout_seconds=0.3, cpu_seconds=30)
    assert failure.kind is FailureKind.TIMEOUT


async def test_an_endless_loop_ends_by_cpu_time(workers):
    assert (await _failure(workers, "spin", cpu_seconds=1)).kind is FailureKind.CPU


async def test_the_cpu_limit_is_for_each_call(workers):
    for _ in range(2):
        assert (await _failure(workers, "spin", cpu_seconds=1)).kind is FailureKind.CPU
    assert await _call(workers, "echo", value="alive", cpu_seconds=1) == "alive"


async def test_an_exception_keeps_its_type_and_the_worker(workers):
    before = await _call(workers, "pid")
    failure = await _failure(workers, "parse", source="def")
    assert (failure.kind, failure.exception) == (FailureKind.ERROR, "SyntaxError")
    assert await _call(workers, "pid") == before


async def test_prints_do_not_break_the_protocol(workers):
    assert await _call(workers, "chatter") == "done"


async def test_nothing_can_be_written(workers, tmp_path):
    failure = await _failure(workers, "write_file", path=str(tmp_path / "file"))
    assert failure.exception == "OSError"
    memory, file_size, processes = await _call(workers, "hard_limits")
    assert (memory, file_size, processes) == (256 * 1024 * 1024, 0, 0)


async def test_a_result_that_is_no_json_is_an_error(workers):
    assert (await _failure(workers, "unserialisable")).exception == "TypeError"


async def test_arguments_are_checked_before_they_are_sent(workers):
    with pytest.raises(ValueError, match="at most"):
        await _call(workers, "echo", value="x" * 9_000_000)
    with pytest.raises(ValueError, match="no JSON"):
        await _call(workers, "echo", value=object())
    with pytest.raises(ValueError, match="not one of"):
        await workers.call("os:system", {"command": "true"}, timeout_seconds=1)


async def test_the_queue_of_callers_is_bounded(workers):
    calls = [asyncio.create_task(_call(workers, "doze", seconds=0.3)) for _ in range(6)]
    results = await asyncio.gather(*calls, return_exceptions=True)
    refused = [result for result in results if isinstance(result, WorkerFailed)]
    assert {failure.kind for failure in refused} == {FailureKind.BUSY}
    assert results.count(0.3) == 3


async def test_a_cancelled_caller_does_not_keep_its_worker(workers):
    before = await _call(workers, "pid")
    task = asyncio.create_task(_call(workers, "spin"))
    await asyncio.sleep(0.1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await _call(workers, "pid") != before


async def test_a_worker_is_recycled_after_its_calls(folder):
    pool = LimitedWorkers(["hostile:pid"], size=1, limits=WorkerLimits(calls=2), python_path=[folder])
    await pool.start()
    try:
        pids = [await _call(pool, "pid") for _ in range(4)]
    finally:
        await pool.stop()
    assert pids[0] == pids[1] != pids[2] == pids[3]


async def test_stop_ends_every_process_and_refuses_calls(folder):
    pool = LimitedWorkers(["hostile:pid"], size=2, python_path=[folder])
    await pool.start()
    pid = await _call(pool, "pid")
    await pool.stop()
    await pool.stop()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert (await _failure(pool, "pid")).kind is FailureKind.BUSY


_OWNER = """
import asyncio, sys
from pathlib import Path
from services.common.limited import LimitedWorkers

async def main():
    pool = LimitedWorkers(["hostile:pid", "hostile:spin"], size=1, python_path=[Path(sys.argv[1])])
    await pool.start()
    print(await pool.call("hostile:pid", {}, timeout_seconds=20), flush=True)
    await pool.call("hostile:spin", {}, timeout_seconds=60)

asyncio.run(main())
"""


def _is_alive(pid):
    """Returns whether a process runs; one that waits for its burial does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_a_busy_worker_dies_with_its_owner(folder):
    with subprocess.Popen(
        [sys.executable, "-c", _OWNER, str(folder)], stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]
    ) as owner:
        pid = int(owner.stdout.readline())
        time.sleep(0.2)
        assert _is_alive(pid)
        owner.kill()
    deadline = time.monotonic() + 10
    while _is_alive(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not _is_alive(pid)


async def test_a_pool_that_cannot_import_does_not_start(folder):
    pool = LimitedWorkers(["hostile:no_such_function"], size=1, python_path=[folder])
    with pytest.raises(WorkerFailed):
        await pool.start()


def test_a_pool_has_workers():
    with pytest.raises(ValueError, match="size"):
        LimitedWorkers([], size=0)
