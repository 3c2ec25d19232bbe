"""The proxy before the engine's socket: sandboxes work through it on a real engine, and nothing else does."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import json
from pathlib import Path

import pytest
from docker import APIClient
from docker.errors import APIError

from services.executor.docker_container import container_config
from services.executor.docker_engine import DockerEngine
from services.executor.docker_options import DockerOptions
from services.executor.docker_owner import this_process
from services.executor.image import ensure_image
from services.executor.labels import NAME_PREFIX
from services.executor.sandbox import SandboxLost
from services.executor.socket_proxy.calls import Calls, Refused
from services.executor.socket_proxy.proxy import SocketProxy
from tests.executor.conftest import DOUBLE, double_suite, our_containers, outcome_name, started, until

IMAGE = "codearena-sandbox:test"
BY_DIGEST = "registry.example:5000/codearena-sandbox@sha256:" + "0" * 64
NAME = NAME_PREFIX + "0" * 32
OPTIONS = DockerOptions(data_dir=Path("unused"))
CREATE = f"/v1.41/containers/create?name={NAME}"


def calls() -> Calls:
    return Calls(IMAGE, OPTIONS)


def body(**changes) -> dict:
    """What an executor sends to make a container, with changes to it; to HostConfig in `host`."""
    client = APIClient(version="1.41")
    made = container_config(client, IMAGE, this_process().labels(), OPTIONS, seccomp=True)
    made = copy.deepcopy(dict(made))
    made["HostConfig"] |= changes.pop("host", {})
    return made | changes


class TestCalls:
    def test_what_an_executor_makes_is_made_anew_from_its_name_and_labels(self):
        asked = body()
        call = calls().allow("POST", CREATE, json.dumps(asked).encode())
        assert (call.method, call.target, call.streams) == ("POST", CREATE, False)
        assert json.loads(call.body) == asked

    @pytest.mark.parametrize(
        ("method", "asked", "passed"),
        [
            ("GET", "/_ping", "/_ping"),
            ("GET", "/v1.41/info", "/v1.41/info"),
            ("GET", f"/v1.45/images/{IMAGE}/json", f"/v1.45/images/{IMAGE}/json"),
            ("POST", f"/v1.41/containers/{NAME}/start?detachKeys=a", f"/v1.41/containers/{NAME}/start"),
            ("POST", f"/containers/{NAME}/wait?condition=removed", f"/containers/{NAME}/wait"),
            ("DELETE", f"/v1.41/containers/{NAME}?link=1", f"/v1.41/containers/{NAME}?v=1&force=1"),
            (
                "GET",
                "/v1.41/containers/json?size=1&filters={}",
                "/v1.41/containers/json?all=1&filters=%7B%22label%22%3A+%5B%22codearena.role%3Dsandbox%22%5D%7D",
            ),
        ],
    )
    def test_nothing_is_passed_on_as_it_came(self, method, asked, passed):
        call = calls().allow(method, asked, b'{"HostConfig": {"Privileged": true}}')
        assert (call.method, call.target, call.body) == (method, passed, b"")

    @pytest.mark.parametrize(
        ("method", "target"),
        [
            ("POST", "/v1.41/build?networkmode=none"),
            ("POST", "/v1.41/images/create?fromSrc=-&repo=codearena-sandbox"),
            ("DELETE", f"/v1.41/images/{IMAGE}"),
            ("GET", "/v1.41/images/other:latest/json"),
            ("POST", f"/v1.41/containers/{NAME}/exec"),
            ("PUT", f"/v1.41/containers/{NAME}/archive?path=/"),
            ("POST", f"/v1.41/containers/{NAME}/update"),
            ("GET", f"/v1.41/containers/{NAME}/attach/ws"),
            ("POST", "/v1.41/containers/codearena-env-1/start"),
            ("DELETE", "/v1.41/containers/postgres?force=1"),
            ("GET", f"/v1.41/containers/{NAME}/../postgres/json"),
            ("GET", f"/v1.41/containers/{NAME}%2f..%2fpostgres/json"),
            ("GET", f"//v1.41/containers/{NAME}/json/"),
            ("GET", "http://elsewhere/v1.41/networks"),
            # of that age, a start takes what a container may do
            ("POST", f"/v1.19/containers/{NAME}/start"),
            ("GET", "/v1.41/secrets"),
            ("POST", "/v1.41/session"),
            ("CONNECT", "docker:2375"),
            ("HEAD", "/info"),
        ],
    )
    def test_no_other_call_is_let_through(self, method, target):
        with pytest.raises(Refused, match="no call that a sandbox takes"):
            calls().allow(method, target, b"")

    @pytest.mark.parametrize(
        ("what", "changes"),
        [
            ("HostConfig.Privileged", {"host": {"Privileged": True}}),
            ("HostConfig.Binds", {"host": {"Binds": ["/:/host"]}}),
            ("HostConfig.Mounts", {"host": {"Mounts": [{"Type": "bind", "Source": "/", "Target": "/host"}]}}),
            ("HostConfig.Devices", {"host": {"Devices": [{"PathOnHost": "/dev/vda"}]}}),
            ("HostConfig.VolumesFrom", {"host": {"VolumesFrom": ["codearena-postgres-1"]}}),
            ("HostConfig.NetworkMode", {"host": {"NetworkMode": "host"}}),
            ("HostConfig.PidMode", {"host": {"PidMode": "host"}}),
            ("HostConfig.IpcMode", {"host": {"IpcMode": "host"}}),
            ("HostConfig.UsernsMode", {"host": {"UsernsMode": "host"}}),
            ("HostConfig.CapDrop", {"host": {"CapDrop": []}}),
            ("HostConfig.CapAdd", {"host": {"CapAdd": ["SYS_ADMIN"]}}),
            ("HostConfig.SecurityOpt", {"host": {"SecurityOpt": ["no-new-privileges:true", "seccomp=unconfined"]}}),
            ("HostConfig.SecurityOpt", {"host": {"SecurityOpt": ["no-new-privileges:true"]}}),
            ("HostConfig.ReadonlyRootfs", {"host": {"ReadonlyRootfs": False}}),
            ("HostConfig.Memory", {"host": {"Memory": 0}}),
            ("HostConfig.PidsLimit", {"host": {"PidsLimit": -1}}),
            ("HostConfig.Runtime", {"host": {"Runtime": "another"}}),
            ("HostConfig.CgroupParent", {"host": {"CgroupParent": "/"}}),
            ("hostConfig", {"hostConfig": {"Privileged": True}}),
            ("HostConfig", {"HostConfig": None}),
            ("Image", {"Image": "debian"}),
            ("Cmd", {"Cmd": ["sh"]}),
            ("Entrypoint", {"Entrypoint": ["/bin/sh"]}),
            ("User", {"User": "root"}),
            ("Env", {"Env": ["LD_PRELOAD=/tmp/x"]}),
            ("NetworkingConfig", {"NetworkingConfig": {"EndpointsConfig": {"bridge": {}}}}),
            ("labels", {"Labels": {}}),
            ("labels", {"Labels": this_process().labels() | {"codearena.role": "other"}}),
            ("labels", {"Labels": this_process().labels() | {"com.docker.compose.project": "codearena"}}),
            ("label", {"Labels": this_process().labels() | {"codearena.executor": "x" * 129}}),
        ],
    )
    def test_no_other_container_is_made(self, what, changes):
        with pytest.raises(Refused, match=what):
            calls().allow("POST", CREATE, json.dumps(body(**changes)).encode())

    @pytest.mark.parametrize("content", [b"", b"null", b"[]", b"{", b"[" * 60_000, b"\xff"])
    def test_no_container_is_made_of_nonsense(self, content):
        with pytest.raises(Refused, match="no JSON"):
            calls().allow("POST", CREATE, content)

    @pytest.mark.parametrize("name", ["", "postgres", f"{NAME}0", f"x{NAME}", f"{NAME}&name=postgres", f"{NAME}%0a"])
    def test_no_container_gets_another_name(self, name):
        with pytest.raises(Refused, match="is named"):
            calls().allow("POST", f"/v1.41/containers/create?name={name}", json.dumps(body()).encode())

    def test_of_two_fields_that_an_engine_takes_for_one_neither_is_passed_on(self):
        twice = json.dumps(body())[:-1] + ', "HostConfig": ' + json.dumps(body()["HostConfig"]) + "}"
        twice = twice.replace('"HostConfig": {', '"HostConfig": {"Privileged": true, ', 1)
        call = calls().allow("POST", CREATE, twice.encode())
        assert b"Privileged" not in call.body


@contextlib.asynccontextmanager
async def proxy(folder, engine, *, image=IMAGE, connections=64):
    path = folder / "engine.sock"
    running = SocketProxy(Calls(image, OPTIONS), engine, answer_seconds=30, connections=connections)
    await running.start(path)
    try:
        yield path
    finally:
        await running.stop()


async def nobody():
    raise ConnectionRefusedError("there is no engine")


async def say(path, data: bytes) -> bytes:
    """Sends bytes to a proxy; returns all that it answers until it closes the connection."""
    reader, writer = await asyncio.open_unix_connection(str(path))
    try:
        async with asyncio.timeout(20):
            with contextlib.suppress(ConnectionError):
                writer.write(data)
                await writer.drain()
            return await reader.read()
    finally:
        writer.close()


class TestConnections:
    """What comes over the socket, before and without an engine."""

    @pytest.mark.parametrize(
        ("data", "status"),
        [
            (b"GET /v1.41/networks HTTP/1.1\r\nHost: docker\r\n\r\n", 403),
            (b"GET /_ping HTTP/1.1\r\nHost: docker\r\n\r\n", 502),
            (b"nonsense\r\n\r\n", 400),
            (b"GET /_ping HTTP/1.1\r\nHost: docker\r\nX: " + b"x" * 20_000, 431),
            (b"POST /_ping HTTP/1.1\r\nHost: docker\r\nContent-Length: 70000\r\n\r\n" + b"x" * 70_000, 413),
            (b"POST /_ping HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx", 400),
        ],
    )
    async def test_is_answered_as_an_engine_would(self, tmp_path, data, status):
        async with proxy(tmp_path, nobody) as path:
            answer = await say(path, data)
        assert answer.startswith(f"HTTP/1.1 {status} ".encode())
        assert json.loads(answer.partition(b"\r\n\r\n")[2])["message"]

    @pytest.mark.parametrize(
        ("image", "status"), [(BY_DIGEST, 502), (BY_DIGEST[:-1] + "1", 403), (BY_DIGEST.partition("@")[0], 403)]
    )
    async def test_an_image_may_be_named_by_its_digest(self, tmp_path, image, status):
        async with proxy(tmp_path, nobody, image=BY_DIGEST) as path:
            client = APIClient(base_url=f"unix://{path}", version="1.41")
            with pytest.raises(APIError) as caught:
                await asyncio.to_thread(client.inspect_image, image)
        client.close()
        assert caught.value.status_code == status

    async def test_a_second_request_behind_the_first_is_not_heard(self, tmp_path):
        asked = []

        async def engine():
            asked.append(1)
            raise ConnectionRefusedError

        hidden = b"POST /_ping HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"
        async with proxy(tmp_path, engine) as path:
            answer = await say(path, b"GET /_ping HTTP/1.1\r\nHost: a\r\n\r\n" + hidden + hidden)
        assert (answer.count(b"HTTP/1.1"), asked) == (1, [1])

    async def test_only_its_own_user_may_open_the_socket(self, tmp_path):
        async with proxy(tmp_path, nobody) as path:
            assert path.stat().st_mode & 0o777 == 0o600

    async def test_there_are_not_more_connections_than_told(self, tmp_path):
        async with proxy(tmp_path, nobody, connections=1) as path:
            _, idle = await asyncio.open_unix_connection(str(path))
            answer = await say(path, b"GET /_ping HTTP/1.1\r\nHost: a\r\n\r\n")
            assert answer.startswith(b"HTTP/1.1 503 ")
            idle.close()
            async with asyncio.timeout(20):
                while answer.startswith(b"HTTP/1.1 503 "):
                    answer = await say(path, b"GET /_ping HTTP/1.1\r\nHost: a\r\n\r\n")
            assert answer.startswith(b"HTTP/1.1 502 ")


@pytest.fixture(scope="module")
async def behind(docker_engine, data_dir, tmp_path_factory):
    engine = DockerEngine(None, 30)
    image = (await ensure_image(engine, DockerOptions(data_dir=data_dir, image_source="host"))).tag
    async with (
        proxy(tmp_path_factory.mktemp("proxy"), engine.open, image=image) as path,
        started("docker", data_dir, docker_host=f"unix://{path}", sandbox_image=image) as executor,
    ):
        yield executor
        await until(executor.none_left)
    engine.close()
    assert executor.service.chosen.backend.instance not in str(
        docker_engine.containers(all=True, filters={"label": "codearena.role=sandbox"})
    )


@pytest.mark.docker
class TestEngine:
    """A whole executor whose only way to a real engine is the proxy."""

    @pytest.mark.parametrize(
        ("code", "outcome"),
        [
            (DOUBLE, "PASSED"),
            ("def double(x):\n    return 3 * x\n", "TESTS_FAILED"),
            ("def double(x):\n    while True: pass\n", "TIMED_OUT"),
            ("def double(x):\n    return len(bytearray(1 << 34)) * x\n", "OUT_OF_MEMORY"),
            ("def double(x):\n    import os\n    os._exit(3)\n", "CRASHED"),
        ],
    )
    async def test_a_fix_is_graded_as_without_it(self, behind, code, outcome):
        graded = await behind.grade(code, double_suite(cpu_seconds=1, wall_seconds=3))
        assert outcome_name(graded.outcome) == outcome

    async def test_a_large_input_and_a_large_output_pass(self, behind):
        said = await behind.run("import sys\nprint(len(sys.stdin.read()))\nprint('x' * 50_000)", stdin="y" * 60_000)
        assert said.stdout.startswith("60000\n" + "x" * 50_000)

    async def test_its_isolation_holds_and_its_sandboxes_are_there(self, behind, docker_engine):
        assert await behind.service.check()
        assert our_containers(docker_engine)

    async def test_an_image_that_is_not_there_is_named(self, docker_engine, data_dir, tmp_path):
        engine = DockerEngine(None, 30)
        async with proxy(tmp_path, engine.open, image="codearena-sandbox:none") as path:
            with pytest.raises(SandboxLost, match="no sandbox image codearena-sandbox:none"):
                async with started(
                    "docker", data_dir, docker_host=f"unix://{path}", sandbox_image="codearena-sandbox:none"
                ):
                    pass
        engine.close()
