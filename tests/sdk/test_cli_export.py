"""The command `export`: stored steps as CSV and Parquet."""

import csv
import importlib.util
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import grpc
import pytest
from click.testing import CliRunner

from codearena._cli import export_files
from codearena._cli.app import cli
from codearena.v1 import env_service_pb2 as pb
from tests.conftest import require
from tests.waiting import until

ROOT = Path(__file__).parents[2]
FIX = 'def count(s):\n    return ","\n'
COLUMNS = [
    *("episode_id", "run_id", "task_id", "category", "difficulty", "step", "reward", "outcome", "tests_passed"),
    *("repeated", "time_complexity", "method", "solved", "created_at"),
]


@pytest.fixture
def run(fake):
    """Runs a command against the peer."""
    return lambda *arguments: CliRunner().invoke(cli, ["--address", fake.address, *map(str, arguments)])


@pytest.fixture
def parquet():
    """What reads Parquet."""
    require("pyarrow", importlib.util.find_spec("pyarrow") is not None, "pyarrow is not installed")
    from pyarrow import parquet

    return parquet


def rows(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_csv(run, fake, tmp_path):
    path = tmp_path / "steps.csv"
    done = run("export", path, "--run", "grpo-12", "--since", "2026-01-31T00:00Z")
    assert (done.exit_code, done.stdout) == (0, f"2 steps in {path}\n")
    first, second = rows(path)
    assert list(first) == COLUMNS
    assert list(first.values()) == [
        *("ep_1", "grpo-12", "easy-1", "easy", "EASY", "1", "0.5", "TESTS_FAILED", "2"),
        *("True", "O(n)", "builtin", "True", "2023-11-14T22:13:20.250000+00:00"),
    ]
    assert second["step"] == "2"
    (request,) = fake.requests("ExportSteps")
    assert (request.run_id, request.start_time.ToJsonString()) == ("grpo-12", "2026-01-31T00:00:00Z")


def test_csv_with_fixes(run, tmp_path):
    path = tmp_path / "steps.CSV"
    assert run("export", path, "--with-fixes").exit_code == 0
    assert [row["proposed_fix"] for row in rows(path)] == [FIX, FIX]


def test_export_of_nothing_has_the_columns(run, fake, tmp_path):
    fake.responses["ExportSteps"] = lambda request: []
    path = tmp_path / "steps.csv"
    done = run("export", path)
    assert (done.exit_code, done.stdout) == (0, f"0 steps in {path}\n")
    assert path.read_text().strip() == ",".join(COLUMNS)


def test_parquet(run, parquet, tmp_path):
    path = tmp_path / "steps.parquet"
    done = run("export", path, "--with-fixes")
    assert (done.exit_code, done.stdout) == (0, f"2 steps in {path}\n")
    table = parquet.read_table(path)
    assert table.column_names == [*COLUMNS, "proposed_fix"]
    assert table.to_pylist()[0] == {
        "episode_id": "ep_1",
        "run_id": "grpo-12",
        "task_id": "easy-1",
        "category": "easy",
        "difficulty": "EASY",
        "step": 1,
        "reward": 0.5,
        "outcome": "TESTS_FAILED",
        "tests_passed": 2,
        "repeated": True,
        "time_complexity": "O(n)",
        "method": "builtin",
        "solved": True,
        "created_at": datetime(2023, 11, 14, 22, 13, 20, 250_000, tzinfo=UTC),
        "proposed_fix": FIX,
    }


@pytest.mark.parametrize(
    ("limit", "options", "groups"),
    [
        ({"GROUP_ROWS": 4}, [], [4, 4, 2]),
        ({"GROUP_CHARACTERS": 3 * len(FIX)}, ["--with-fixes"], [3, 3, 3, 1]),
        ({"GROUP_CHARACTERS": 3 * len(FIX)}, [], [10]),
    ],
    ids=["rows", "characters", "characters without fixes"],
)
def test_parquet_is_written_in_row_groups(run, parquet, fake, make, tmp_path, monkeypatch, limit, options, groups):
    for name, value in limit.items():
        monkeypatch.setattr(export_files, name, value)
    fake.responses["ExportSteps"] = lambda request: [make.record(step) for step in range(1, 11)]
    path = tmp_path / "steps.parquet"
    assert run("export", path, *options).exit_code == 0
    file = parquet.ParquetFile(path)
    assert [file.metadata.row_group(group).num_rows for group in range(file.num_row_groups)] == groups
    assert file.read(["step"]).to_pydict()["step"] == list(range(1, 11))


def test_parquet_of_nothing_has_the_columns(run, parquet, fake, tmp_path):
    fake.responses["ExportSteps"] = lambda request: []
    path = tmp_path / "steps.parquet"
    assert run("export", path).exit_code == 0
    assert parquet.read_table(path).column_names == COLUMNS


def test_without_pyarrow_the_extra_is_named(run, fake, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    done = run("export", tmp_path / "steps.parquet")
    assert done.exit_code == 2
    assert "the extra `export`" in done.stderr
    assert not fake.received
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_export_that_breaks_off_keeps_the_file(run, fake, make, tmp_path, suffix, request):
    if suffix == "parquet":
        request.getfixturevalue("parquet")

    def breaks_off(request):
        yield make.record()
        raise RuntimeError("the server's own mistake")

    fake.responses["ExportSteps"] = breaks_off
    path = tmp_path / f"steps.{suffix}"
    path.write_text("before")
    done = run("export", path)
    assert (done.exit_code, done.stdout) == (4, "")
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_export_to_where_nothing_can_be_written(run, fake, tmp_path):
    done = run("export", tmp_path / "absent" / "steps.csv")
    assert done.exit_code == 2
    assert "cannot write" in done.stderr
    assert not fake.received


def test_arena_that_is_down_leaves_no_file(run, fake, tmp_path):
    fake.fail("ExportSteps", grpc.StatusCode.UNAVAILABLE, reason="STORE_UNAVAILABLE", times=5)
    assert run("export", tmp_path / "steps.csv").exit_code == 3
    assert not list(tmp_path.iterdir())


def test_interrupted_export_leaves_no_file(fake, make, tmp_path):
    def endless(request):
        yield make.record()
        fake.arrived["first"].set()
        fake.release.wait(timeout=30)

    fake.responses["ExportSteps"] = endless
    process = subprocess.Popen(
        [sys.executable, "-m", "codearena", "--address", fake.address, "export", str(tmp_path / "steps.csv")],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])},
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert fake.arrived["first"].wait(30)
        until(lambda: len(list(tmp_path.iterdir())) == 1)
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=30)
    finally:
        process.kill()
        process.wait()
    assert (process.returncode, told) == (130, "codearena: interrupted\n")
    assert not list(tmp_path.iterdir())


def test_columns_are_those_of_a_record():
    names = {field.name for field in pb.ExportStepsResponse.DESCRIPTOR.fields}
    renamed = {"tests_passed": "passed_test_count", "created_at": "create_time"}
    assert {renamed.get(name, name) for name in COLUMNS} == names - {"proposed_fix"}
