"""Builds the sandbox's root filesystem from the interpreter that runs this module.

The result holds a Python interpreter, the shared libraries that it needs, the part of the standard library
that a program under repair may use, and the harness: no shell, no package manager, nothing else. Everything
lies at fixed places, whatever the host's own layout: the interpreter finds its library beside itself, and
the loader looks for libraries in the folders that it knows without being told.

Standard library only, so that it also runs inside a plain Python image: see `Dockerfile.sandbox`.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import os
import py_compile
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from services.executor.protocol import HARNESS_PATH, PYTHON_FLAGS
from services.executor.rootfs_libraries import LOADER_FOLDERS, LibrariesError, collect
from services.executor.rootfs_sources import RootfsError, Sources, digest_of, find_sources

__all__ = ["COMMAND", "PYTHON", "Rootfs", "RootfsError", "build_rootfs"]

PYTHON = "/usr/local/bin/python3"
COMMAND = (PYTHON, *PYTHON_FLAGS, HARNESS_PATH)
"""How the harness is started, as PID 1 of a sandbox."""

_LIBRARIES = Path("usr/lib")
_MOUNT_POINTS = ("tmp", "proc", "dev", "sys")
_PASSWD = "root:x:0:0:root:/:/nonexistent\nnobody:x:65534:65534:nobody:/:/nonexistent\n"  # noqa: S105  # pragma: allowlist secret
_GROUP = "root:x:0:\nnogroup:x:65534:\n"


@dataclass(frozen=True, slots=True)
class Rootfs:
    """A root filesystem, complete and not to be written to.

    Attributes:
        path: Folder on the host.
        python: Absolute path of the interpreter inside it.
        digest: What it was made from, as 64 hexadecimal digits.
    """

    path: Path
    python: str
    digest: str


def build_rootfs(target_parent: Path, harness_dir: Path) -> Rootfs:
    """Builds the root filesystem, or returns the one that is there.

    Safe to be called by several processes at once. What it is made from is told by sizes and times of the
    interpreter's files and of the loader's cache (which a library upgrade renews), and by the contents of the
    harness and of the modules that pack it.

    Args:
        target_parent: Folder for `rootfs-<digest>`; made if absent.
        harness_dir: Folder that holds the harness's `__main__.py`.

    Raises:
        RootfsError: The interpreter, its libraries or the harness cannot be read, or the target written.
    """
    try:
        sources = find_sources(harness_dir)
        digest = digest_of(sources)
        target_parent.mkdir(parents=True, exist_ok=True)
        target = target_parent / f"rootfs-{digest[:16]}"
        if not target.is_dir():
            with _locked(target_parent):
                if not target.is_dir():
                    _build_aside(sources, target)
    except (OSError, LibrariesError, py_compile.PyCompileError) as error:
        raise RootfsError(f"cannot build the sandbox's root filesystem in {target_parent}: {error}") from error
    return Rootfs(target, PYTHON, digest)


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Holds the folder's lock, which the kernel drops if the process dies, and clears what a dead one left."""
    with (folder / ".rootfs.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for leftover in folder.glob(".rootfs-*.tmp"):
            shutil.rmtree(leftover)
        yield


def _build_aside(sources: Sources, target: Path) -> None:
    aside = Path(tempfile.mkdtemp(prefix=".rootfs-", suffix=".tmp", dir=target.parent))
    try:
        _fill(sources, aside)
        aside.rename(target)
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)
        raise


def _fill(sources: Sources, root: Path) -> None:
    libraries, extensions = collect(sources.python, sources.extensions)
    lib = root / f"usr/local/lib/python{sys.version_info.major}.{sys.version_info.minor}"
    _copy(sources.python, root / PYTHON.lstrip("/"))
    for file in sources.modules:
        _copy(sources.stdlib / file, lib / file)
    for file in extensions:
        _copy(file, lib / "lib-dynload" / file.name)
    (lib / "lib-dynload").mkdir(exist_ok=True)
    for name, file in libraries.items():
        _copy(file, root / _LIBRARIES / name)
    for folder in LOADER_FOLDERS:
        link = root / folder.relative_to("/")
        if not link.exists():
            link.symlink_to(os.path.relpath(root / _LIBRARIES, link.parent))
    for file in sources.harness:
        _copy(sources.harness_dir / file, root / HARNESS_PATH.lstrip("/") / file)
    _precompile(root, [lib / file for file in sources.modules])
    _precompile(root, [root / HARNESS_PATH.lstrip("/") / file for file in sources.harness])
    _add_skeleton(root)
    _open_to_all(root)


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    shutil.copystat(source, target)


def _precompile(root: Path, files: Sequence[Path]) -> None:
    """Compiles without a check against the source, whose times an image does not keep."""
    for file in files:
        py_compile.compile(
            str(file),
            dfile=f"/{file.relative_to(root)}",
            doraise=True,
            invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
        )


def _add_skeleton(root: Path) -> None:
    for name in _MOUNT_POINTS:
        (root / name).mkdir()
    (root / "etc").mkdir()
    (root / "etc/passwd").write_text(_PASSWD)
    (root / "etc/group").write_text(_GROUP)


def _open_to_all(root: Path) -> None:
    """Lets any user read and nobody but the owner write, whatever the umask and the sources' modes."""
    executable = {root / PYTHON.lstrip("/")}
    root.chmod(0o755)
    for path in root.rglob("*"):
        if path.is_symlink():
            continue
        needs_x = path.is_dir() or path in executable or path.parent == root / _LIBRARIES
        path.chmod(0o755 if needs_x else 0o644)
    # A runtime gives a tmpfs the mode of the folder that it covers.
    (root / "tmp").chmod(0o1777)


def main(arguments: Sequence[str] | None = None) -> int:
    """Builds a root filesystem from the command line; prints its folder."""
    parser = argparse.ArgumentParser(
        prog="python -m services.executor.rootfs",
        description="Pack the Python interpreter that runs this command, and the harness, into a folder that "
        "can serve as the root of a sandbox. Prints the folder. Nothing is done if it is there already.",
    )
    parser.add_argument("parent", type=Path, help="folder in which rootfs-<digest> is made")
    parser.add_argument("--harness", type=Path, default=Path(__file__).parent / "harness", metavar="DIR")
    options = parser.parse_args(arguments)
    try:
        built = build_rootfs(options.parent, options.harness)
    except RootfsError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"{built.path}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
