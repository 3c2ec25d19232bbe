"""`codearena judge`, with an arena of its own and without a model."""

import json
import subprocess
import sys

import pytest

from tests.e2e.processes import ROOT, plain_environment


@pytest.fixture
def run(own_state):
    def command(*arguments, stdin=""):
        return subprocess.run(
            [sys.executable, "-m", "codearena", *map(str, arguments)],
            cwd=ROOT,
            env=plain_environment(**own_state),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=100,
        )

    return command


@pytest.fixture
def fix(tmp_path):
    path = tmp_path / "fix.py"
    path.write_text("x = 1\n")
    return path


def test_a_file_is_judged(run, fix):
    fix.write_text("import os\n\n\ndef show(name):\n    os.system('ls ' + name)\n")
    done = run("judge", fix, "--description", "Lists a folder.")
    assert done.returncode == 0, done.stderr
    assert "judged by static analysis" in done.stdout
    review = json.loads(run("judge", fix, "--json").stdout)
    assert review["correctness"] is None
    assert review["security"] < 0.7
    assert review["provenance"]["source"] == "STATIC"


def test_a_task_brings_its_own_description(run, fix):
    assert run("judge", "--task", "easy-1", fix).returncode == 0
    done = run("judge", fix, "--task", "easy-1", "--description", "x")
    assert done.returncode == 2
