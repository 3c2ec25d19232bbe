"""Task files for the commands that prove, certify and make tasks."""

from __future__ import annotations

from pathlib import Path

SHIPPED = Path(__file__).parents[1] / "tasks"
DEMO = [
    *(SHIPPED / level / f"{level}-1.yaml" for level in ("easy", "hard", "medium")),
    *(SHIPPED / kind / f"{kind}-{number}.yaml" for kind in ("security_bugs", "type_errors") for number in (1, 2, 3)),
]
"""The tasks of the demo."""
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
  - name: five
    hidden: true
    call: double(5)
    expected: 10
"""

GROWTH = """\
growth:
  setup: numbers = [seed] * n
  call: "[sum(map(double, numbers)) for _ in range(8)]"
  sizes: [512, 1024, 2048, 4096, 8192]
"""


def write_double(folder: Path, *replacements: tuple[str, str], growth: bool = False) -> Path:
    """Writes a task with parts of its text replaced; returns the folder."""
    text = TASK + GROWTH if growth else TASK
    for old, new in replacements:
        assert old in text
        text = text.replace(old, new)
    folder.mkdir(exist_ok=True)
    (folder / "double-1.yaml").write_text(text)
    return folder
