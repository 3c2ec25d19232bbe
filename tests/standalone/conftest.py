"""Task files for the commands that certify tasks."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from tests.task_files import write_double


@pytest.fixture
def write_task(tmp_path: Path) -> Callable[..., Path]:
    """Writes a task with parts of its text replaced; returns the folder."""
    return partial(write_double, tmp_path / "tasks")
