"""Unified diffs of proposals: what `patch` makes of them, and what hostile texts cost."""

from __future__ import annotations

import random
import shutil
import subprocess
import time

import pytest

from services.judge import diffs
from tests.conftest import require

PAIRS = {
    "a line": ("a\nb\nc\n", "a\nx\nc\n"),
    "no newline at the end": ("a\nb", "a\nb\n"),
    "none on either side": ("a\nb", "a\nc"),
    "from nothing": ("", "a\n"),
    "to nothing": ("a\n", ""),
    "form feeds and odd ends of lines": ("a\fb\x85c\u2028d\n", "a\fb\x85x\u2028d\n"),
    "long": ("".join(f"x = {n}\n" for n in range(3000)), "".join(f"y = {n}\n" for n in range(2500))),
    "a line in a long one": ("x\n" * 5000 + "a\n" + "y\n" * 5000, "x\n" * 5000 + "b\n" + "y\n" * 5000),
}


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize(("before", "after"), PAIRS.values(), ids=PAIRS)
def test_patch_makes_the_one_of_the_other(before, after, whole, tmp_path):
    require("patch", shutil.which("patch") is not None, "there is no patch on this machine")
    path = tmp_path / "code.py"
    path.write_bytes(before.encode())
    diff = (diffs.replaced if whole else diffs.unified)(before, after)
    patch = ["patch", "--binary", "--quiet", "--no-backup-if-mismatch", str(path)]
    subprocess.run(patch, input=diff.encode(), check=True, capture_output=True)
    assert (path.read_bytes() if path.exists() else b"") == after.encode()


def test_equal_texts_have_none():
    assert diffs.unified("a\n", "a\n") == diffs.replaced("a\n", "a\n") == ""


def test_a_change_in_a_long_program_is_one_hunk():
    before, after = PAIRS["a line in a long one"]
    assert len(diffs.unified(before, after).splitlines()) == 11


def test_what_differs_in_form_alone_is_no_change():
    code = "def f(x):\n    return 2*x\n"
    assert diffs.compare(code, "def f(x):\n    # twice\n    return 2 * x\n", [])[0] == "no_change"
    assert diffs.compare("def f(", "def f(  \n", [])[0] == "no_change"
    assert diffs.compare("x = 1\n", "x = 2\n", ["x=2"])[0] == "repeat"
    assert diffs.compare("x = 1\n", "x = 3\n", ["x=2"])[0] == ""


@pytest.mark.parametrize("lines", [1000, 100_000])
def test_hostile_texts_take_little_time(lines):
    chance = random.Random(1)
    before, after = ("".join(f"{chance.randrange(3)}\n" for _ in range(lines)) for _ in range(2))
    started = time.process_time()
    diffs.unified(before, after)
    assert time.process_time() - started < 5.0
