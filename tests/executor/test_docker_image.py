"""The sandbox image on a real engine. What a registry would send is made on the spot or refused on loopback."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

import docker
import pytest

from services.executor.docker_engine import DockerEngine
from services.executor.docker_options import DockerOptions, default_base_image
from services.executor.image import ensure_image
from services.executor.image_build import BUILD_LABEL
from services.executor.protocol import READY, frame
from services.executor.rootfs import COMMAND, PYTHON
from services.executor.sandbox import SandboxLost
from tests.conftest import require

pytestmark = pytest.mark.docker
NOBODY_LISTENS = "127.0.0.1:9/python:none"


@pytest.fixture
def options(tmp_path_factory, probe_harness):
    data_dir = tmp_path_factory.getbasetemp() / "image-data"  # one packed interpreter for all tests
    harness_dir = tmp_path_factory.mktemp("harness")
    for file in probe_harness.glob("*.py"):
        (harness_dir / file.name).write_bytes(file.read_bytes())
    # A harness that no other test has, so that its image is ours to make and to remove.
    (harness_dir / "unique.py").write_text(f"name = {str(harness_dir)!r}\n")

    def make(**changes):
        return DockerOptions(data_dir=data_dir, harness_dir=harness_dir, **changes)

    return make


@pytest.fixture
async def images(docker_engine):
    """Makes images and removes them."""
    engine = DockerEngine(None, 30)
    made = set()

    async def ensure(options, **keywords):
        info = await ensure_image(engine, options, **keywords)
        made.add(info.tag)
        return info

    yield ensure
    engine.close()
    for tag in made:
        docker_engine.remove_image(tag, force=True)


@pytest.fixture
def silent_registry():
    """An address at which a registry accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=16) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}/python:none"


def boots(tag: str) -> bool:
    """Whether a container of the image greets and ends when its stdin does."""
    done = subprocess.run(
        [
            "docker",
            "run",
            "--rm",
            "-i",
            "--network=none",
            "--read-only",
            f"--entrypoint={COMMAND[0]}",
            tag,
            *COMMAND[1:],
        ],
        input=b"",
        capture_output=True,
        timeout=60,
        check=True,
    )
    return done.stdout == frame(READY)


def size_bytes(client: docker.APIClient, tag: str) -> int:
    return client.inspect_image(tag)["Size"]


async def test_from_the_hosts_interpreter(docker_engine, images, options):
    info = await images(options(image_source="host"))
    assert info.origin == "host"
    assert info.python == PYTHON
    assert info.tag.startswith("codearena-sandbox:")
    labels = docker_engine.inspect_image(info.tag)["Config"]["Labels"]
    assert labels["codearena.origin"] == "host"
    assert labels["codearena.role"] == "sandbox-image"
    assert boots(info.tag)


async def test_one_that_is_there_is_used_unless_a_rebuild_is_asked_for(docker_engine, images, options):
    first = await images(options(image_source="host"))
    made = docker_engine.inspect_image(first.tag)["Id"]
    assert await images(options(image_source="host")) == first
    assert docker_engine.inspect_image(first.tag)["Id"] == made
    await images(options(image_source="host"), rebuild=True)
    assert docker_engine.inspect_image(first.tag)["Id"] != made
    docker_engine.remove_image(made, force=True)


async def test_auto_packs_the_host_where_the_registry_refuses(images, options):
    info = await images(options(base_image=NOBODY_LISTENS))
    assert info.origin == "host"
    assert boots(info.tag)


async def test_auto_packs_the_host_where_the_registry_is_silent(images, options, silent_registry):
    info = await images(options(base_image=silent_registry, pull_answer_seconds=1))
    assert info.origin == "host"


async def test_auto_packs_the_host_where_the_base_has_no_python(docker_engine, images, options):
    packed = await images(options(image_source="host"))  # has no shell, so nothing can be built upon it
    base = f"{packed.tag}-base"
    docker_engine.tag(packed.tag, "codearena-sandbox", base.partition(":")[2])
    try:
        assert await images(options(base_image=base)) == packed
        with pytest.raises(SandboxLost, match="cannot be built upon"):
            await images(options(image_source="registry", base_image=base))
        assert docker_engine.images(all=True, filters={"label": BUILD_LABEL}) == []
    finally:
        docker_engine.remove_image(base, force=True)


async def test_registry_alone_says_what_to_do_where_it_refuses(images, options):
    with pytest.raises(SandboxLost, match=r"no sandbox image: 127\.0\.0\.1:9/python:none .*image source be 'host'"):
        await images(options(image_source="registry", base_image=NOBODY_LISTENS))


async def test_from_a_public_python_image(docker_engine, images, options):
    base = os.environ.get("CODEARENA_SANDBOX_BASE_IMAGE") or default_base_image()
    present = any(base in (image["RepoTags"] or []) for image in docker_engine.images())
    require("python-image", present, f"the engine has no {base}")
    info = await images(options(base_image=base))
    assert info.origin == "registry", "auto prefers a base image that is on the engine"
    assert boots(info.tag)
    assert docker_engine.images(all=True, filters={"label": BUILD_LABEL}) == []
    assert size_bytes(docker_engine, info.tag) < size_bytes(docker_engine, base)
    made = docker_engine.inspect_image(info.tag)["Id"]
    assert await images(options(image_source="registry", base_image=base)) == info
    assert docker_engine.inspect_image(info.tag)["Id"] == made


def test_the_command_line_prints_the_tag(docker_engine, tmp_path):
    command = [sys.executable, "-m", "services.executor.image", "--from", "host", "--data-dir", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    tag, origin = done.stdout.split()
    assert origin == "(host)"
    assert docker_engine.inspect_image(tag)["Config"]["Labels"]["codearena.origin"] == "host"


def test_the_command_line_fails_with_advice(docker_engine):
    command = [sys.executable, "-m", "services.executor.image", "--from", "registry", "--base", NOBODY_LISTENS]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "image source be 'host'" in done.stderr
    assert "Traceback" not in done.stderr
