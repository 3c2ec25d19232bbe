"""Task files for the commands that prove and certify tasks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

TASK = """\
id: double-1
title: Doubling
category: numbers
difficulty: easy
function: double
description: Returns twice the number.
bug: It adds one.
buggy_code: |
  def double(x):
      return x + 1
reference: |
  def double(x):
      return 2 * x
slow: |
  def double(x):
      return sum(x for _ in range(2))
cases:
  - name: three
    call: double(3)
    expected: 6
"""

GROWTH = """\
growth:
  setup: numbers = [seed] * n
  call: "[sum(map(double, numbers)) for _ in range(8)]"
  sizes: [512, 1024, 2048, 4096, 8192]
"""


@pytest.fixture
def write_task(tmp_path: Path) -> Callable[..., Path]:
    """Writes a task with parts of its text replaced; returns the folder."""

    def write(*replacements: tuple[str, str], growth: bool = False) -> Path:
        text = TASK + GROWTH if growth else TASK
        for old, new in replacements:
            assert old in text
            text = text.replace(old, new)
        folder = tmp_path / "tasks"
        folder.mkdir(exist_ok=True)
        (folder / "double-1.yaml").write_text(text)
        return folder

    return write
