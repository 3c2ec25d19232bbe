"""Secrets as files: what Docker and Kubernetes put into a folder, and what of it is refused."""

import os
import sys

import pytest

from services.common.main import read_settings, variables
from services.common.settings import PeerSettings
from services.env.settings import EnvSettings
from services.gateway.settings import GatewaySettings
from services.judge.settings import JudgeSettings

SECRET = "tr0ub4dor"  # pragma: allowlist secret


@pytest.fixture(autouse=True)
def folder(monkeypatch, tmp_path):
    for name in list(os.environ):
        if name.startswith("CODEARENA_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("CODEARENA_SECRETS_DIR", str(tmp_path))
    return tmp_path


def problem(capsys):
    with pytest.raises(SystemExit) as caught:
        read_settings(EnvSettings)
    assert caught.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert SECRET not in line
    return line


def test_every_secret_can_be_a_file(folder):
    (folder / "codearena_token").write_text("of-the-arena\n")
    (folder / "codearena_judge_api_key").write_text("of-the-model\n")
    (folder / "codearena_database_url").write_text("  postgresql+psycopg://u:p@db/arena\n")
    (folder / "CODEARENA_ENV_TOKEN").write_text("of-the-gateway")
    assert EnvSettings().token.get_secret_value() == "of-the-arena"
    assert PeerSettings().token.get_secret_value() == "of-the-arena"
    assert EnvSettings().store_url() == "postgresql+psycopg://u:p@db/arena"
    assert JudgeSettings().judge_api_key.get_secret_value() == "of-the-model"
    assert GatewaySettings().token_for_env() == "of-the-gateway"


def test_as_kubernetes_mounts_them(folder):
    """Each file is a link to one in a hidden folder, which is itself a link, so that all change at once."""
    (folder / "..2026").mkdir()
    (folder / "..2026" / "codearena_token").write_text(SECRET)
    (folder / "..data").symlink_to("..2026")
    (folder / "codearena_token").symlink_to("..data/codearena_token")
    assert EnvSettings().token.get_secret_value() == SECRET


def test_a_variable_is_stronger_than_a_file(folder, monkeypatch):
    (folder / "codearena_token").write_text("of-the-file")
    monkeypatch.setenv("CODEARENA_TOKEN", "of-the-variable")
    assert EnvSettings().token.get_secret_value() == "of-the-variable"
    monkeypatch.setenv("CODEARENA_TOKEN", "")
    assert EnvSettings().token.get_secret_value() == "of-the-file"


def test_other_files_and_no_files_mean_nothing(folder):
    (folder / "token").write_text(SECRET)
    (folder / "kubernetes.io").mkdir()
    assert EnvSettings().token is None


def test_without_the_variable_the_usual_folder_is_read(folder, monkeypatch):
    monkeypatch.delenv("CODEARENA_SECRETS_DIR")
    monkeypatch.setattr("services.common.secret_files.FOLDER", folder)
    (folder / "codearena_token").write_text(SECRET)
    assert EnvSettings().token.get_secret_value() == SECRET
    monkeypatch.setattr("services.common.secret_files.FOLDER", folder / "none")
    assert EnvSettings().token is None


def test_a_folder_that_is_not_there(folder, monkeypatch, capsys):
    monkeypatch.setenv("CODEARENA_SECRETS_DIR", str(folder / "none"))
    assert f"CODEARENA_SECRETS_DIR: there is no folder {folder / 'none'}" in problem(capsys)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda file: file.write_text(" \n"), "is empty"),
        (lambda file: file.write_bytes(SECRET.encode() + b"\xff"), "cannot be read"),
        (lambda file: file.mkdir(), "found a directory instead"),
        (lambda file: file.symlink_to(sys.executable), "resolves outside"),
    ],
    ids=["empty", "no text", "a folder", "a link to elsewhere"],
)
def test_a_secret_that_cannot_be_used_is_no_absent_one(folder, capsys, make, words):
    make(folder / "codearena_token")
    line = problem(capsys)
    assert "codearena_token" in line
    assert words in line


def test_a_list_that_is_no_json(folder, capsys):
    (folder / "codearena_tasks").write_text(SECRET)
    assert "it must be JSON" in problem(capsys)


def test_help_names_the_folder():
    assert "CODEARENA_SECRETS_DIR" in variables(EnvSettings)
