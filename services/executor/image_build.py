"""How a sandbox image is made on an engine. Everything here blocks."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import tarfile
import tempfile
import time
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

from docker import APIClient
from docker.auth import get_config_header, resolve_repository_name
from docker.errors import APIError, ImageNotFound
from docker.utils import parse_repository_tag

from services.executor.docker_engine import ENGINE_ERRORS
from services.executor.docker_failure import reason
from services.executor.rootfs import Rootfs

DOCKERFILE = "services/executor/Dockerfile.sandbox"
_CHUNK_BYTES = 1024 * 1024
_EXECUTOR = Path(__file__).parent
BUILD_LABEL = "codearena.role=sandbox-build"
_HARNESS = "services/executor/harness"
_SOURCES = ("__init__.py", "protocol.py", "rootfs.py", "rootfs_libraries.py", "rootfs_sources.py", "Dockerfile.sandbox")


class NoBaseImage(Exception):
    """The base image cannot be had or built upon; the message says why."""


def context_files(harness_dir: Path) -> dict[str, bytes]:
    """Returns what `Dockerfile.sandbox` needs, by path from the repository's root.

    Raises:
        OSError: A file cannot be read.
    """
    files = {f"services/executor/{name}": (_EXECUTOR / name).read_bytes() for name in _SOURCES}
    files["services/__init__.py"] = (_EXECUTOR.parent / "__init__.py").read_bytes()
    for file in sorted(harness_dir.rglob("*.py")):
        files[f"{_HARNESS}/{file.relative_to(harness_dir)}"] = file.read_bytes()
    return files


def context_digest(files: dict[str, bytes], base_image: str) -> str:
    """Names what an image is built from, as 64 hexadecimal digits."""
    digest = hashlib.sha256(f"{base_image}\0".encode())
    for path, content in sorted(files.items()):
        digest.update(f"{path}\0{hashlib.sha256(content).hexdigest()}\0".encode())
    return digest.hexdigest()


def find_image(client: APIClient, name: str) -> dict[str, Any] | None:
    """Returns the engine's description of an image, or None if it has none of that name."""
    try:
        found: dict[str, Any] = client.inspect_image(name)  # type: ignore[no-untyped-call]
    except ImageNotFound:
        return None
    return found


def pull(client: APIClient, name: str, *, silence_seconds: float, seconds: float) -> None:
    """Pulls an image.

    Args:
        client: The engine. Credentials for the registry are those of docker's own configuration file.
        name: Name of the image.
        silence_seconds: How long engine and registry may say nothing.
        seconds: Bounds the whole.

    Raises:
        NoBaseImage: The registry cannot be reached, refuses or is too slow.
    """
    repository, tag = parse_repository_tag(name)
    registry, _ = resolve_repository_name(repository)
    credentials = get_config_header(client, registry)
    deadline = time.monotonic() + seconds
    try:
        # Not client.pull, which waits for a silent registry without a bound. Closing the answer ends the pull.
        with client.post(
            f"{client.base_url}/v{client.api_version}/images/create",
            params={"fromImage": repository, "tag": tag or "latest"},
            headers={"X-Registry-Auth": credentials} if credentials else {},
            stream=True,
            timeout=silence_seconds,
        ) as answer:
            for line in answer.iter_lines():
                _check_pull(json.loads(line or b"{}"), name)
                if time.monotonic() > deadline:
                    raise NoBaseImage(f"{name} was not pulled within {seconds:g} s")
    except (ValueError, *ENGINE_ERRORS) as error:
        raise NoBaseImage(f"{name} is not on the engine and cannot be pulled: {reason(error)}") from error


def _check_pull(event: dict[str, Any], name: str) -> None:
    # "message" is what an answer with an error status holds, "error" what a pull that has begun ends with.
    if said := event.get("error") or event.get("message"):
        raise NoBaseImage(f"{name} is not on the engine and cannot be pulled: {said}")


def build(client: APIClient, tag: str, files: dict[str, bytes], base_image: str, labels: dict[str, str]) -> None:
    """Builds `Dockerfile.sandbox` without a network.

    Raises:
        NoBaseImage: A step fails; the message is the engine's.
        docker.errors.DockerException, requests.RequestException: The engine refuses or is away.
    """
    events = client.build(
        fileobj=_context(files),
        custom_context=True,
        dockerfile=DOCKERFILE,
        buildargs={"PYTHON_IMAGE": base_image},
        tag=tag,
        labels=labels,
        network_mode="none",
        rm=True,
        forcerm=True,
        decode=True,
    )
    said = ""
    try:
        for event in events:
            said = (said + event.get("stream", ""))[-500:]
            if "error" in event:
                raise NoBaseImage(f"{base_image} cannot be built upon: {event['error']}; {' '.join(said.split())}")
    finally:
        # The first stage is several times the size of the image. Two that tidy up at once get in each other's way.
        with contextlib.suppress(APIError):
            client.prune_images({"dangling": True, "label": BUILD_LABEL})  # type: ignore[no-untyped-call]


def pack(client: APIClient, tag: str, rootfs: Rootfs, labels: dict[str, str]) -> None:
    """Makes an image of a root filesystem.

    Raises:
        OSError: The root filesystem cannot be read, or there is no room for its archive beside it.
        docker.errors.DockerException, requests.RequestException: The engine refuses or is away.
    """
    repository, _, version = tag.partition(":")
    changes = ["USER 65534:65534"] + [f"LABEL {key}={json.dumps(value)}" for key, value in labels.items()]
    with tempfile.TemporaryFile(dir=rootfs.path.parent) as archive:
        with tarfile.open(fileobj=archive, mode="w") as tar:
            tar.add(rootfs.path, arcname=".", filter=_as_root)
        archive.seek(0)
        # An iterator, not the file: its length would be sent along with the chunked encoding.
        chunks = iter(partial(archive.read, _CHUNK_BYTES), b"")
        answer = client.import_image(src=chunks, stream_src=True, repository=repository, tag=version, changes=changes)
    _check_import(str(answer))


def _check_import(answer: str) -> None:
    """Reads the engine's report, one JSON object a line.

    Raises:
        OSError: It reports an error, such as a full disk.
    """
    for event in _events(answer.splitlines()):
        if "error" in event:
            raise OSError(f"the engine did not take the image: {event['error']}")


def _events(lines: Iterable[str]) -> Iterable[dict[str, Any]]:
    for line in filter(str.strip, lines):
        event = json.loads(line)
        if isinstance(event, dict):
            yield event


def _context(files: dict[str, bytes]) -> io.BytesIO:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        for path, content in sorted(files.items()):
            entry = tarfile.TarInfo(path)
            entry.size = len(content)
            entry.mode = 0o644
            tar.addfile(entry, io.BytesIO(content))
    stream.seek(0)
    return stream


def _as_root(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = "root"
    entry.mtime = 0
    return entry
