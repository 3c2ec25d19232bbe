"""What a user installs."""

import importlib.util
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dist")
    isolation = ["--no-isolation"] if importlib.util.find_spec("hatchling") else []
    command = [sys.executable, "-m", "build", "--wheel", *isolation, "--outdir", str(folder), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    (path,) = folder.glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        yield archive


@pytest.mark.slow
def test_wheel_holds_the_sdk_and_nothing_else(wheel):
    names = wheel.namelist()
    assert {name.partition("/")[0].partition("-")[0] for name in names} == {
        "codearena",
        "codearena_rl",
        "codearena_taskset.py",  # by which verifiers finds its taskset
    }
    kinds = {".py", ".pyi", ".typed"}
    source = {str(path.relative_to(ROOT)) for path in (ROOT / "codearena").rglob("*") if path.suffix in kinds}
    assert {name for name in names if name.startswith("codearena/")} == source


@pytest.mark.slow
def test_wheel_depends_on_little_and_has_the_command(wheel):
    (metadata,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    (scripts,) = (name for name in wheel.namelist() if name.endswith(".dist-info/entry_points.txt"))
    lines = wheel.read(metadata).decode().splitlines()
    required = [
        line.split(": ", 1)[1] for line in lines if line.startswith("Requires-Dist: ") and "extra ==" not in line
    ]
    assert {line.partition("<")[0].partition(">")[0] for line in required} == {"click", "grpcio", "protobuf", "rich"}
    assert "codearena = codearena.__main__:main" in wheel.read(scripts).decode()
