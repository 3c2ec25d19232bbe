"""Edits: lines that change."""

from __future__ import annotations

import pytest

from training import edits

PROGRAM = "def f(x):\n    y = x\n    return y\n"


@pytest.mark.parametrize(
    "after",
    [
        "def f(x):\n    y = x + 1\n    return y\n",
        "def f(x):\n    return y\n",
        "import math\ndef f(x):\n    y = x\n    z = y\n    return z\n",
        "def f(x):\n    y = x\n    return y\n    # done\n",
        "def g():\n    pass\n",
    ],
)
def test_an_edit_makes_one_program_of_the_other(after):
    assert edits.apply(PROGRAM, edits.edit(PROGRAM, after)) == after


def test_what_each_line_of_an_edit_does():
    text = "0+import math\n2|    y = 2 * x\n2+    y += 1\n3-"
    assert edits.apply(PROGRAM, text) == "import math\ndef f(x):\n    y = 2 * x\n    y += 1\n"
    assert edits.edit(PROGRAM, "def f(x):\n    y = x\n    return -y\n") == "3|    return -y"


@pytest.mark.parametrize(
    "text", ["", "prose", "9|    return y", "0|x", "0-", "2-    y", "2|    y = 2\nprose", "99999|x", "x" * 1_000_000]
)
def test_what_is_no_edit_of_the_program_makes_none(text):
    assert edits.apply(PROGRAM, text) == ""


def test_lines_are_numbered():
    assert edits.numbered(PROGRAM) == "1|def f(x):\n2|    y = x\n3|    return y\n"
