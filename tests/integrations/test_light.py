"""What the integrations import, and what they say where a library is missing."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

HEAVY = ["datasets", "gymnasium", "numpy", "openai", "skyrl_gym", "torch", "transformers", "trl", "verifiers"]


def run(program, *arguments):
    return subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True)


@pytest.mark.parametrize("module", ["codearena", "codearena.integrations.trl", "codearena.integrations.verl"])
def test_nothing_heavy_is_imported(module):
    program = "import importlib, json, sys; importlib.import_module(sys.argv[1]); print(json.dumps(list(sys.modules)))"
    imported = json.loads(run(program, module).stdout)
    assert not set(HEAVY) & set(imported)


@pytest.mark.parametrize(
    ("package", "statement", "extra"),
    [
        ("gymnasium", "import codearena.integrations.gymnasium", "gymnasium"),
        ("verifiers", "import codearena.integrations.verifiers", "verifiers"),
        ("skyrl_gym", "import codearena.integrations.skyrl", "skyrl"),
        ("datasets", "from codearena.integrations.trl import curriculum_dataset; curriculum_dataset(1)", "trl"),
    ],
)
def test_a_missing_library_is_told_with_its_extra(package, statement, extra):
    done = run(f"import sys; sys.modules[{package!r}] = None; {statement}")
    assert done.returncode == 1
    assert f'pip install "codearena-rl[{extra}]"' in done.stderr.splitlines()[-1]
