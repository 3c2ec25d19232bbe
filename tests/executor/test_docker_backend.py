"""The docker backend on a real engine, with a stand-in harness that runs whatever a test sends as process 1."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import subprocess
import sys
import time
from pathlib import Path

import docker
import pytest

from codearena.v1 import core_pb2
from services.executor.docker_backend import DockerBackend
from services.executor.docker_engine import DockerEngine
from services.executor.docker_options import DockerOptions
from services.executor.protocol import frame
from services.executor.sandbox import HarnessDied, SandboxLost
from tests.executor.engine_proxy import EngineProxy

pytestmark = pytest.mark.docker
REPOSITORY = Path(__file__).parents[2]
MIB = 1024 * 1024
SLEEP = "import time; time.sleep(60)"


@pytest.fixture(scope="module")
def options(tmp_path_factory, probe_harness):
    data_dir = tmp_path_factory.mktemp("data")

    def make(**changes):
        changes = {
            "harness_dir": probe_harness,
            "memory_bytes": 32 * MIB,
            "memory_margin_bytes": 32 * MIB,
            "sweep_seconds": 3600,
        } | changes
        return DockerOptions(data_dir=data_dir, image_source="host", **changes)

    return make


@pytest.fixture(scope="module")
async def backends(docker_engine):
    """Makes started backends, and checks in the end that they left no container."""
    made = []

    async def start(options):
        backend = DockerBackend(options)
        made.append(backend)
        await backend.start()
        return backend

    yield start
    for backend in made:
        await backend.stop()
    assert [names(docker_engine, backend.instance) for backend in made] == [[] for _ in made]
    for tag in {backend.image.tag for backend in made if backend.image}:
        with contextlib.suppress(docker.errors.APIError):  # another run of the tests uses it
            docker_engine.remove_image(tag)


@pytest.fixture(scope="module")
async def backend(backends, options):
    return await backends(options())


@pytest.fixture
async def sandbox(backend):
    sandbox = await backend.create()
    yield sandbox
    await sandbox.destroy()


@pytest.fixture
async def proxy(docker_engine, tmp_path):
    engine = DockerEngine(None, 10)
    proxy = EngineProxy(tmp_path, engine.address)
    engine.close()
    await proxy.up()
    yield proxy
    await proxy.down()


def names(client, instance):
    """The containers of a backend."""
    found = client.containers(all=True, filters={"label": [f"codearena.executor={instance}"]})
    return [container["Names"][0].lstrip("/") for container in found]


async def ask(sandbox, code):
    return (await sandbox.run(frame(code.encode()))).decode()


async def eventually(condition, seconds=30):
    """Waits until the condition holds; fails where it does not within the time, which is only a bound."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{condition} does not come true"
        await asyncio.sleep(0.05)


async def test_it_says_what_it_is(docker_engine, options):
    backend = DockerBackend(options())
    info = await backend.start()
    await backend.ping()
    await backend.stop()
    assert info.kind == core_pb2.SANDBOX_BACKEND_DOCKER
    assert info.isolated
    assert "no network" in info.isolation
    assert "64 MiB" in info.isolation


async def test_a_sandbox_answers_frame_by_frame(sandbox):
    assert await ask(sandbox, "reply = 6 * 7") == "42"
    assert await ask(sandbox, "reply = 'x' * 3_000_000") == "x" * 3_000_000
    assert await ask(sandbox, "import os; os.write(2, b'noise ' * 50_000); reply = 'heard'") == "heard"


async def test_destroying_removes_the_container_and_may_be_repeated(docker_engine, backend):
    sandbox = await backend.create()
    assert sandbox.name in names(docker_engine, backend.instance)
    await asyncio.gather(sandbox.destroy(), sandbox.destroy())
    assert sandbox.name not in names(docker_engine, backend.instance)
    await sandbox.destroy()


async def test_a_container_is_confined(docker_engine, sandbox):
    host = docker_engine.inspect_container(sandbox.name)["HostConfig"]
    assert host["NetworkMode"] == "none"
    assert host["CapDrop"] == ["ALL"]
    assert host["ReadonlyRootfs"]
    assert host["Memory"] == host["MemorySwap"] == 64 * MIB
    assert host["PidsLimit"] == 64
    assert host["NanoCpus"] == 1_000_000_000
    assert host["LogConfig"]["Type"] == "none"
    assert not host["Privileged"]
    assert not host["Binds"]
    status = await ask(sandbox, "reply = open('/proc/self/status').read()")
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert fields["Uid"].split() == ["65534"] * 4
    assert fields["CapBnd"] == fields["CapEff"] == "0" * 16
    assert fields["NoNewPrivs"] == "1"
    assert fields["Pid"] == "1"


@pytest.mark.parametrize(
    ("attempt", "refusal"),
    [
        ("open('/escape', 'w')", "Read-only file system"),
        ("open('/codearena/harness/__main__.py', 'a')", "Permission denied"),
        ("open('/tmp/large', 'wb').write(b'x' * (17 << 20))", "File too large"),
        ("import os; os.mkfifo('/tmp/fifo'); os.mknod('/tmp/disk', 0o60600, os.makedev(8, 0))", "not permitted"),
        ("import os; os.setuid(0)", "not permitted"),
        ("import os; os.chroot('/tmp')", "not permitted"),
        ("import os; os.listdir('/proc/1/root/var')", "No such file"),
    ],
)
async def test_what_it_may_not_do(sandbox, attempt, refusal):
    assert refusal in await ask(sandbox, attempt)


@pytest.mark.parametrize(
    ("name", "number", "arguments"),
    [
        ("process_vm_readv", 310, "1, 0, 0, 0, 0, 0"),
        ("setns", 308, "0, 0"),
        ("clone with a new user namespace", 56, "0x10000011, 0, 0, 0, 0"),
        ("keyctl", 250, "0, 0"),
        ("add_key", 248, "0, 0, 0, 0, 0"),
        ("request_key", 249, "0, 0, 0, 0"),
        ("bpf", 321, "0, 0, 0"),
        ("userfaultfd", 323, "0"),
        ("perf_event_open", 298, "0, 0, 0, 0, 0"),
        ("io_uring_setup", 425, "1, 0"),
        ("kexec_load", 246, "0, 0, 0, 0"),
        ("init_module", 175, "0, 0, 0"),
        ("reboot", 169, "0, 0, 0"),
        ("shmget", 29, "0, 4096, 896"),
    ],
)
async def test_system_calls_that_are_refused(sandbox, name, number, arguments):
    code = (
        "import ctypes, os\n"
        "assert os.uname().machine == 'x86_64', 'numbers of another machine'\n"
        "libc = ctypes.CDLL(None, use_errno=True)\n"
        f"result = libc.syscall({number}, {arguments})\n"
        "reply = (result, os.strerror(ctypes.get_errno()))"
    )
    answer = await ask(sandbox, code)
    if "numbers of another machine" in answer:
        pytest.skip("the numbers are those of x86_64")
    assert answer == "(-1, 'Operation not permitted')", name


async def test_what_the_harness_needs_is_allowed(sandbox):
    code = """
import array, ctypes, os, resource, select, socket, time
libc = ctypes.CDLL(None, use_errno=True)
a, b = socket.socketpair()
socket.send_fds(a, [b'x'], [0])
assert socket.recv_fds(b, 1, 1)[1]
child = os.fork()
if not child:
    resource.setrlimit(resource.RLIMIT_CPU, (5, 5))
    assert libc.prctl(4, 0, 0, 0, 0) == 0 and libc.prctl(38, 1, 0, 0, 0) == 0
    action = ctypes.c_uint32(0x7fc00000)
    number = {'x86_64': 317, 'aarch64': 277}[os.uname().machine]
    assert libc.syscall(number, 2, 0, ctypes.byref(action)) == 0  # SECCOMP_GET_ACTION_AVAIL of USER_NOTIF
    os._exit(7)
_, status, usage = os.wait4(child, 0)
clock = time.clock_gettime_ns((~os.getpid() << 3) | 2)
open('/tmp/file', 'w').write('it may write here')
reply = os.waitstatus_to_exitcode(status), usage.ru_maxrss > 0, clock > 0
"""
    assert await ask(sandbox, code) == "(7, True, True)"


async def test_environment_is_the_protocols_own(sandbox):
    known = {"PATH", "HOSTNAME", "HOME", "PYTHONHASHSEED", "MALLOC_ARENA_MAX", "LANG"}
    assert set((await ask(sandbox, "import os; reply = ' '.join(os.environ)")).split()) <= known


async def test_memory_ends_the_harness(sandbox):
    with pytest.raises(HarnessDied, match="out of memory") as caught:
        await ask(sandbox, "x = bytearray(200 << 20)")
    assert caught.value.out_of_memory


async def test_memory_of_a_child_is_the_childs_end(sandbox):
    code = """
import os
child = os.fork()
if not child:
    x = bytearray(200 << 20)
    os._exit(0)
reply = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
"""
    assert await ask(sandbox, code) == "-9"


async def test_a_fork_bomb_hits_the_limit_and_harms_nobody(backend, sandbox):
    code = """
import os, signal
children = []
try:
    while len(children) < 1000:
        child = os.fork()
        if not child:
            signal.pause()
        children.append(child)
except BlockingIOError:
    reply = f'stopped at {len(children)}'
"""
    assert await ask(sandbox, code) == "stopped at 63"
    other = await backend.create()
    assert await ask(other, "reply = 1") == "1"
    await other.destroy()


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("import os; os.write(2, b'last words'); os._exit(3)", "exit code 3 and no answer; it said: last words"),
        ("import ctypes; ctypes.string_at(0)", "exit code 139"),
        ("import os; os.write(1, b'\\xff\\xff\\xff\\xff')", "nonsense"),
    ],
)
async def test_a_harness_that_ends_or_babbles_is_the_submissions_failure(sandbox, code, words):
    with pytest.raises(HarnessDied, match=words) as caught:
        await ask(sandbox, code)
    assert not caught.value.out_of_memory


async def test_a_harness_that_ends_as_when_nobody_listens_is_lost(sandbox):
    with pytest.raises(SandboxLost, match="the connection to the sandbox was lost"):
        await ask(sandbox, "import os; os._exit(0)")


@pytest.mark.parametrize("how", ["kill", "remove_container"])
async def test_a_sandbox_ended_from_outside_is_lost(docker_engine, sandbox, how):
    running = asyncio.create_task(ask(sandbox, SLEEP))
    await asyncio.sleep(0.3)
    force = {"force": True} if how == "remove_container" else {}
    await asyncio.to_thread(getattr(docker_engine, how), sandbox.name, **force)
    with pytest.raises(SandboxLost, match=r"killed the sandbox|No such container"):
        await running


async def test_one_that_ended_before_its_job_is_lost(docker_engine, sandbox):
    await asyncio.to_thread(docker_engine.kill, sandbox.name)
    await asyncio.to_thread(docker_engine.wait, sandbox.name, timeout=20)
    with pytest.raises(SandboxLost, match="before it got its job"):
        await ask(sandbox, "reply = 1")


async def test_a_cancelled_run_can_be_destroyed(docker_engine, backend):
    sandbox = await backend.create()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(ask(sandbox, SLEEP), 0.3)
    await sandbox.destroy()
    assert sandbox.name not in names(docker_engine, backend.instance)


async def test_destroying_survives_cancellation(docker_engine, backend):
    sandbox = await backend.create()
    destroying = asyncio.create_task(sandbox.destroy())
    await asyncio.sleep(0)
    destroying.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await destroying
    await eventually(lambda: sandbox.name not in names(docker_engine, backend.instance))


@pytest.mark.parametrize("steps", [0, 1, 2, 5, 20, 60, 120])
async def test_a_cancelled_creation_leaves_nothing(docker_engine, backends, options, steps):
    backend = await backends(options())
    creating = asyncio.create_task(backend.create())
    for _ in range(steps):
        await asyncio.sleep(0.002)
    creating.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await (await creating).destroy()
    await backend.stop()
    assert names(docker_engine, backend.instance) == []


async def test_stopping_removes_what_is_still_in_use(docker_engine, backends, options):
    backend = await backends(options())
    sandboxes = await asyncio.gather(*(backend.create() for _ in range(3)))
    running = asyncio.create_task(ask(sandboxes[0], SLEEP))
    await asyncio.sleep(0.1)
    await asyncio.gather(backend.stop(), backend.stop())
    assert names(docker_engine, backend.instance) == []
    with pytest.raises(SandboxLost):
        await running
    await sandboxes[1].destroy()
    with pytest.raises(SandboxLost, match="not running"):
        await backend.create()


async def test_a_harness_that_does_not_boot_says_why(docker_engine, backends, options, tmp_path):
    (tmp_path / "__main__.py").write_text("raise SystemExit('no such luck')")
    backend = await backends(options(harness_dir=tmp_path))
    with pytest.raises(SandboxLost, match="did not boot: exited with exit code 1; no such luck"):
        await backend.create()
    await eventually(lambda: names(docker_engine, backend.instance) == [])


async def test_a_harness_that_hangs_is_given_up(docker_engine, backends, options, tmp_path):
    (tmp_path / "__main__.py").write_text("import os, time\nos.write(2, b'thinking')\ntime.sleep(60)")
    backend = await backends(options(harness_dir=tmp_path, boot_timeout_seconds=1))
    with pytest.raises(SandboxLost, match="did not boot within 1 s: thinking"):
        await backend.create()
    await eventually(lambda: names(docker_engine, backend.instance) == [])


async def test_another_protocol_is_refused(backends, options, tmp_path):
    (tmp_path / "__main__.py").write_text(f"import os, time\nos.write(1, {frame(b'hello')!r})\ntime.sleep(60)")
    backend = await backends(options(harness_dir=tmp_path))
    with pytest.raises(SandboxLost, match="greets with b'hello'"):
        await backend.create()


async def test_an_unknown_runtime_is_refused_at_the_start(backends, options):
    with pytest.raises(SandboxLost, match=r"no runtime 'nothing', only .*runc"):
        await backends(options(runtime="nothing"))


async def test_an_image_that_was_removed_is_made_again(docker_engine, backends, options, probe_harness, tmp_path):
    shutil.copytree(probe_harness, tmp_path, dirs_exist_ok=True)
    (tmp_path / "unique.py").write_text(f"name = {str(tmp_path)!r}\n")
    backend = await backends(options(harness_dir=tmp_path))
    sandbox = await backend.create()
    image = docker_engine.inspect_container(sandbox.name)["Config"]["Image"]
    await sandbox.destroy()
    docker_engine.remove_image(image, force=True)
    again = await asyncio.gather(backend.create(), backend.create())
    assert [await ask(sandbox, "reply = 1") for sandbox in again] == ["1", "1"]
    await asyncio.gather(*(sandbox.destroy() for sandbox in again))


async def test_without_an_engine_the_message_says_what_to_do(options, tmp_path):
    backend = DockerBackend(options(docker_host=f"unix://{tmp_path}/nothing.sock"))
    with pytest.raises(SandboxLost, match="start the engine"):
        await backend.start()
    with pytest.raises(SandboxLost, match="start the engine"):
        await backend.ping()
    await backend.stop()


async def test_an_engine_that_goes_away_loses_the_sandbox_and_leaks_nothing(docker_engine, backends, options, proxy):
    backend = await backends(options(docker_host=proxy.address))
    running, idle = await asyncio.gather(backend.create(), backend.create())
    answer = asyncio.create_task(ask(running, SLEEP))
    await asyncio.sleep(0.3)
    await proxy.down()
    with pytest.raises(SandboxLost):
        await answer
    with pytest.raises(SandboxLost):
        await ask(idle, "reply = 1")
    with pytest.raises(SandboxLost):
        await backend.create()
    with pytest.raises(SandboxLost):
        await backend.ping()
    await asyncio.gather(running.destroy(), idle.destroy())
    assert backend.removal_failures >= 2
    assert len(names(docker_engine, backend.instance)) == 2
    await proxy.up()
    await eventually(lambda: names(docker_engine, backend.instance) == [], seconds=60)
    sandbox = await backend.create()
    assert await ask(sandbox, "reply = 'back'") == "back"
    await sandbox.destroy()


async def test_a_killed_executor_leaves_nothing_for_long(docker_engine, backend, backends, options, probe_harness):
    mine = await backend.create()
    command = [sys.executable, "-m", "tests.executor.docker_keeper", str(options().data_dir), str(probe_harness)]
    keeper = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE, cwd=REPOSITORY)
    try:
        instance = (await keeper.stdout.readline()).decode().strip()
        assert len(names(docker_engine, instance)) == 2
        third = await backends(options())
        assert len(names(docker_engine, instance)) == 2, "a living executor's sandboxes are left alone"
    finally:
        keeper.kill()
        await keeper.wait()
    # Their stdin is closed with the executor, so the harnesses end, even if nobody comes to sweep.
    labels = {"label": [f"codearena.executor={instance}"]}
    await eventually(lambda: docker_engine.containers(filters=labels) == [])
    fourth = await backends(options())
    assert names(docker_engine, instance) == []
    assert await ask(mine, "reply = 'untouched'") == "untouched"
    await mine.destroy()
    await asyncio.gather(third.stop(), fourth.stop())


async def test_many_at_once(docker_engine, backend):
    async def one(number):
        sandbox = await backend.create()
        try:
            return await ask(sandbox, f"reply = {number}")
        finally:
            await sandbox.destroy()

    assert await asyncio.gather(*map(one, range(12))) == [str(number) for number in range(12)]
    assert names(docker_engine, backend.instance) == []
