"""An executor to be killed: makes two sandboxes, one of them at work, prints its instance, then waits."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from services.executor.docker_backend import DockerBackend
from services.executor.docker_options import DockerOptions
from services.executor.protocol import frame


async def main(data_dir: Path, harness_dir: Path) -> None:
    backend = DockerBackend(DockerOptions(data_dir=data_dir, harness_dir=harness_dir, image_source="host"))
    await backend.start()
    sandboxes = [await backend.create(), await backend.create()]
    assert await sandboxes[0].run(frame(b"reply = 1")) == b"1"
    sys.stdout.write(f"{backend.instance}\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


asyncio.run(main(Path(sys.argv[1]), Path(sys.argv[2])))
