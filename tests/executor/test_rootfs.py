from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from services.executor import rootfs
from services.executor.rootfs import PYTHON, RootfsError, build_rootfs
from services.executor.rootfs_libraries import parse_ldd

HARNESS = Path(__file__).parent / "docker_probe"

GLIBC = """\
\tlinux-vdso.so.1 (0x00007f9c273d8000)
\tlibpython3.11.so.1.0 => /opt/python/lib/libpython3.11.so.1.0 (0x00007f9c26e00000)
\tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f9c26c1e000)
\t/lib64/ld-linux-x86-64.so.2 (0x00007f9c273da000)
"""
MUSL = """\
\t/lib/ld-musl-x86_64.so.1 (0x7f2b5a3c5000)
\tlibpython3.11.so.1.0 => /usr/local/lib/libpython3.11.so.1.0 (0x7f2b59e00000)
\tlibc.musl-x86_64.so.1 => /lib/ld-musl-x86_64.so.1 (0x7f2b5a3c5000)
"""


@pytest.fixture(scope="module")
def parent(tmp_path_factory):
    return tmp_path_factory.mktemp("rootfs")


@pytest.fixture(scope="module")
def built(parent):
    return build_rootfs(parent, HARNESS)


def test_ldd_of_glibc():
    found = parse_ldd(GLIBC)
    assert found.files == {
        "libpython3.11.so.1.0": Path("/opt/python/lib/libpython3.11.so.1.0"),
        "libc.so.6": Path("/lib/x86_64-linux-gnu/libc.so.6"),
        "ld-linux-x86-64.so.2": Path("/lib64/ld-linux-x86-64.so.2"),
    }
    assert not found.missing


def test_ldd_of_musl_names_the_loader_twice():
    loader = Path("/lib/ld-musl-x86_64.so.1")
    found = parse_ldd(MUSL)
    assert found.files["ld-musl-x86_64.so.1"] == found.files["libc.musl-x86_64.so.1"] == loader


@pytest.mark.parametrize(
    ("output", "missing"),
    [
        ("\tlibtk8.6.so => not found\n", {"libtk8.6.so"}),
        ("Error loading shared library libtk8.6.so: No such file or directory (needed by x.so)\n", {"libtk8.6.so"}),
        ("\tstatically linked\n", set()),
        ("\tnot a dynamic executable\n", set()),
    ],
)
def test_ldd_of_files_that_lack_something(output, missing):
    found = parse_ldd(output)
    assert found.missing == missing
    assert not found.files


def test_it_holds_an_interpreter_and_nothing_to_escape_with(built):
    assert (built.path / PYTHON.lstrip("/")).is_file()
    assert built.python == PYTHON
    names = {path.name for path in built.path.rglob("*")}
    assert names.isdisjoint({"sh", "bash", "busybox", "ldd", "pip", "site-packages", "ensurepip", "idlelib", "test"})
    assert [path.name for path in (built.path / "usr/local/bin").iterdir()] == ["python3"]
    assert not any(list((built.path / name).iterdir()) for name in ("proc", "dev", "sys", "tmp"))
    assert "root:x:0" in (built.path / "etc/passwd").read_text()


def test_anyone_may_read_and_only_the_owner_write(built):
    for path in [built.path, *built.path.rglob("*")]:
        mode = path.lstat().st_mode
        if stat.S_ISLNK(mode) or path == built.path / "tmp":
            continue
        wanted = 0o555 if stat.S_ISDIR(mode) else 0o444
        assert mode & wanted == wanted, path
        assert not mode & 0o022, path
    assert stat.S_IMODE((built.path / "tmp").stat().st_mode) == 0o1777


def test_everything_is_compiled(built):
    library = next((built.path / "usr/local/lib").glob("python3*"))
    for source in [*library.rglob("*.py"), *(built.path / "codearena").rglob("*.py")]:
        compiled = source.parent / "__pycache__" / f"{source.stem}.{sys.implementation.cache_tag}.pyc"
        flags = int.from_bytes(compiled.read_bytes()[4:8], "little")
        assert flags == 0b01, f"{compiled} is checked against its source"


def test_it_runs_by_itself(built):
    code = (
        "import sys, os, asyncio, ssl, sqlite3, ctypes, lzma, bz2, decimal, json, hashlib, uuid, unittest;"
        "ctypes.CDLL('libgcc_s.so.1');"
        "print(sys.prefix, os.path.exists('/bin'), json.loads('[1]'), hashlib.sha256(b'').hexdigest()[:8])"
    )
    command = [
        shutil.which("chroot", path="/usr/sbin:/usr/bin:/sbin:/bin") or "chroot",
        str(built.path),
        PYTHON,
        "-I",
        "-S",
        "-B",
        "-c",
        code,
    ]
    if os.geteuid() != 0:
        command = ["unshare", "--map-root-user", *command]
        if subprocess.run(["unshare", "--map-root-user", "true"], check=False, capture_output=True).returncode:
            pytest.skip("neither root nor user namespaces, so nothing can change its root")
    done = subprocess.run(command, capture_output=True, text=True, env={}, check=False)
    assert done.stdout == "/usr/local False [1] e3b0c442\n", done.stderr


def test_the_same_is_not_built_twice(parent, built):
    before = (built.path / "etc/passwd").stat()
    assert build_rootfs(parent, HARNESS) == built
    assert (built.path / "etc/passwd").stat() == before


def test_another_harness_is_another_root(parent, built, tmp_path):
    harness = tmp_path / "harness"
    shutil.copytree(HARNESS, harness)
    (harness / "more.py").write_text("x = 1\n")
    other = build_rootfs(parent, harness)
    assert other.path != built.path
    assert (other.path / "codearena/harness/more.py").read_text() == "x = 1\n"


def test_what_a_killed_builder_left_is_cleared(tmp_path):
    leftover = tmp_path / ".rootfs-abc.tmp"
    (leftover / "usr").mkdir(parents=True)
    built = build_rootfs(tmp_path, HARNESS)
    assert not leftover.exists()
    assert built.path.is_dir()


def test_processes_that_build_at_once_share_the_result(tmp_path):
    command = [sys.executable, "-m", "services.executor.rootfs", str(tmp_path), "--harness", str(HARNESS)]

    def build(_: int) -> str:
        done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(rootfs.__file__).parents[2])
        return done.stdout.strip()

    with ThreadPoolExecutor(3) as threads:
        paths = set(threads.map(build, range(3)))
    assert len(paths) == 1
    assert Path(paths.pop(), PYTHON.lstrip("/")).is_file()
    assert [path.name for path in tmp_path.iterdir() if path.name.endswith(".tmp")] == []


def test_a_folder_without_a_harness_is_refused(tmp_path):
    with pytest.raises(RootfsError, match=r"no __main__\.py"):
        build_rootfs(tmp_path / "out", tmp_path)


def test_a_target_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RootfsError, match="cannot build"):
        build_rootfs(tmp_path / "file", HARNESS)
