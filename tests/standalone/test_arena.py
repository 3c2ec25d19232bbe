"""A whole arena in one process."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from codearena import ArenaClient, Outcome, TLSConfig, UnauthenticatedError, UnavailableError
from services.standalone.arena import arena as running_arena
from tests.common.certificates import make_certificate
from tests.conftest import PLAIN_SETTINGS

ROOT = Path(__file__).parents[2]
SOLUTION = "def average_list(numbers):\n    return sum(numbers) / len(numbers) if numbers else 0.0\n"


def grade(address, **options):
    with ArenaClient(address, max_attempts=1, **options) as client:
        return client.grade("easy-1", SOLUTION).outcome


async def test_two_arenas_side_by_side(arena, arena_data):
    settings = PLAIN_SETTINGS | {"sandbox_backend": "process"}
    async with running_arena(port=0, private=True, data_dir=arena_data, **settings) as second:
        assert second.address != arena.address
        assert second.sandbox.name == "process"
        assert "CODEARENA_SANDBOX_BACKEND says so" in second.sandbox.reason
        assert await asyncio.to_thread(grade, second.address) is Outcome.PASSED
    assert await asyncio.to_thread(grade, arena.address) is Outcome.PASSED


async def test_tls_and_token_guard_the_arena_and_its_parts_still_meet(arena_data, tmp_path, monkeypatch):
    own = make_certificate(tmp_path, "arena")
    monkeypatch.setenv("CODEARENA_TOKEN", "opensesame")
    settings = {name: value for name, value in PLAIN_SETTINGS.items() if name != "token"}
    settings |= {"tls_certificate_file": own.certificate, "tls_key_file": own.key, "sandbox_backend": "process"}
    async with running_arena(port=0, private=True, data_dir=arena_data, **settings) as guarded:
        tls = TLSConfig(own.certificate)
        assert await asyncio.to_thread(grade, guarded.address, tls=tls, token="opensesame") is Outcome.PASSED
        with pytest.raises(UnauthenticatedError):
            await asyncio.to_thread(grade, guarded.address, tls=tls)
        with pytest.raises(UnavailableError):
            await asyncio.to_thread(grade, guarded.address, token="opensesame")


def answers_at_another_address(target):
    """Whether a port is open at an address of loopback that only a listener on every address has."""
    with socket.socket() as probe:
        probe.settimeout(5)
        return probe.connect_ex(("127.0.0.2", int(target.rpartition(":")[2]))) == 0


async def test_only_the_env_service_listens_beyond_loopback(arena_data):
    settings = PLAIN_SETTINGS | {"host": "0.0.0.0", "sandbox_backend": "process"}
    async with running_arena(port=0, private=True, data_dir=arena_data, **settings) as open_arena:
        assert answers_at_another_address(open_arena.address)
        assert not answers_at_another_address(open_arena.executor_address)
        assert not answers_at_another_address(open_arena.judge_address)


@pytest.fixture
def own_process(tmp_path, arena_data):
    """Starts `python -m services.standalone` on free ports; returns the process and what it announces."""
    processes = []

    def start(*further):
        ready = tmp_path / "ready.json"
        env = {name: value for name, value in os.environ.items() if not name.startswith("CODEARENA_")}
        env |= {"CODEARENA_SANDBOX_BACKEND": "process", "CODEARENA_DATA_DIR": str(arena_data)}
        process = subprocess.Popen(
            [sys.executable, "-m", "services.standalone", "--port", "0", "--ready-file", str(ready), *further],
            cwd=ROOT,
            env=env,
            stderr=subprocess.PIPE,
            text=True,
        )
        processes.append(process)
        return process, ready

    yield start
    for process in processes:
        process.kill()
        process.communicate()


async def announced(process, ready):
    async with asyncio.timeout(60):
        while not ready.exists():
            assert process.poll() is None, process.stderr.read()
            await asyncio.sleep(0.05)
    return json.loads(ready.read_text())


@pytest.fixture
def sleeper():
    """A process that does nothing until it is killed."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        yield process
        process.kill()


async def test_it_ends_with_the_process_it_was_started_for(own_process, sleeper):
    process, ready = own_process("--parent", str(sleeper.pid))
    await announced(process, ready)
    sleeper.kill()
    assert await asyncio.to_thread(process.wait, 30) == 0


async def test_the_process_announces_itself_and_ends_at_ctrl_c(own_process):
    process, ready = own_process()
    document = await announced(process, ready)
    assert (document["pid"], document["sandbox"]) == (process.pid, "process")
    assert await asyncio.to_thread(grade, document["address"]) is Outcome.PASSED
    process.send_signal(signal.SIGINT)
    _, log = await asyncio.to_thread(process.communicate, timeout=30)
    assert process.returncode == 0
    assert f"arena at {document['address']}, sandbox: process (CODEARENA_SANDBOX_BACKEND says so" in log
    assert "Traceback" not in log
    with pytest.raises(UnavailableError):
        await asyncio.to_thread(grade, document["address"])
