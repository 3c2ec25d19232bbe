"""The sandbox image: from a public Python image where one can be had, else from the host's own interpreter."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import structlog
from docker import APIClient

from services.common import logs
from services.executor.docker_engine import DockerEngine
from services.executor.docker_options import DockerOptions, ImageSource, default_base_image
from services.executor.image_build import (
    NoBaseImage,
    build,
    context_digest,
    context_files,
    find_image,
    pack,
    pull,
)
from services.executor.rootfs import PYTHON, Rootfs, RootfsError, build_rootfs
from services.executor.sandbox import SandboxLost

REPOSITORY = "codearena-sandbox"
Origin = Literal["given", "host", "registry"]

_ROLE_LABEL = "codearena.role"
_ORIGIN_LABEL = "codearena.origin"
_BASE_LABEL = "codearena.base"


@dataclass(frozen=True, slots=True)
class ImageInfo:
    """A sandbox image on the engine.

    Attributes:
        tag: Its name: `codearena-sandbox:` and twelve digits of what it was made from, unless given.
        python: Path of the interpreter in it.
        origin: "registry" if built from a public Python image, "host" if packed from this machine, "given" if named
            by `DockerOptions.image`.
    """

    tag: str
    python: str
    origin: Origin


async def ensure_image(engine: DockerEngine, options: DockerOptions, *, rebuild: bool = False) -> ImageInfo:
    """Returns the sandbox image: the one that `options.image` names, or one that is made if it is not there.

    With the source "auto" it is built from the base image if the engine has that one or can pull it, and else
    packed from the host's interpreter. The registry is not asked where an image of this harness is there.

    Args:
        engine: Where the image is to be.
        options: `image`, `image_source`, `base_image`, `harness_dir`, `data_dir` and the time limits count.
        rebuild: Make it again although it is there.

    Raises:
        SandboxLost: It cannot be made; the message says what to do.
    """

    def ensure(_: APIClient) -> ImageInfo:
        with contextlib.closing(engine.connect(options.build_timeout_seconds)) as client:
            return _Images(client, options, rebuild).ensure()

    try:
        return await engine.call("make the sandbox image", ensure, timeout_seconds=2 * options.build_timeout_seconds)
    except (NoBaseImage, RootfsError) as error:
        raise SandboxLost(
            f"no sandbox image: {error}. Load {options.base_image} or another Python image into the engine and "
            "name it as the base image, or let the image source be 'host'"
        ) from error


def made_from(client: APIClient, tag: str) -> str:
    """Returns what a sandbox image was made from: its tag, and its base or itself. Equal ones hold equal files."""
    image = find_image(client, tag) or {}
    return f"{tag} {_base_of(image) or image.get('Id', '')}"


class _Images:
    """The steps of `ensure_image`. They block, and raise NoBaseImage, RootfsError and the engine's errors."""

    def __init__(self, client: APIClient, options: DockerOptions, rebuild: bool) -> None:
        self._client = client
        self._options = options
        self._rebuild = rebuild
        self._log = structlog.get_logger("image")

    def ensure(self) -> ImageInfo:
        if self._options.image:
            return self._given(self._options.image)
        if self._options.image_source == "host":
            return self._from_host(self._rootfs())
        if self._options.image_source == "registry":
            return self._from_base(may_pull=True)
        return self._auto()

    def _auto(self) -> ImageInfo:
        with contextlib.suppress(NoBaseImage):
            return self._from_base(may_pull=False)
        rootfs = self._rootfs()
        if not self._rebuild and find_image(self._client, _tag(rootfs.digest)) is not None:
            return ImageInfo(_tag(rootfs.digest), PYTHON, "host")
        try:
            return self._from_base(may_pull=True)
        except NoBaseImage as error:
            self._log.info("the sandbox image is packed from this machine's interpreter", reason=str(error))
            return self._from_host(rootfs)

    def _given(self, name: str) -> ImageInfo:
        if find_image(self._client, name) is None:
            raise SandboxLost(f"the engine has no sandbox image {name}: build or load it, or leave the setting empty")
        return ImageInfo(name, PYTHON, "given")

    def _rootfs(self) -> Rootfs:
        return build_rootfs(self._options.data_dir / "sandbox", self._options.harness_dir)

    def _from_base(self, *, may_pull: bool) -> ImageInfo:
        base_name = self._options.base_image
        files = context_files(self._options.harness_dir)
        info = ImageInfo(_tag(context_digest(files, base_name)), PYTHON, "registry")
        base, found = find_image(self._client, base_name), find_image(self._client, info.tag)
        if found is not None and not self._rebuild and (base is None or _base_of(found) == base["Id"]):
            return info
        if base is None:
            base = self._pull_base(may_pull=may_pull)
        build(self._client, info.tag, files, base_name, _labels("registry", str(base["Id"])))
        self._log.info("sandbox image built", tag=info.tag, base=base_name)
        return info

    def _pull_base(self, *, may_pull: bool) -> dict[str, object]:
        name = self._options.base_image
        if may_pull:
            pull(
                self._client,
                name,
                silence_seconds=self._options.pull_answer_seconds,
                seconds=self._options.build_timeout_seconds,
            )
        base = find_image(self._client, name)
        if base is None:
            raise NoBaseImage(f"{name} is not on the engine")
        return base

    def _from_host(self, rootfs: Rootfs) -> ImageInfo:
        info = ImageInfo(_tag(rootfs.digest), rootfs.python, "host")
        if self._rebuild or find_image(self._client, info.tag) is None:
            pack(self._client, info.tag, rootfs, _labels("host", f"python {sys.version.split()[0]}"))
            self._log.info("sandbox image packed", tag=info.tag, python=sys.version.split()[0])
        return info


def _tag(digest: str) -> str:
    return f"{REPOSITORY}:{digest[:12]}"


def _labels(origin: Origin, base: str) -> dict[str, str]:
    # A container inherits the labels of its image, so the role is another one than a sandbox container's.
    return {_ROLE_LABEL: "sandbox-image", _ORIGIN_LABEL: origin, _BASE_LABEL: base}


def _base_of(image: dict[str, dict[str, dict[str, str]]]) -> str:
    return (image.get("Config", {}).get("Labels") or {}).get(_BASE_LABEL, "")


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m services.executor.image",
        description="Make the image of CodeArena's sandbox on the Docker engine, and print its tag. The executor "
        "does the same when it starts, so this is only needed to have it made beforehand, or made again.",
        epilog="The engine is the one that DOCKER_HOST names, or the local one. examples: "
        "python -m services.executor.image --from registry --base python:3.12-slim-bookworm; "
        "python -m services.executor.image --from host --rebuild (on a machine without a registry)",
    )
    parser.add_argument(
        "--from",
        dest="source",
        choices=get_args(ImageSource),
        default="auto",
        help="registry: build upon a public Python image. host: pack the interpreter that runs this command, with "
        "the libraries that it needs. auto (default): the first if that image is on the engine or can be pulled, "
        "else the second",
    )
    parser.add_argument(
        "--base", default=default_base_image(), metavar="IMAGE", help="public Python image (default: %(default)s)"
    )
    parser.add_argument("--rebuild", action="store_true", help="make it again although it is there")
    parser.add_argument(
        "--data-dir",
        type=Path,
        metavar="DIR",
        help="where the packed interpreter is kept; the executor's data directory saves it the work (default: "
        "a temporary folder)",
    )
    return parser.parse_args(arguments)


async def _make(arguments: argparse.Namespace, data_dir: Path) -> ImageInfo:
    options = DockerOptions(data_dir=data_dir, image_source=arguments.source, base_image=arguments.base)
    engine = DockerEngine(None, options.call_timeout_seconds)
    try:
        return await ensure_image(engine, options, rebuild=arguments.rebuild)
    finally:
        engine.close()


def main(arguments: Sequence[str] | None = None) -> int:
    """Makes the sandbox image from the command line; prints its tag and where it comes from."""
    parsed = _parse(arguments)
    logs.configure("info", "text")
    with tempfile.TemporaryDirectory(prefix="codearena-image-") as temporary:
        try:
            info = asyncio.run(_make(parsed, parsed.data_dir or Path(temporary)))
        except SandboxLost as error:
            sys.stderr.write(f"{error}\n")
            return 1
    sys.stdout.write(f"{info.tag} ({info.origin})\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
