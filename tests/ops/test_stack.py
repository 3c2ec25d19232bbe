"""The stack of docker-compose.yml on a real engine: up, an episode, what reaches what, SIGTERM in the middle, down."""

from __future__ import annotations

import json
import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import pytest

from codearena import ArenaClient, UnauthenticatedError
from codearena.openenv import OpenEnvClient
from tests.conftest import require
from tests.ops.manifests import SETTINGS
from tests.ops.stack import PROJECT, running

pytestmark = [pytest.mark.docker, pytest.mark.timeout(900)]
OURS = (*SETTINGS, "socket-proxy")
SOCKET = Path("/var/run/docker.sock")
RIGHT = "def average_list(numbers):\n    return sum(numbers) / len(numbers) if numbers else 0\n"


@pytest.fixture(scope="module")
def stack(docker_engine, tmp_path_factory):
    tag = os.environ.get("CODEARENA_TEST_TAG", "")
    reason = "CODEARENA_TEST_TAG names no images that tools/images.sh has built"
    require("images", bool(tag), reason)
    plugin = subprocess.run(["docker", "compose", "version"], capture_output=True, check=False)
    require("compose", plugin.returncode == 0, "docker has no Compose plugin: tools/compose_plugin.sh")
    require("compose", SOCKET.exists(), f"the engine is not at {SOCKET}")
    with running(tmp_path_factory.mktemp("stack"), tag, SOCKET) as stack:
        yield stack


def left(*arguments: str) -> list[str]:
    """What of the stack an engine still has."""
    command = ["docker", *arguments, "--quiet", "--filter", f"label=com.docker.compose.project={PROJECT}"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()


def test_an_episode_is_played_through_the_gateway(stack):
    with OpenEnvClient(stack.gateway, token=stack.token) as env:
        opened = env.reset(task_id="easy-1", seed=7)
        assert opened.observation.buggy_code
        wrong = env.step("def average_list(numbers):\n    return 0\n")
        assert (wrong.observation.outcome, wrong.done) == ("TESTS_FAILED", False)
        right = env.step(RIGHT)
        assert (right.observation.outcome, right.done) == ("PASSED", True)
        assert right.reward > 0.9
    with ArenaClient(stack.env, token=stack.token) as arena:
        assert arena.get_state(opened.observation.episode_id).done


def test_nobody_gets_in_without_the_token(stack):
    assert httpx2.get(f"{stack.gateway}/tasks", timeout=20).status_code == 401
    with ArenaClient(stack.env) as arena, pytest.raises(UnauthenticatedError):
        arena.grade("easy-1", RIGHT)


@pytest.mark.parametrize("name", OURS)
def test_it_runs_as_nobody_on_what_it_cannot_change(stack, name):
    print_all = (
        "import errno, os\n"
        "print(os.getuid(), os.getgid(), open('/proc/self/status').read().split('CapEff:')[1].split()[0])\n"
        "try: open('/app/new', 'w')\n"
        "except OSError as error: print(errno.errorcode[error.errno])"
    )
    assert stack.python(name, print_all).split() == ["10001", "10001", "0" * 16, "EROFS"]


@pytest.mark.parametrize("name", OURS)
def test_nothing_in_it_compiles_or_installs(stack, name):
    look = (
        "import importlib.util, shutil\n"
        "print([tool for tool in ('cc', 'gcc', 'ld', 'pip', 'pip3', 'uv') if shutil.which(tool)],"
        " [name for name in ('pip', 'setuptools', 'ensurepip') if importlib.util.find_spec(name)])"
    )
    assert stack.python(name, look) == "[] []"


@pytest.mark.parametrize("name", ["executor", "socket-proxy"])
def test_it_has_no_way_out(stack, name):
    connect = "import socket\ntry: socket.create_connection(('1.1.1.1', 53), 3)\nexcept OSError as error: print('none')"
    assert stack.python(name, connect) == "none"


def test_from_the_executor_the_engine_does_nothing_but_sandboxes(stack):
    ask = (
        "import docker\n"
        "engine = docker.APIClient('unix:///run/engine/engine.sock', version='1.41')\n"
        "for call in (lambda: engine.networks(), lambda: engine.prune_images(), lambda: engine.inspect_container("
        f"'{PROJECT}-postgres-1'), lambda: engine.create_container('codearena-sandbox', name='x')):\n"
        "    try: print(call())\n"
        "    except docker.errors.APIError as error: print(error.response.status_code)\n"
        "print({one['Labels']['codearena.role'] for one in engine.containers(all=True)} == {'sandbox'})\n"
    )
    assert stack.compose("exec", "--no-TTY", "executor", "python", "-c", ask).split() == ["403"] * 4 + ["True"]


def test_the_engine_was_told_the_limits(stack):
    for name, container in stack.containers().items():
        host = container["HostConfig"]
        assert host["Memory"] > 0, name
        assert host["NanoCpus"] > 0, name
        assert 0 < host["PidsLimit"] <= 128, name
        assert "docker.sock" not in str(container["Mounts"]) or name == "socket-proxy"


def test_secrets_are_not_in_what_an_engine_tells_of_a_container(stack):
    told = json.dumps(stack.containers())
    assert stack.token
    assert stack.token not in told
    assert "postgresql://" not in told


def test_steps_that_run_at_sigterm_are_graded_and_nothing_is_left(stack):
    """The last test: it takes the stack down."""
    codes = [f"import time\ntime.sleep(1)\nnumber = {number}\n{RIGHT}" for number in range(5)]
    with ThreadPoolExecutor(1) as pool, ArenaClient(stack.env, token=stack.token) as arena:
        graded = iter(arena.grade_group("easy-1", codes))
        outcomes = [next(graded)[1].outcome]
        stopping = pool.submit(stack.compose, "stop", "--timeout", "60", timeout=180)
        outcomes += [grade.outcome for _, grade in graded]
        stopping.result()
    assert outcomes == ["PASSED"] * 5
    ended = {name: one["State"]["ExitCode"] for name, one in stack.containers().items()}
    assert ended == dict.fromkeys(ended, 0)
    stack.compose("down", "--volumes", timeout=120)
    assert [left("ps", "--all"), left("volume", "ls"), left("network", "ls")] == [[], [], []]
    images = subprocess.run(
        ["docker", "ps", "--all", "--filter", "label=codearena.role=sandbox", "--format", "{{.Image}}"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert f"codearena-sandbox:{os.environ['CODEARENA_TEST_TAG']}" not in images
