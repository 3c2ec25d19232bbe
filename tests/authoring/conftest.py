"""The tools of task authors as their users call them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def command(arena_data):
    """Runs `codearena …` on the process sandbox; returns its exit status, stdout and stderr."""

    def run(*arguments, timeout=120, **environment):
        settings = {"CODEARENA_SANDBOX_BACKEND": "process", "CODEARENA_DATA_DIR": str(arena_data), "NO_COLOR": "1"}
        env = {**os.environ, **settings, **environment}
        ended = subprocess.run(
            [sys.executable, "-m", "codearena", *map(str, arguments)],
            cwd=ROOT, env=env, capture_output=True, text=True, timeout=timeout, check=False,
        )  # fmt: skip
        return ended.returncode, ended.stdout, ended.stderr

    return run


@pytest.fixture
def jsonl(tmp_path):
    """Writes rows, dicts or raw lines, as a JSONL file."""

    def write(*rows, name="source.jsonl"):
        file = tmp_path / name
        file.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
        return file

    return write
