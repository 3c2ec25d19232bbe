"""The host's files that go into a sandbox's root filesystem. Standard library only, like `rootfs`."""

from __future__ import annotations

import hashlib
import os
import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_PACKERS = ("rootfs.py", "rootfs_libraries.py", "rootfs_sources.py", "protocol.py")
_LD_CACHE = Path("/etc/ld.so.cache")

# Folders and modules of the standard library that no program under repair needs.
_LEFT_OUT = frozenset(
    {
        "__pycache__", "site-packages", "dist-packages", "lib-dynload", "test", "tests", "idlelib", "tkinter",
        "turtledemo", "turtle.py", "ensurepip", "lib2to3", "distutils", "pydoc_data", "venv", "curses", "dbm",
        "msilib", "sitecustomize.py", "usercustomize.py",
    }
)  # fmt: skip
_EXTENSIONS_LEFT_OUT = (
    "_test", "_xx", "xx", "_ctypes_test", "_tkinter", "_curses", "_dbm", "_gdbm", "readline", "nis.", "ossaudiodev",
    "spwd",
)  # fmt: skip


class RootfsError(Exception):
    """The host's interpreter cannot be packed; the message says why."""


@dataclass(frozen=True, slots=True)
class Sources:
    """What a root filesystem is made from.

    Attributes:
        python: The interpreter, no link.
        stdlib: Folder of its standard library.
        modules: Source files in it, relative to it.
        extensions: Its compiled modules.
        harness_dir: Folder of the harness.
        harness: Source files in it, relative to it.
    """

    python: Path
    stdlib: Path
    modules: tuple[Path, ...]
    extensions: tuple[Path, ...]
    harness_dir: Path
    harness: tuple[Path, ...]


def find_sources(harness_dir: Path) -> Sources:
    """Finds the files of the interpreter that runs this module, and of the harness.

    Raises:
        RootfsError: There is no harness, or the interpreter's own file cannot be found.
    """
    harness = tuple(sorted(file.relative_to(harness_dir) for file in harness_dir.rglob("*.py")))
    if Path("__main__.py") not in harness:
        raise RootfsError(f"{harness_dir} holds no harness: it has no __main__.py")
    stdlib = Path(sysconfig.get_path("stdlib")).resolve()
    extensions = tuple(
        file for file in sorted((stdlib / "lib-dynload").glob("*.so")) if not file.name.startswith(_EXTENSIONS_LEFT_OUT)
    )
    return Sources(_interpreter(), stdlib, tuple(_modules(stdlib)), extensions, harness_dir, harness)


def _interpreter() -> Path:
    base = getattr(sys, "_base_executable", None) or sys.executable
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for candidate in (Path(base), Path(sysconfig.get_config_var("BINDIR") or "/usr/bin") / name):
        if candidate.is_file():
            return candidate.resolve()
    raise RootfsError(f"the interpreter's own file cannot be found: {base!r} is none")


def _modules(stdlib: Path) -> Iterator[Path]:
    for folder, folders, files in os.walk(stdlib):
        folders[:] = sorted(name for name in folders if not _left_out(name))
        for name in sorted(files):
            file = Path(folder, name)
            if name.endswith(".py") and not _left_out(name) and file.is_file():
                yield file.relative_to(stdlib)


def _left_out(name: str) -> bool:
    return name in _LEFT_OUT or name.startswith("config-")


def digest_of(sources: Sources) -> str:
    """Names what a root filesystem is made from, as 64 hexadecimal digits.

    The host's files count by size and time, the harness and the modules that pack it by content.

    Raises:
        OSError: A file is gone.
    """
    digest = hashlib.sha256(f"{sys.version}\0{sysconfig.get_platform()}\0".encode())
    host = [sources.python, *sources.extensions, *(sources.stdlib / file for file in sources.modules)]
    for file in [*host, _LD_CACHE] if _LD_CACHE.exists() else host:
        status = file.stat()
        digest.update(f"{file}\0{status.st_size}\0{status.st_mtime_ns}\0".encode())
    here = Path(__file__).parent
    for folder, files in ((here, map(Path, _PACKERS)), (sources.harness_dir, sources.harness)):
        for file in files:
            content = (folder / file).read_bytes()
            digest.update(f"{file}\0{hashlib.sha256(content).hexdigest()}\0".encode())
    return digest.hexdigest()
