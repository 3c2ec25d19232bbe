"""Configurations: what is wrong is named, before anything is started."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from training.config import ConfigError, load

CONFIGS = sorted(Path("training/configs").glob("*.yaml"))
SMOKE = Path(__file__).with_name("smoke.yaml")


def changed(folder, **changes):
    file = folder / "changed.yaml"
    document = yaml.safe_load(SMOKE.read_text()) | changes
    file.write_text(yaml.safe_dump({name: value for name, value in document.items() if value is not None}))
    return file


@pytest.mark.parametrize("file", CONFIGS, ids=lambda file: file.stem)
def test_ours_can_be_followed(file):
    assert load(file).output.is_relative_to("results")


def test_the_command_line_replaces_fields():
    assert load(SMOKE, seed=7, output="elsewhere").seed == 7


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"modle": "x"}, "modle"),
        ({"model": "x"}, "exactly one of `model` and `tiny`"),
        ({"tiny": None}, "exactly one of `model` and `tiny`"),
        ({"style": "environment"}, "its style is `reward`"),
        ({"tasks": {"curriculum_rows": 10}}, "wants the style `environment`"),
        ({"generation": {"temperature": 0}}, "generation.temperature"),
        ({"evaluation": {"samples": 0}}, "evaluation.samples"),
        ({"grpo": {"seed": 1}}, "grpo.seed"),
        ({"seed": -1}, "seed"),
    ],
)
def test_what_no_run_can_follow_is_named(tmp_path, changes, named):
    with pytest.raises(ConfigError, match=named):
        load(changed(tmp_path, **changes))


@pytest.mark.parametrize("text", ["[1, 2]", "model: [", ""])
def test_a_file_that_is_no_configuration_is_named(tmp_path, text):
    file = tmp_path / "odd.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=r"odd\.yaml"):
        load(file)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--config", "absent.yaml"], "absent.yaml"),
        ([], "name a --config, or take --tiny"),
        (["--config", "training/configs/qwen.yaml", "--tiny"], "describes no tiny model"),
    ],
)
def test_the_command_ends_with_2_and_says_why(arguments, said):
    ended = subprocess.run(
        [sys.executable, "-m", "training.grpo", *arguments], capture_output=True, text=True, timeout=60
    )
    assert ended.returncode == 2
    assert said in ended.stderr
