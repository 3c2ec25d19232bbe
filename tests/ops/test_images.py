"""The Dockerfiles, the build context, and the script that builds."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest
from docker.utils.build import exclude_paths

from tests.ops.manifests import DOCKERFILES, ROOT, SETTINGS, Instruction, default_of, instructions, last_stage

each = pytest.mark.parametrize("name", sorted(DOCKERFILES))


def only(found: list[str]) -> str:
    assert len(found) == 1, found
    return found[0]


def build_stage(name: str) -> list[Instruction]:
    every = instructions(DOCKERFILES[name])
    return every[: len(every) - len(last_stage(DOCKERFILES[name]))]


def of_kind(name: str, kind: str) -> list[str]:
    return [one.text for one in last_stage(DOCKERFILES[name]) if one.name == kind]


@each
def test_every_stage_is_made_from_the_image_that_the_builder_names(name):
    every = instructions(DOCKERFILES[name])
    assert every[0].name == "ARG"
    assert every[0].text.startswith("PYTHON_IMAGE=python:3.")
    assert {one.text.split()[0] for one in every if one.name == "FROM"} == {"${PYTHON_IMAGE}"}


@each
def test_it_runs_without_root_and_ends_on_sigterm(name):
    user, group = only(of_kind(name, "USER")).split(":")
    assert int(user) >= 10_000
    assert int(group) >= 10_000
    assert only(of_kind(name, "STOPSIGNAL")) == "SIGTERM"
    # A shell as process 1 would keep the signal to itself.
    assert json.loads(only(of_kind(name, "CMD"))) == ["python", "-m", f"services.{name}"]


@each
def test_it_knows_whether_it_is_healthy(name):
    port = {"standalone": "ENV"}.get(name, name.upper())
    check = only(of_kind(name, "HEALTHCHECK"))
    if name == "gateway":
        assert "/health" in check
        assert "CODEARENA_GATEWAY_PORT" in check
    else:
        asked = f"${{CODEARENA_HEALTH_PORT:-$CODEARENA_{port}_PORT}}"
        assert check.endswith(f'CMD python -m services.common.probe "{asked}"')


@each
def test_it_says_where_it_listens(name):
    ports = {int(port) for port in only(of_kind(name, "EXPOSE")).split()}
    expected = {default_of(one, field) for one in SETTINGS for field in ("port", "metrics_port")}
    if name == "standalone":
        expected -= {default_of(one, "port") for one in ("executor", "judge")}
    else:
        expected = {default_of(name, field) for field in ("port", "metrics_port")}
    assert ports == expected - {None}


@each
def test_nothing_is_compiled_or_installed_in_what_is_shipped(name):
    assert not [text for text in of_kind(name, "RUN") if re.search(r"\bpip3? |apt-get|\bpython3? -m", text)]


@each
def test_all_that_is_installed_is_locked_with_hashes_and_comes_built(name):
    (environment,) = (one.text for one in build_stage(name) if one.name == "ENV")
    assert "PIP_ONLY_BINARY=:all:" in environment
    installs = [
        command
        for one in build_stage(name)
        if one.name == "RUN"
        for command in one.text.split("&&")
        if re.search(r"\bpip\b.* (install|wheel)\b", command)
    ]
    assert installs
    assert all("--require-hashes" in command or "--no-deps" in command for command in installs)


def test_what_is_built_is_built_in_the_same_way():
    """But for the service's lock and its own folders, which come last."""

    def common(name: str) -> tuple[str, ...]:
        lines = [f"{one.name} {one.text}".replace(f"services/{name}/req", "req") for one in build_stage(name)]
        return tuple(line for line in lines if not re.match(r"COPY services/(?!build|__init__|common/)", line))

    assert len({common(name) for name in DOCKERFILES}) == 1


@each
def test_the_build_context_holds_what_is_copied(name):
    context = context_files()
    copies = [one.text.split() for one in instructions(DOCKERFILES[name]) if one.name == "COPY"]
    sources = [source for words in copies if "--from=build" not in words for source in words[:-1]]
    assert sources
    for source in sources:
        assert any(Path(file).is_relative_to(source) for file in context), source


def test_the_build_context_holds_nothing_else():
    tops = {Path(file).parts[0] for file in context_files()}
    assert tops <= {
        "LICENSE",
        "README.md",
        "pyproject.toml",
        "codearena",
        "dashboard",
        "services",
        "tasks",
        ".dockerignore",
    }
    assert not [file for file in context_files() if "__pycache__" in file]


@each
def test_the_script_builds_it(name):
    script = (ROOT / "tools/images.sh").read_text()
    (services,) = [line for line in script.splitlines() if line.startswith("services=(")]
    assert name in services.removeprefix("services=(").removesuffix(")").split()


@pytest.mark.parametrize(("arguments", "status"), [(["--help"], 0), (["not/a-tag"], 2), (["a", "b"], 2)])
def test_the_script_explains_itself(arguments, status):
    ran = subprocess.run([ROOT / "tools/images.sh", *arguments], capture_output=True, text=True, timeout=30)
    assert ran.returncode == status
    assert "usage: tools/images.sh [TAG]" in ran.stdout + ran.stderr


def context_files() -> set[str]:
    patterns = [line.strip() for line in (ROOT / ".dockerignore").read_text().splitlines()]
    excluded = [line for line in patterns if line and not line.startswith("#")]
    return {file for file in exclude_paths(str(ROOT), excluded) if (ROOT / file).is_file()}
