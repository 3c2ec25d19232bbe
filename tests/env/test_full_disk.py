"""An SQLite file on a file system that is full or read-only: nothing is lost, and all works again afterwards."""

from __future__ import annotations

import errno
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from codearena import ErrorReason, UnavailableError
from tests.conftest import require
from tests.env.parts import Parts
from tests.env.test_outages import until_it_works

WRONG = "def average_list(numbers):\n    return 1\n"
BULKY = f"{WRONG}{'# a long comment' * 10_000}\n"


def mount(folder: Path, *options: str) -> None:
    subprocess.run(["mount", *options, str(folder)], check=True, capture_output=True)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    try:
        mount(folder, "-t", "tmpfs", "-o", "size=1m", "tmpfs")
    except (subprocess.CalledProcessError, OSError):
        require("mount", False, "mounting a file system is not allowed here")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True, capture_output=True)


async def test_a_full_disk(small_disk: Path, arena_data: Path) -> None:
    async with Parts(small_disk, arena_data) as parts:
        episode = await parts.client.reset("easy-1")
        first = await episode.step(WRONG, "r1")
        filler = small_disk / "filler"
        fill(filler)
        await refused(lambda: episode.step(BULKY, "r2"))
        state = await episode.get_state()
        assert [attempt.reward for attempt in state.observation.previous_attempts] == [first.reward]

        filler.unlink()
        second = await parts.client.step(episode.episode_id, BULKY, "r2", timeout_seconds=60)
        assert (second.observation.step, second.replayed) == (2, False)


async def test_a_read_only_file_system(small_disk: Path, arena_data: Path) -> None:
    async with Parts(small_disk, arena_data) as parts:
        episode = await parts.client.reset("easy-1")
        await episode.step(WRONG, "r1")
        await parts.env.stop()
        mount(small_disk, "-o", "remount,ro")
        with pytest.raises(Exception, match="the store does not answer"):
            await parts.env.start()
        mount(small_disk, "-o", "remount,rw")
        await parts.env.start()
        replay = await until_it_works(lambda: episode.step(WRONG, "r1"))
        assert replay.replayed


def fill(file: Path) -> None:
    """Writes until there is no room for a byte."""
    with file.open("wb", buffering=0) as opened:
        for size in (4096, 1):
            try:
                while opened.write(bytes(size)):
                    pass
            except OSError as error:
                assert error.errno == errno.ENOSPC  # noqa: PT017  it ends the loop


async def refused(call: Any) -> None:
    with pytest.raises(UnavailableError) as caught:
        await call()
    assert caught.value.reason == ErrorReason.STORE_UNAVAILABLE
